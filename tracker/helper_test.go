package tracker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

var errNotServed = errors.New("this info hash is not served here")

// msg is a message as another program would read it: through encoding/json.
type msg map[string]any

// start runs a tracker behind a real HTTP server on loopback.
func start(t *testing.T, cfg Config) (*Tracker, *httptest.Server) {
	t.Helper()
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tr)
	t.Cleanup(func() {
		tr.Close()
		srv.Close()
	})
	return tr, srv
}

// bin20 makes a 20-byte id from a name, as JSON carries it.
func bin20(name string) string {
	b := []byte(name + strings.Repeat("\x00\xff\"\\\x80", 4))
	r := make([]rune, 20)
	for i := range r {
		r[i] = rune(b[i])
	}
	return string(r)
}

type client struct {
	t  *testing.T
	ws *websocket.Conn
}

func dial(t *testing.T, srv *httptest.Server) *client {
	t.Helper()
	return dialWith(t, srv, nil)
}

func dialWith(t *testing.T, srv *httptest.Server, h http.Header) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(srv.URL, "http")+"/announce", &websocket.DialOptions{HTTPHeader: h})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	return &client{t, ws}
}

func (c *client) sendRaw(s string) {
	c.t.Helper()
	if err := c.ws.Write(c.t.Context(), websocket.MessageText, []byte(s)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) send(m msg) {
	c.t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	c.sendRaw(string(b))
}

// announce sends an announce with further fields and returns its reply.
func (c *client) announce(hash, peer string, more msg) msg {
	c.t.Helper()
	m := msg{"action": "announce", "info_hash": bin20(hash), "peer_id": bin20(peer), "left": 1}
	for k, v := range more {
		m[k] = v
	}
	c.send(m)
	return c.recv()
}

func (c *client) recv() msg {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	_, b, err := c.ws.Read(ctx)
	if err != nil {
		c.t.Fatalf("no message: %v", err)
	}
	var m msg
	if err := json.Unmarshal(b, &m); err != nil {
		c.t.Fatalf("%v in %q", err, b)
	}
	return m
}

// nothingElse proves that no further message is on its way: the reply to a
// scrape comes first.
func (c *client) nothingElse() {
	c.t.Helper()
	c.send(msg{"action": "scrape", "info_hash": bin20("nothing")})
	if m := c.recv(); m["action"] != "scrape" {
		c.t.Errorf("an unexpected message: %v", m)
	}
}

// closed waits for the end of the connection and returns its close code.
func (c *client) closed() websocket.StatusCode {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	for {
		if _, _, err := c.ws.Read(ctx); err != nil {
			if ctx.Err() != nil {
				c.t.Fatal("the connection stays open")
			}
			return websocket.CloseStatus(err)
		}
	}
}

func offers(ids ...string) []any {
	var list []any
	for _, id := range ids {
		list = append(list, msg{"offer": msg{"type": "offer", "sdp": "sdp of " + id}, "offer_id": bin20(id)})
	}
	return list
}

func (m msg) counts(t *testing.T, complete, incomplete float64) {
	t.Helper()
	if m["failure reason"] != nil || m["complete"] != complete || m["incomplete"] != incomplete {
		t.Errorf("%v, want %v complete, %v incomplete", m, complete, incomplete)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v, %v", url, resp.Status, err)
	}
	return string(b)
}

// eventually waits for what another goroutine is about to do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func listenUDP(t *testing.T, addr string) *net.UDPConn {
	t.Helper()
	pc, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc.(*net.UDPConn)
}
