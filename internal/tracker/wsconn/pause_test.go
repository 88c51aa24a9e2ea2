package wsconn

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// A patient echo has to wait before each message that begins with "wait".
type patient struct {
	echo
	waits   bool
	onPause func()
	over    chan struct{} // closed at the end; may be nil
}

func (p *patient) Message(b *Batch, msg []byte) limit.Reason {
	if p.waits = !p.waits && bytes.HasPrefix(msg, []byte("wait")); p.waits {
		p.Pause()
		p.onPause()
		return limit.None
	}
	return p.echo.Message(b, msg)
}

func (p *patient) Ended(b *Batch) {
	if p.over != nil {
		close(p.over)
	}
}

// What an echo sends back does not depend on whether it had to wait, nor on the pieces in which things came.
func TestPauseChangesNothing(t *testing.T) {
	s := newServer(t, 5000)
	long := strings.Repeat("x", 700)
	var all []byte
	for i := range 4 {
		word := [...]string{"wait", "go", "wait"}[i%3] + fmt.Sprint(i)
		all = append(all, frame(0x81, word)...)
		all = append(all, frame(0x81, word+long)...)
		all = append(all, frame(0x01, word[:2])...)
		all = append(all, frame(0x89, "ping")...)
		all = append(all, frame(0x00, word[2:]+long)...)
		all = append(all, frame(0x80, "")...)
		all = append(all, frame(0xc1, "\x2a\x4f\xcc\x2c\x31\x04\x00")...) // "wait1", deflated
		all = append(all, frame(0x01, "wait")...)
		all = append(all, frame(0x80, "end")...)
	}
	run := func(size int, waits bool) []byte {
		p := &patient{onPause: func() {}}
		before := s.shared.MessagesIn.Load()
		var h Handler = p
		if !waits {
			h = &p.echo
		}
		s.Attach(&p.Conn, h, func(b []byte) { p.sent = append(p.sent, b...) })
		p.flags |= flagDeflate
		b := s.Begin()
		shared := make([]byte, 512)
		for data := all; len(data) > 0; {
			n := copy(p.room(shared), data[:min(size, len(data))])
			data = data[n:]
			if !p.received(b, shared, n) {
				t.Fatalf("it ends: %v", p.state)
			}
			for p.paused() {
				if p.since.Load() != 0 || s.buffers.Used() == 0 {
					t.Fatalf("while it waits: %d bytes are lent, and the time of its message runs since %d", s.buffers.Used(), p.since.Load())
				}
				p.again(b) // not yet
				p.Resume()
				p.again(b)
			}
		}
		b.flush()
		if p.state != open {
			t.Errorf("it has ended: %v", p.state)
		}
		p.Detach(b)
		s.End(b)
		if n := s.buffers.Used(); n != 0 {
			t.Errorf("%d bytes are still lent", n)
		}
		if n := s.shared.MessagesIn.Load() - before; n != 20 {
			t.Errorf("%d messages are counted", n)
		}
		return p.sent
	}
	want := run(len(all), false)
	for _, size := range []int{1, 2, 7, 100, 300, len(all)} {
		if got := run(size, true); !bytes.Equal(got, want) {
			t.Errorf("in pieces of %d:\n%q, want\n%q", size, got, want)
		}
	}
}

// served runs a patient echo on a connection of each kind, and gives the test the client's end. resume is
// called at each Pause, with the connection.
func served(t *testing.T, what func(t *testing.T, s *Server, client net.Conn, p *patient, pauses *atomic.Int32), resume func(c *Conn)) {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	conf := &tls.Config{Certificates: srv.TLS.Certificates}
	srv.Close()
	for _, kind := range []string{"loop", "TLS", "stream"} {
		t.Run(kind, func(t *testing.T) {
			s := newServer(t, 2000)
			near, far := tcpPair(t)
			var client, server net.Conn = far, near
			switch kind {
			case "TLS":
				client, server = tls.Client(far, &tls.Config{InsecureSkipVerify: true}), s.TLS(near, conf)
				go client.(*tls.Conn).Handshake()
				if err := server.(*tls.Conn).Handshake(); err != nil {
					t.Fatal(err)
				}
			case "stream":
				server = struct{ net.Conn }{near}
			}
			p, pauses := &patient{over: make(chan struct{})}, new(atomic.Int32)
			p.onPause = func() {
				pauses.Add(1)
				resume(&p.Conn)
			}
			first := frame(0x81, "wait, behind the request")
			go s.Serve(&p.Conn, p, server, first, false, func() error { return nil })
			client.SetDeadline(time.Now().Add(10 * time.Second))
			what(t, s, client, p, pauses)
		})
	}
}

// allBack waits for whoever still writes.
func allBack(t *testing.T, s *Server) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); s.buffers.Used() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are still lent", s.buffers.Used())
		}
	}
}

// tcpPair returns the two ends of a TCP connection.
func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if far, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close(); near.Close() })
	return near, far
}

func wants(t *testing.T, client net.Conn, texts ...string) {
	t.Helper()
	for _, text := range texts {
		got := make([]byte, 2+len(text))
		if _, err := io.ReadFull(client, got); err != nil || string(got[2:]) != text {
			t.Fatalf("%q, %v instead of %q", got, err, text)
		}
	}
}

// Whoever calls Resume, and however early, the owner goes on, with what was read and with what still is in the socket.
func TestResumeByAnybody(t *testing.T) {
	var turn atomic.Int32
	served(t, func(t *testing.T, s *Server, client net.Conn, p *patient, pauses *atomic.Int32) {
		wants(t, client, "wait, behind the request")
		var send []byte
		var want []string
		for i := range 300 {
			word := fmt.Sprintf("%s %d", [...]string{"wait", "go"}[i%2], i)
			send = append(send, frame(0x81, word)...)
			want = append(want, word)
		}
		client.Write(send[:2000])
		time.Sleep(5 * time.Millisecond)
		client.Write(send[2000:])
		wants(t, client, want...)
		if n := pauses.Load(); n != 151 {
			t.Errorf("%d pauses", n)
		}
		client.Close()
		<-p.over
		allBack(t, s)
	}, func(c *Conn) {
		switch turn.Add(1) % 3 {
		case 0:
			c.Resume()
		case 1:
			go c.Resume()
		case 2:
			time.AfterFunc(time.Millisecond, c.Resume)
		}
	})
}

// Who waits, and keeps sending, is not read from: it holds no more than what one read has brought. It
// can be ended, and the Resume that comes too late hurts nobody.
func TestWhoWaitsHoldsLittleAndCanBeEnded(t *testing.T) {
	for name, end := range map[string]func(s *Server, p *patient){
		"made room":  func(_ *Server, p *patient) { p.Conn.kill() },
		"the server": func(s *Server, _ *patient) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			served(t, func(t *testing.T, s *Server, client net.Conn, p *patient, pauses *atomic.Int32) {
				go func() {
					for range 1000 {
						if _, err := client.Write(frame(0x81, strings.Repeat("z", 1500))); err != nil {
							return
						}
					}
				}()
				for end := time.Now().Add(10 * time.Second); pauses.Load() == 0 && time.Now().Before(end); {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(20 * time.Millisecond)
				if n := s.buffers.Used(); n == 0 || n > 2*readBytes {
					t.Errorf("%d bytes are held", n)
				}
				end(s, p)
				<-p.over
				allBack(t, s)
				p.Resume()
				if n := pauses.Load(); n != 1 {
					t.Errorf("%d pauses", n)
				}
			}, func(*Conn) {})
		})
	}
}

// readBytes is what one read may bring.
const readBytes = 64 << 10
