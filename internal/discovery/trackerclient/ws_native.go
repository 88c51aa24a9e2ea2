//go:build !js

package trackerclient

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/internal/reach"
)

const (
	defaultMaxAnswers = 16

	// frugal: see ws_js.go.
	frugal          = false
	defaultOfferAge = 50 * time.Second
	defaultMaxRetry = time.Hour
)

// wsHTTP opens WebSockets. It has no time limit of its own: the context has one.
var wsHTTP = &http.Client{
	Transport: &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 15 * time.Second, ControlContext: reach.Control}).DialContext,
		TLSHandshakeTimeout:    15 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableKeepAlives:      true,
	},
	CheckRedirect: reach.CheckRedirect,
}

// dialWS opens a WebSocket. named says that the user gave the address.
func dialWS(ctx context.Context, address string, named bool, userAgent string) (wsConn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, plain(err)
	}
	ws, resp, err := websocket.Dial(reach.With(ctx, reach.New(u, named, mayReachBare)), address, &websocket.DialOptions{
		HTTPClient: wsHTTP,
		HTTPHeader: http.Header{"User-Agent": {userAgent}},
	})
	if resp != nil && resp.Body != nil && err != nil {
		resp.Body.Close()
	}
	if err != nil {
		return nil, plain(err)
	}
	ws.SetReadLimit(maxMessage)
	return nativeWS{ws}, nil
}

type nativeWS struct{ ws *websocket.Conn }

func (c nativeWS) Read() ([]byte, error) {
	_, b, err := c.ws.Read(context.Background())
	return b, err
}

func (c nativeWS) Write(ctx context.Context, b []byte) error {
	return c.ws.Write(ctx, websocket.MessageText, b)
}

func (c nativeWS) Ping(ctx context.Context) error { return c.ws.Ping(ctx) }

func (c nativeWS) Close() { go c.ws.Close(websocket.StatusNormalClosure, "") }
