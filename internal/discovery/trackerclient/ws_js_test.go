package trackerclient

import (
	"context"
	"strings"
	"syscall/js"
	"testing"
	"time"
)

// fakeSocket is a WebSocket class that the test plays the server of.
const fakeSocket = `
globalThis.sockets = [];
globalThis.WebSocket = class {
	constructor(url) {
		if (url.startsWith("bad")) throw new SyntaxError("bad url");
		this.url = url; this.readyState = 0; this.bufferedAmount = 0; this.sent = []; this.closed = 0;
		globalThis.sockets.push(this);
		setTimeout(() => {
			if (url.includes("refused")) { this.readyState = 3; this.onclose && this.onclose({}); return }
			if (url.includes("hang")) return;
			this.readyState = 1;
			this.onopen && this.onopen({});
			if (url.includes("early")) this.onmessage({data: "early"});
		}, 1);
	}
	send(s) { this.sent.push(s) }
	close() {
		this.closed++;
		if (this.readyState >= 2) return;
		this.readyState = 2;
		setTimeout(() => { this.readyState = 3; this.onclose && this.onclose({}) }, 1);
	}
};`

func open(t *testing.T, url string) (wsConn, js.Value) {
	t.Helper()
	js.Global().Call("eval", fakeSocket)
	c, err := dialWS(t.Context(), url, false, "")
	if err != nil {
		t.Fatal(err)
	}
	return c, js.Global().Get("sockets").Index(0)
}

func TestBrowserSocket(t *testing.T) {
	c, ws := open(t, "wss://early.example/")
	if b, err := c.Read(); err != nil || string(b) != "early" {
		t.Errorf("%q %v", b, err)
	}
	text := "{\"x\":\"\u00ff\u4e16\U0001F600\"}"
	if err := c.Write(t.Context(), []byte(text)); err != nil || ws.Get("sent").Index(0).String() != text {
		t.Errorf("sent %q, %v", ws.Get("sent").Index(0), err)
	}
	ws.Call("onmessage", map[string]any{"data": text})
	binary := js.Global().Get("Uint8Array").New(3)
	js.CopyBytesToJS(binary, []byte{1, 2, 255})
	ws.Call("onmessage", map[string]any{"data": binary.Get("buffer")})
	if b, err := c.Read(); err != nil || string(b) != text {
		t.Errorf("%q %v", b, err)
	}
	if b, err := c.Read(); err != nil || string(b) != "\x01\x02\xff" {
		t.Errorf("%q %v", b, err)
	}
	c.Close()
	if _, err := c.Read(); err != ErrClosed {
		t.Errorf("read after close: %v", err)
	}
	if !ws.Get("onmessage").IsNull() {
		t.Error("the handlers stay")
	}
	if err := c.Write(t.Context(), []byte("x")); err == nil {
		t.Error("write after close")
	}
	c.Close()
}

func TestBrowserSocketFailures(t *testing.T) {
	js.Global().Call("eval", fakeSocket)
	if _, err := dialWS(t.Context(), "bad://x", false, ""); err == nil || !strings.Contains(err.Error(), "bad url") {
		t.Errorf("bad URL: %v", err)
	}
	if _, err := dialWS(t.Context(), "wss://refused.example", false, ""); err != errConnect {
		t.Errorf("refused: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := dialWS(ctx, "wss://hang.example", false, ""); err != context.DeadlineExceeded {
		t.Errorf("hanging: %v", err)
	}

	c, ws := open(t, "wss://x.example")
	ws.Call("onclose", map[string]any{})
	if _, err := c.Read(); err != errLost {
		t.Errorf("lost: %v", err)
	}
	c, ws = open(t, "wss://x.example")
	ws.Call("onmessage", map[string]any{"data": strings.Repeat("x", maxMessage+1)})
	if _, err := c.Read(); err != errFlood {
		t.Errorf("large message: %v", err)
	}
	c, ws = open(t, "wss://x.example")
	for range maxUnread + 1 {
		ws.Call("onmessage", map[string]any{"data": "x"})
	}
	n := 0
	for {
		if _, err := c.Read(); err != nil {
			break
		}
		n++
	}
	if n != maxUnread {
		t.Errorf("%d messages of a flood were kept", n)
	}
	c, ws = open(t, "wss://x.example")
	ws.Set("bufferedAmount", maxUnsent+1)
	if err := c.Write(t.Context(), []byte("x")); err != errFlood {
		t.Errorf("a network that takes nothing: %v", err)
	}
	js.Global().Delete("WebSocket")
	if _, err := dialWS(t.Context(), "wss://x", false, ""); err != errNoWebSocket {
		t.Errorf("no class: %v", err)
	}
}
