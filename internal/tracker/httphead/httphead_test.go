package httphead

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

const upgrade = "GET /announce?token=a%20b HTTP/1.1\r\nHost: tracker.example\r\nConnection: keep-alive, Upgrade\r\n" +
	"UPGRADE: websocket\r\nOrigin: https://site.example\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nX-Forwarded-For:\t2.2.2.2, 3.3.3.3 \r\nX-Real-IP: 4.4.4.4\r\nforwarded: for=5.5.5.5\r\n\r\nrest"

func TestUpgradeRequest(t *testing.T) {
	h, n, err := Parse([]byte(upgrade))
	if err != nil || n != len(upgrade)-4 {
		t.Fatal(n, err)
	}
	for name, c := range map[string][2]string{
		"path": {string(h.Path), "/announce"}, "query": {string(h.Query), "token=a%20b"},
		"origin":  {string(h.Origin), "https://site.example"},
		"upgrade": {string(h.Upgrade), "websocket"}, "key": {string(h.Key), "dGhlIHNhbXBsZSBub25jZQ=="}, "version": {string(h.Version), "13"},
		"extensions":    {string(h.Extensions), "permessage-deflate; client_max_window_bits"},
		"forwarded for": {string(h.ForwardedFor), "2.2.2.2, 3.3.3.3"},
		"real ip":       {string(h.RealIP), "4.4.4.4"},
		"forwarded":     {string(h.Forwarded), "for=5.5.5.5"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %q, want %q", name, c[0], c[1])
		}
	}
	if !h.IsGet || !HasWord(h.Connection, "upgrade") || HasWord(h.Connection, "close") || h.HasBody || h.HTTP10 || h.Twice {
		t.Errorf("%+v", h)
	}
	for i := range n {
		if _, m, err := Parse([]byte(upgrade)[:i]); m != 0 || err != nil {
			t.Fatalf("the first %d bytes give %d, %v", i, m, err)
		}
	}
}

func TestHeadsThatAreRefused(t *testing.T) {
	for _, s := range []string{
		"\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET /\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n",
		"GET /\x01 HTTP/1.1\r\n\r\n", "G(T / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost : x\r\n\r\n", "GET / HTTP/1.1\r\n folded\r\n\r\n", "GET / HTTP/1.1\r\nHost\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\rc: d\r\n\r\n", "GET / HTTP/1.1\r\nA: \x00\r\n\r\n",
		"GET / HTTP/1.1\nHost: x\n", "\x16\x03\x01\x02", "\n",
	} {
		if h, n, err := Parse([]byte(s)); err == nil {
			t.Errorf("%q: %+v %d", s, h, n)
		}
	}
}

func TestBodiesAndRepetitions(t *testing.T) {
	for s, want := range map[string][2]bool{
		"Content-Length: 0":                  {false, false},
		"Content-Length: 5":                  {true, false},
		"Transfer-Encoding: chunked":         {true, false},
		"Host: a\r\nHost: b":                 {false, true},
		"Upgrade: websocket\r\nUpgrade: h2c": {false, true},
	} {
		h, n, err := Parse([]byte("GET / HTTP/1.1\r\n" + s + "\r\n\r\n"))
		if err != nil || n == 0 || h.HasBody != want[0] || h.Twice != want[1] {
			t.Errorf("%q: body %v, twice %v, %v", s, h.HasBody, h.Twice, err)
		}
	}
}

// What is accepted here, net/http accepts too and understands in the same way.
func FuzzParse(f *testing.F) {
	f.Add([]byte(upgrade))
	f.Add([]byte("GET / HTTP/1.0\r\nhost: x\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("GET http://a/b?c HTTP/1.1\r\nA:b\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := Parse(b)
		if n > len(b) || err != nil && n != 0 {
			t.Fatal(n, err)
		}
		if n == 0 || h.HasBody || h.Twice || !h.hasHost || !h.IsGet || h.Path[0] != '/' {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:n])))
		if err != nil {
			return // stricter about hosts and escapes
		}
		path, query, _ := strings.Cut(r.RequestURI, "?")
		if r.Method != "GET" || path != string(h.Path) || query != string(h.Query) || r.Header.Get("Origin") != string(h.Origin) || r.Header.Get("Sec-WebSocket-Key") != string(h.Key) {
			t.Fatalf("%q: %+v, net/http reads %+v", b, h, r)
		}
	})
}
