package front

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/core"
)

const upgrade = "GET /announce HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

// pipes is a listener whose connections have no buffers: what one end has read, the other end is just
// writing.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if nc, ok := <-p; ok {
		return nc, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A client that gets the first byte of its 101 is a connection that is open, and that a drain finds: by
// the Front's own way and by that of an http.Server.
func TestOpenBeforeTheAnswer(t *testing.T) {
	for name, serveOn := range map[string]func(f *Front, ln net.Listener){
		"own":         func(f *Front, ln net.Listener) { f.Serve(ln, nil) },
		"handed over": func(f *Front, ln net.Listener) { f.Serve(ln, nil) },
		"http.Server": func(f *Front, ln net.Listener) { http.Serve(ln, f) },
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := serve(t, 0, nil)
			ln := make(pipes)
			t.Cleanup(func() { close(ln) })
			go serveOn(f, ln)
			near, far := net.Pipe()
			defer far.Close()
			ln <- near
			far.SetDeadline(time.Now().Add(20 * time.Second))
			request := upgrade
			if name == "handed over" {
				request += "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n"
			}
			if _, err := io.WriteString(far, request+"\r\n"); err != nil {
				t.Fatal(err)
			}
			var first [1]byte
			if _, err := io.ReadFull(far, first[:]); err != nil {
				t.Fatal(err)
			}
			if n := f.cfg.Core.Conns().Open(); n != 1 {
				t.Errorf("%d connections are open when the client gets its answer", n)
			}
			r := bufio.NewReader(io.MultiReader(bytesOf(first[0]), far))
			if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(resp, err)
			}
		})
	}
}

func bytesOf(b byte) io.Reader { return io.LimitReader(repeat(b), 1) }

type repeat byte

func (r repeat) Read(b []byte) (int, error) { b[0] = byte(r); return 1, nil }

// Who is stopped while an upgrade is decided refuses it.
func TestStoppedMeanwhile(t *testing.T) {
	for _, own := range []bool{true, false} {
		f, addr := serve(t, 0, nil)
		f.cfg.AllowClient = func(*core.Client) error { f.stopped.Store(true); return nil }
		if !own {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			srv := &http.Server{Handler: f}
			go srv.Serve(ln)
			t.Cleanup(func() { srv.Close() })
			addr = ln.Addr().String()
		}
		resp, err := http.ReadResponse(bufio.NewReader(ask(t, addr, upgrade+"\r\n")), nil)
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("own way %v: %+v, %v", own, resp, err)
		}
		eventually(t, "all given back", func() bool { return f.cfg.Core.Conns().Open() == 0 })
	}
}
