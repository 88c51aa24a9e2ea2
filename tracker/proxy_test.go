package tracker

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// askRaw sends a request as it is written and returns the address that the tracker takes the client to
// have, or "" if there is no answer.
func askRaw(t *testing.T, nc net.Conn, before, headers string) string {
	t.Helper()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(nc, before+"GET /announce"+query("hash", "a", 1, 5, "")+" HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"+headers+"\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	body, _ := io.ReadAll(resp.Body)
	reply, err := httpwire.ParseReply(body)
	if err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	if !reply.ExternalIP.IsValid() {
		return string(body)
	}
	return reply.ExternalIP.String()
}

// Whichever way a request comes in, the same header counts.
func TestProxyHeaders(t *testing.T) {
	for _, c := range []struct {
		which   ProxyHeader
		headers string
		want    string
	}{
		{AnyHeader, "X-Forwarded-For: 2.2.2.2:1234\r\nX-Real-IP: 3.3.3.3\r\nForwarded: for=4.4.4.4\r\n", "2.2.2.2"},
		{AnyHeader, "X-Real-IP: 3.3.3.3\r\nForwarded: for=4.4.4.4\r\n", "3.3.3.3"},
		{AnyHeader, "Forwarded: for=\"[2001:db8::4]:80\";proto=https\r\n", "2001:db8::4"},
		{AnyHeader, "", "127.0.0.1"},
		{AnyHeader, "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: [2001:db8::2]:1\r\n", "2001:db8::2"},
		{XForwardedFor, "X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n", "127.0.0.1"},
		{XRealIP, "X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 3.3.3.3\r\n", "3.3.3.3"},
		{Forwarded, "X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6, for=4.4.4.4\r\n", "4.4.4.4"},
	} {
		tr, srv := start(t, Config{TrustedProxies: loopback, ProxyHeader: c.which})
		for _, addr := range []string{srv.Listener.Addr().String(), listen(t, tr, nil)} {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			if got := askRaw(t, nc, "", c.headers); got != c.want {
				t.Errorf("%d, %q: %s, want %s", c.which, c.headers, got, c.want)
			}
			nc.Close()
		}
	}
}

func TestProxyProtocol(t *testing.T) {
	const v2 = "\r\n\r\n\x00\r\nQUIT\n"
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) })
	conf := certificate(t)
	for _, c := range []struct{ name, header, more, want string }{
		{"version 1", "PROXY TCP4 2.2.2.2 127.0.0.1 5000 80\r\n", "", "2.2.2.2"},
		{"version 2", v2 + "\x21\x11\x00\x0c\x03\x03\x03\x03\x7f\x00\x00\x01\x13\x88\x00\x50", "", "3.3.3.3"},
		{"version 2, IPv6", v2 + "\x21\x21\x00\x24\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x04" + strings.Repeat("\x00", 15) + "\x01\x13\x88\x00\x50", "", "2001:db8::4"},
		{"the client's own header", "PROXY TCP4 2.2.2.2 127.0.0.1 5000 80\r\n", "X-Forwarded-For: 6.6.6.6\r\n", "2.2.2.2"},
		{"another proxy behind it", "PROXY TCP4 127.0.0.9 127.0.0.1 5000 80\r\n", "X-Forwarded-For: 5.5.5.5\r\n", "5.5.5.5"},
		{"a health check", v2 + "\x20\x00\x00\x00", "", "127.0.0.1"},
		{"no header", "", "", ""},
		{"a broken header", "PROXY TCP4 2.2.2.2\r\n", "", ""},
	} {
		tr := newTracker(t, Config{TrustedProxies: loopback, ProxyProtocol: true, Fallback: pages})
		for way, addr := range map[string]string{"plain": listen(t, tr, nil), "TLS": listen(t, tr, conf)} {
			dial := func() net.Conn {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { nc.Close() })
				if way == "TLS" {
					io.WriteString(nc, c.header)
					return tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
				}
				return nc
			}
			header := c.header
			if way == "TLS" {
				header = ""
			}
			if got := askRaw(t, dial(), header, c.more); got != c.want {
				t.Errorf("%s, %s: %q, want %q", c.name, way, got, c.want)
			}
			if c.want == "" || c.more != "" {
				continue
			}
			// What is no announce is told the same.
			nc := dial()
			nc.SetDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(nc, header+"GET /page HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			if page, _ := io.ReadAll(resp.Body); !strings.HasPrefix(strings.TrimLeft(string(page), "["), c.want) {
				t.Errorf("%s, %s: the page sees %q", c.name, way, page)
			}
		}
	}
}

// Whoever is no proxy cannot say who he is.
func TestProxyProtocolOfOthers(t *testing.T) {
	tr := newTracker(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, ProxyProtocol: true})
	addr := listen(t, tr, nil)
	for header, want := range map[string]string{"": "127.0.0.1", "PROXY TCP4 6.6.6.6 127.0.0.1 5000 80\r\n": ""} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := askRaw(t, nc, header, ""); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
		nc.Close()
	}
}

// Limits hold for the client that a proxy names, not for the proxy.
func TestProxyProtocolAndLimits(t *testing.T) {
	tr := newTracker(t, Config{TrustedProxies: loopback, ProxyProtocol: true, Limits: Limits{ConnsPerAddr: 1}})
	addr := listen(t, tr, nil)
	open := func(from string) bool {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(nc, "PROXY TCP4 "+from+" 127.0.0.1 5000 80\r\nGET /announce"+query("hash", "a", 1, 5, "")+" HTTP/1.1\r\nHost: t\r\n\r\n")
		_, err = http.ReadResponse(bufio.NewReader(nc), nil)
		return err == nil
	}
	if !open("2.2.2.2") || open("2.2.2.2") || !open("2.2.2.3") {
		t.Error("one connection an address is not what clients get")
	}
}

func TestUnixSocket(t *testing.T) {
	tr := newTracker(t, Config{Fallback: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })})
	path := filepath.Join(t.TempDir(), "sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go tr.Serve(ln)
	for header, want := range map[string]string{"X-Real-IP: 3.3.3.3\r\n": "3.3.3.3", "X-Forwarded-For: 6.6.6.6, 2.2.2.2\r\n": "2.2.2.2"} {
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if got := askRaw(t, nc, "", header); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
		nc.Close()
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	t.Cleanup(client.CloseIdleConnections)
	ask := func(path string) string {
		t.Helper()
		resp, err := client.Get("http://tracker" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	// Nobody who is somewhere can be introduced without an address. Pages need none.
	if got := ask("/announce" + query("hash", "a", 1, 5, "")); !strings.Contains(got, "the address of the client is unknown") {
		t.Errorf("without a header: %q", got)
	}
	if got := ask("/page"); got != "page" {
		t.Errorf("a page: %q", got)
	}
	_, resp, err := websocket.Dial(t.Context(), "ws://tracker/announce", &websocket.DialOptions{HTTPClient: &client})
	if err == nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a WebSocket without a header: %v", err)
	}
	// With one, tabs meet over it.
	open := func(ip string) *websocket.Conn {
		t.Helper()
		ws, _, err := websocket.Dial(t.Context(), "ws://tracker/announce", &websocket.DialOptions{HTTPClient: &client, HTTPHeader: http.Header{"X-Forwarded-For": {ip}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ws.CloseNow() })
		return ws
	}
	a, b := open("2.2.2.2"), open("2.2.2.3")
	write := func(ws *websocket.Conn, peer, more string) {
		t.Helper()
		ws.Write(t.Context(), websocket.MessageText, []byte(`{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"`+strings.Repeat(peer, 20)+`","numwant":1`+more+`}`))
		if _, _, err := ws.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	write(a, "a", "")
	write(b, "b", `,"offers":[{"offer_id":"oooooooooooooooooooo","offer":{"type":"offer","sdp":"`+strings.Repeat("x", 9000)+`"}}]`)
	if _, msg, err := a.Read(t.Context()); err != nil || !strings.Contains(string(msg), `"offer"`) {
		t.Errorf("%v %s", err, msg)
	}
	if n := tr.Stats().Conns; n != 2 {
		t.Errorf("%d WebSocket connections", n)
	}
}

// Connections of trusted proxies count among all, whoever is behind them.
func TestConnsBoundsProxies(t *testing.T) {
	tr := newTracker(t, Config{TrustedProxies: loopback, Limits: Limits{Conns: 2}})
	addr := listen(t, tr, nil)
	open := func() bool {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(nc, "GET /announce"+query("hash", "a", 1, 5, "")+" HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 2.2.2.2\r\n\r\n")
		_, err = http.ReadResponse(bufio.NewReader(nc), nil)
		return err == nil
	}
	if !open() || !open() || open() {
		t.Error("two connections in all are not what proxies get")
	}
}

// The operator is told that all clients seem to be one, and what to do.
func TestWarningOfAProxyThatIsNotTrusted(t *testing.T) {
	for name, c := range map[string]struct {
		trusted []netip.Prefix
		header  string
		want    string
	}{
		"nobody is trusted":      {nil, "X-Forwarded-For: 2.2.2.2", "if it is a proxy, name it with trusted-proxy"},
		"trusted without header": {loopback, "X-Other: 2.2.2.2", "let it send X-Forwarded-For"},
		"trusted":                {loopback, "X-Forwarded-For: 2.2.2.%d", ""},
		"another is trusted":     {[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, "X-Forwarded-For: 2.2.2.2", ""},
	} {
		var mu sync.Mutex
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(writer(func(b []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return log.Write(b)
		}), nil))
		tr := newTracker(t, Config{TrustedProxies: c.trusted, Logger: logger, Limits: Limits{Exempt: loopback}})
		addr := listen(t, tr, nil)
		for i := range 60 {
			header, value, _ := strings.Cut(strings.ReplaceAll(c.header, "%d", fmt.Sprint(i)), ": ")
			ws, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/announce", &websocket.DialOptions{HTTPHeader: http.Header{header: {value}}})
			if err != nil {
				t.Fatal(err)
			}
			defer ws.CloseNow()
		}
		mu.Lock()
		got := log.String()
		mu.Unlock()
		switch {
		case c.want == "" && got != "":
			t.Errorf("%s: %s", name, got)
		case c.want != "" && (strings.Count(got, "\n") != 1 || !strings.Contains(got, c.want) || !strings.Contains(got, "address=127.0.0.1")):
			t.Errorf("%s: %q", name, got)
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
