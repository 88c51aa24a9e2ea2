//go:build js

package trackerclient

import (
	"context"
	"errors"
	"sync"
	"syscall/js"
	"time"
)

const defaultMaxAnswers = 5

// frugal says that connections are few here, see frugal.go.
const frugal = true

const defaultOfferAge = 10 * time.Minute

// defaultMaxRetry is, with the jitter, half a minute: somebody looks at the page.
const defaultMaxRetry = 24 * time.Second

const (
	// maxUnread bounds the messages that wait for Read; more end the connection.
	maxUnread = 256
	// maxUnsent bounds the bytes that wait for the network; more end it too.
	maxUnsent = 1 << 20
)

var (
	errNoWebSocket = errors.New("tracker: no WebSocket here")
	errConnect     = errors.New("tracker: the connection could not be opened")
	errLost        = errors.New("tracker: the connection was lost")
	errFlood       = errors.New("tracker: more messages than can be handled")
)

// A jsWS is a WebSocket of the page or worker that we run in.
type jsWS struct {
	ws     js.Value
	funcs  []js.Func
	opened chan struct{}
	closed chan struct{}
	wake   chan struct{}

	mu     sync.Mutex
	unread [][]byte
	err    error // why there is no more to read
}

// dialWS opens a WebSocket. The browser chooses the user agent, decides where a page may
// connect to, and says nothing about why it fails.
func dialWS(ctx context.Context, url string, _ bool, _ string) (wsConn, error) {
	class := js.Global().Get("WebSocket")
	if class.Type() != js.TypeFunction {
		return nil, errNoWebSocket
	}
	c := &jsWS{opened: make(chan struct{}), closed: make(chan struct{}), wake: make(chan struct{}, 1)}
	if err := try(func() { c.ws = class.New(url) }); err != nil {
		return nil, err
	}
	c.ws.Set("binaryType", "arraybuffer")
	c.on("onopen", func(js.Value) { close(c.opened) })
	c.on("onmessage", c.message)
	c.on("onclose", func(js.Value) {
		c.fail(errLost)
		close(c.closed)
	})
	select {
	case <-c.opened:
		return c, nil
	case <-c.closed:
		c.release()
		return nil, errConnect
	case <-ctx.Done():
		c.release()
		c.close()
		return nil, ctx.Err()
	}
}

func (c *jsWS) on(event string, f func(event js.Value)) {
	fn := js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(args[0])
		return nil
	})
	c.funcs = append(c.funcs, fn)
	c.ws.Set(event, fn)
}

// release takes the handlers away, so that none is called any more.
func (c *jsWS) release() {
	for _, event := range []string{"onopen", "onmessage", "onclose"} {
		c.ws.Set(event, js.Null())
	}
	for _, f := range c.funcs {
		f.Release()
	}
	c.funcs = nil
}

func (c *jsWS) message(event js.Value) {
	data := event.Get("data")
	var b []byte
	if data.Type() == js.TypeString {
		b = []byte(data.String()) // a JS string has no properties that Go can get
	} else if n := data.Get("byteLength").Int(); n <= maxMessage {
		b = make([]byte, n)
		js.CopyBytesToGo(b, js.Global().Get("Uint8Array").New(data))
	}
	if b == nil || len(b) > maxMessage {
		c.fail(errFlood)
		return
	}
	c.mu.Lock()
	full := len(c.unread) >= maxUnread
	if !full {
		c.unread = append(c.unread, b)
	}
	c.mu.Unlock()
	if full {
		c.fail(errFlood)
		return
	}
	c.signal()
}

func (c *jsWS) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *jsWS) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.signal()
}

// Read returns the next message. It is the last to touch the connection: when it
// fails, the handlers are released.
func (c *jsWS) Read() ([]byte, error) {
	for {
		c.mu.Lock()
		if len(c.unread) > 0 {
			b := c.unread[0]
			c.unread[0] = nil
			c.unread = c.unread[1:]
			c.mu.Unlock()
			return b, nil
		}
		err := c.err
		c.mu.Unlock()
		if err != nil {
			c.release()
			c.close()
			return nil, err
		}
		<-c.wake
	}
}

func (c *jsWS) Write(_ context.Context, b []byte) error {
	if c.ws.Get("readyState").Int() != 1 {
		return errLost
	}
	if c.ws.Get("bufferedAmount").Int() > maxUnsent {
		return errFlood
	}
	return try(func() { c.ws.Call("send", string(b)) })
}

// Ping: a page cannot.
func (c *jsWS) Ping(context.Context) error { return errNoPing }

// Close lets what was sent go out before it closes.
func (c *jsWS) Close() {
	c.close()
	c.fail(ErrClosed)
}

func (c *jsWS) close() { try(func() { c.ws.Call("close") }) }

// try turns an exception into an error.
func try(f func()) (err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case js.Error:
			err = errors.New("tracker: " + e.Value.Call("toString").String())
		default:
			panic(e)
		}
	}()
	f()
	return nil
}
