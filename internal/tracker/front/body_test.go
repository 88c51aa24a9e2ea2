package front

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

// serve serves a Front that takes conns connections, and says where.
func serve(t *testing.T, conns int, edit func(f *Front)) (*Front, string) {
	cfg := core.Config{
		Interval: 15 * time.Minute, MinInterval: time.Minute, WSInterval: 2 * time.Minute, PingInterval: 50 * time.Second,
		Offers: 10, NumWant: 200, Scrape: 70, Message: 64 << 10, SDP: 16 << 10, Swarms: 1000, Peers: 1000, PeersPerConn: 1000,
		Seed: 1, Now: time.Now,
		Buffers: wsconn.NewBuffers(1<<20, nil), Clients: limit.NewClients(limit.ClientsConfig{Conns: conns}), Counters: stats.NewSet(nil),
	}
	c, err := core.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := New(Config{Core: c, Clients: cfg.Clients, Buffers: cfg.Buffers, Counters: cfg.Counters, Now: time.Now, MinInterval: time.Minute, Scrape: 70,
		Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprint(w, len(b), err)
		})})
	if edit != nil {
		edit(f)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go f.Serve(ln, nil)
	t.Cleanup(func() { f.Close(); c.Close(); f.Wait() })
	return f, ln.Addr().String()
}

// ask sends a request, or a part of one, and returns the connection.
func ask(t *testing.T, addr, request string) net.Conn {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(nc, request)
	return nc
}

// all reads until the end of the connection.
func all(nc net.Conn) string {
	b, _ := io.ReadAll(nc)
	return string(b)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not %s", what)
		}
	}
}

// Who asks for a page and announces a body that never comes is sent away at once, on a new connection
// and on one that has asked before; nothing of it remains.
func TestBodyThatNeverComes(t *testing.T) {
	f, addr := serve(t, 0, nil)
	before := runtime.NumGoroutine()
	var open []net.Conn
	for i := range 200 {
		first := ""
		if i%2 == 0 {
			first = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
		}
		open = append(open, ask(t, addr, first+"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"))
	}
	for i, nc := range open {
		nc := nc
		nc.SetReadDeadline(time.Now().Add(5 * time.Second)) // the body is not waited for
		b := make([]byte, 4096)
		var got string
		for !strings.Contains(got, "413") {
			n, err := nc.Read(b)
			got += string(b[:n])
			if err != nil {
				t.Fatalf("connection %d reads %q, %v", i, got, err)
			}
		}
		nc.Close()
	}
	if got := f.cfg.Counters.Sum().Limits[limit.RequestBody]; got != 200 {
		t.Errorf("counted %d", got)
	}
	eventually(t, "all goroutines ended", func() bool { return runtime.NumGoroutine() <= before+5 })
}

// A body for the operator's own pages has a bounded time, and a bounded size; until then its
// connection counts as one.
func TestBodiesAreBounded(t *testing.T) {
	f, addr := serve(t, 3, func(f *Front) { f.other.ReadTimeout = time.Second })
	if got := all(ask(t, addr, "POST /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")); !strings.HasSuffix(got, "5 <nil>") {
		t.Errorf("an honest body: %q", got)
	}
	large := strings.Repeat("x", maxBody+1)
	if got := all(ask(t, addr, fmt.Sprintf("POST /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(large), large))); !strings.Contains(got, "too large") {
		t.Errorf("a large body: %q", got)
	}
	var slow []net.Conn
	for range 3 {
		slow = append(slow, ask(t, addr, "POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe"))
	}
	eventually(t, "a fourth one refused", func() bool {
		all(ask(t, addr, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n"))
		return f.cfg.Counters.Sum().Limits[limit.Conns] > 0
	})
	for _, nc := range slow {
		all(nc) // ends
	}
	eventually(t, "there is room again", func() bool {
		return strings.Contains(all(ask(t, addr, "GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")), "200 OK")
	})
}

// A response is for whoever reads it, however slowly: the deadline is of each piece. Who does not
// read is reset.
func TestSlowReaderOfHTTP(t *testing.T) {
	f, _ := serve(t, 0, nil)
	near, far := net.Pipe()
	defer far.Close()
	c := httpConn{f: f, tcp: near, conn: &impatient{Conn: near}}
	done := make(chan error, 1)
	go func() { done <- c.write(make([]byte, 10*pieceSize)) }()
	if n, err := io.ReadFull(far, make([]byte, 10*pieceSize)); err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := c.conn.(*impatient).renewed; n != 10 {
		t.Errorf("the deadline was renewed %d times", n)
	}
}

// An impatient connection counts how often it gets more time.
type impatient struct {
	net.Conn
	renewed int
}

func (i *impatient) SetWriteDeadline(at time.Time) error {
	i.renewed++
	return i.Conn.SetWriteDeadline(at)
}

// What a client does before a proxy has said whose it is must not be blamed on the proxy: its address
// would end in a list of those to ban.
func TestProxiesAreNotToBlame(t *testing.T) {
	f := &Front{cfg: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	if a := f.blame(netip.MustParseAddr("10.1.2.3")); a.IsValid() {
		t.Errorf("%v is to blame", a)
	}
	if a := f.blame(netip.MustParseAddr("192.0.2.1")); !a.IsValid() {
		t.Error("nobody is to blame")
	}
}
