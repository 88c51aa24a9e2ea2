package tracker

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// upgradeHead is a handshake without its last, empty line.
const upgradeHead = "GET /announce HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// ask sends a request and returns the status and all of the body.
func ask(t *testing.T, addr, request string) (int, string) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(nc, request)
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return resp.StatusCode, string(body)
}

// bothWays runs a test with a tracker that listens itself and with one in somebody's
// http.Server: what a client gets does not depend on that.
func bothWays(t *testing.T, test func(t *testing.T, addr string)) {
	t.Run("Serve", func(t *testing.T) { test(t, listen(t, newTracker(t, Config{}), nil)) })
	t.Run("http.Server", func(t *testing.T) {
		tr := newTracker(t, Config{})
		srv := httptest.NewServer(tr)
		t.Cleanup(func() { tr.Close(); srv.Close() })
		test(t, srv.Listener.Addr().String())
	})
}

func TestConformanceOfRequests(t *testing.T) {
	announce := "/announce" + query("hash", "a", 1000, 5, "")
	const bencoded, failure, page = "d8:complete", "d14:failure reason", "This is a"
	for _, c := range []struct {
		name, request string
		status        int
		body          string // how it begins
	}{
		{"announce", "GET " + announce + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, bencoded},
		{"announce by HTTP/1.0", "GET " + announce + " HTTP/1.0\r\n\r\n", 200, bencoded},
		{"announce at a path below", "GET /x/y" + announce + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, bencoded},
		{"announce with an escaped path", "GET /announc%65" + announce[9:] + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, bencoded},
		{"announce at the root", "GET /" + announce[9:] + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, bencoded},
		{"announce without query", "GET /announce HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, failure},
		{"announce, upgrade to h2c", "GET " + announce + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 200, bencoded},
		{"announce, upgrade to TLS", "GET " + announce + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: TLS/1.2\r\n\r\n", 200, bencoded},
		{"announce by HTTP/1.0 with an upgrade", strings.Replace(strings.Replace(upgradeHead, "/announce", announce, 1), "HTTP/1.1", "HTTP/1.0", 1) + "\r\n", 200, bencoded},
		{"HEAD", "HEAD " + announce + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, ""},
		{"POST", "POST " + announce + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 405, ""},
		{"POST with an upgrade", strings.Replace(upgradeHead, "GET", "POST", 1) + "Content-Length: 0\r\n\r\n", 405, ""},
		{"scrape of everything", "GET /scrape HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, failure},
		{"the page", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200, page},
		{"elsewhere", "GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, ""},
		{"upgrade elsewhere", strings.Replace(upgradeHead, "/announce", "/other", 1) + "\r\n", 404, ""},
		{"upgrade", upgradeHead + "\r\n", 101, ""},
		{"upgrade at the root", strings.Replace(upgradeHead, "/announce", "/", 1) + "\r\n", 101, ""},
		{"upgrade in any case, among others", strings.NewReplacer("Upgrade: websocket", "upgrade: h2c, WebSocket", "Connection: Upgrade", "connection: keep-alive, upgrade").Replace(upgradeHead) + "\r\n", 101, ""},
		{"upgrade in two fields", strings.Replace(upgradeHead, "Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket", 1) + "\r\n", 101, ""},
		{"upgrade of another version", strings.Replace(upgradeHead, "Version: 13", "Version: 8", 1) + "\r\n", 426, ""},
		{"upgrade without a key", strings.Replace(upgradeHead, "Sec-WebSocket-Key", "X-Key", 1) + "\r\n", 400, ""},
		{"upgrade that Connection does not name", strings.Replace(upgradeHead, "Connection: Upgrade", "Connection: close", 1) + "\r\n", 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, addr string) {
				status, body := ask(t, addr, c.request)
				if status != c.status || !strings.HasPrefix(body, c.body) {
					t.Errorf("%d %.60q, want %d %q", status, body, c.status, c.body)
				}
			})
		})
	}
}

// masked is a client's frame.
func masked(first byte, payload string) string {
	b := []byte{first, 0x80 | byte(len(payload)), 1, 2, 3, 4}
	p := []byte(payload)
	wsframe.Xor(p, [4]byte{1, 2, 3, 4})
	return string(append(b, p...))
}

// How a connection ends: with the code of RFC 6455 section 7.4.1 that fits, or the client's own.
func TestConformanceOfCloseCodes(t *testing.T) {
	const none = 0
	long := string([]byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4})
	for _, c := range []struct {
		name, frames string
		code         int
	}{
		{"the client's 1000", masked(0x88, "\x03\xe8bye"), 1000},
		{"the client's 1001", masked(0x88, "\x03\xe9"), 1001},
		{"the client's 1013", masked(0x88, "\x03\xf5"), 1013},
		{"the client's own", masked(0x88, "\x0f\xa0"), 4000},
		{"no code", masked(0x88, ""), none},
		{"half a code", masked(0x88, "\x03"), 1002},
		{"a code that never travels", masked(0x88, "\x03\xed"), 1002},
		{"a code of nobody", masked(0x88, "\x04\xd2"), 1002},
		{"a code too high", masked(0x88, "\xff\xff"), 1002},
		{"a reason that is no text", masked(0x88, "\x03\xe8\xff"), 1007},
		{"reserved bits", masked(0xa1, "{}"), 1002},
		{"a reserved opcode", masked(0x83, "{}"), 1002},
		{"a frame without mask", "\x81\x02{}", 1002},
		{"a ping in parts", masked(0x09, "x"), 1002},
		{"nothing to continue", masked(0x80, "{}"), 1002},
		{"text that is no text", masked(0x81, "\"\xff\""), 1007},
		{"a message too large", long, 1009},
		{"after a ping", masked(0x89, "x") + masked(0x88, "\x03\xe8"), 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, addr string) {
				w := dialRaw(t, addr, "")
				io.WriteString(w, c.frames)
				for {
					var head [2]byte
					if _, err := io.ReadFull(w.r, head[:]); err != nil {
						t.Fatalf("no close frame: %v", err)
					}
					payload := make([]byte, head[1])
					if _, err := io.ReadFull(w.r, payload); err != nil {
						t.Fatal(err)
					}
					if head[0] != 0x88 {
						continue
					}
					code := none
					if len(payload) >= 2 {
						code = int(binary.BigEndian.Uint16(payload))
					}
					if code != c.code {
						t.Errorf("closed with %d %q, want %d", code, payload[min(2, len(payload)):], c.code)
					}
					break
				}
				// The server hangs up first (section 7.1.1).
				if _, err := w.r.ReadByte(); err != io.EOF {
					t.Errorf("after the close frame: %v", err)
				}
			})
		})
	}
}
