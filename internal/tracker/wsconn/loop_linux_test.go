package wsconn

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// A table is as large as there are connections, whatever came and went.
func TestTableStaysSmall(t *testing.T) {
	var tab table
	a, b, c := new(Conn), new(Conn), new(Conn)
	for i, conn := range []*Conn{a, b, c} {
		if n := tab.add(conn); n != int32(i) || tab.at(n) != conn {
			t.Fatalf("number %d of connection %d", n, i)
		}
	}
	tab.remove(1)
	if tab.at(1) != nil || tab.at(3) != nil || tab.at(-1) != nil {
		t.Error("a number without a connection has one")
	}
	if n := tab.add(b); n != 1 {
		t.Errorf("%d is taken while 1 is free", n)
	}
	for range 10_000 { // a storm
		tab.add(new(Conn))
	}
	for n := int32(3); n < 10_003; n++ {
		tab.remove(n)
	}
	tab.trim()
	if len(tab.conns) != 3 || cap(tab.conns) > 100 || len(tab.free) != 0 {
		t.Errorf("%d numbers, room for %d, %d free after the storm", len(tab.conns), cap(tab.conns), len(tab.free))
	}
	if n := tab.add(a); n != 3 {
		t.Errorf("number %d after the storm", n)
	}
}

// What comes in while nobody waits does not reach the runtime's poller, which would wake a
// thread for it; who waits then gets it.
func TestPollerIsSilentWhileNobodyWaits(t *testing.T) {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(wake)
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: 7}); err != nil {
		t.Fatal(err)
	}
	poke := func() { unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }
	ready := func() bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.gateFD), Events: unix.POLLIN}}, 0)
		return n > 0 && err == nil
	}
	for range 3 {
		poke()
		if ready() {
			t.Fatal("the gate is open while nobody waits")
		}
		if events, ok := p.wait(time.Now().Add(10 * time.Second)); !ok || len(events) != 1 || events[0].Fd != 7 {
			t.Fatalf("got %v, %v", events, ok)
		}
		if events, ok := p.wait(time.Now().Add(time.Millisecond)); !ok || len(events) != 0 {
			t.Fatalf("got %v, %v when nothing came", events, ok)
		}
		time.AfterFunc(10*time.Millisecond, poke)
		if events, ok := p.wait(time.Now().Add(10 * time.Second)); !ok || len(events) != 1 {
			t.Fatalf("got %v, %v after waiting", events, ok)
		}
	}
}

// A busy loop takes up to roundTime for a round, and never less rest than minRest; nobody waits longer
// for a reply than a few milliseconds.
func TestRest(t *testing.T) {
	for _, c := range []struct {
		work   time.Duration
		events int
		want   time.Duration
	}{
		{0, 1, minRest},
		{time.Millisecond, 50, roundTime - time.Millisecond},
		{time.Second, 10_000, minRest},
	} {
		if got := rest(c.work, c.events); got != c.want {
			t.Errorf("rest of %s after %s and %d events, want %s", got, c.work, c.events, c.want)
		}
	}
	if roundTime > 5*time.Millisecond {
		t.Errorf("a round takes %s", roundTime)
	}
}

// A connection goes where its swarm is, but a crowd does not all go to one loop.
func TestHomeIsFair(t *testing.T) {
	s := &Server{loops: []*loop{new(loop), new(loop)}}
	c := &Conn{srv: s, home: -1}
	if s.home(c, s.loops[1]) != s.loops[1] {
		t.Error("a connection that belongs nowhere is moved")
	}
	c.MeetAt(2)
	s.loops[0].n.Store(100)
	s.loops[1].n.Store(90)
	if s.home(c, s.loops[1]) != s.loops[0] {
		t.Error("it does not go to its swarm's loop")
	}
	s.loops[0].n.Store(1000)
	if s.home(c, s.loops[1]) != s.loops[1] {
		t.Error("it goes to the loop that has a crowd")
	}
}

// pair returns the two ends of a TCP connection.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); n.Close() })
	return n.(*net.TCPConn), f.(*net.TCPConn)
}

// The end of a stream that came together with the last message is seen: events come once.
func TestEndBehindMessageIsSeen(t *testing.T) {
	s := newServer(t, 2000)
	near, far := pair(t)
	far.Write(frame(0x81, "hello"))
	far.CloseWrite()
	time.Sleep(10 * time.Millisecond) // both are there
	e := new(echo)
	s.Serve(&e.Conn, e, near, nil, false, nil)
	far.SetReadDeadline(time.Now().Add(10 * time.Second))
	for b := make([]byte, 100); ; {
		if _, err := far.Read(b); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatal("the connection is still open")
			}
			break
		}
	}
}

// A tally says "k" to each message.
type tally struct{ Conn }

func (c *tally) Message(b *Batch, _ []byte) limit.Reason { return c.Send(b, []byte("k")) }
func (*tally) Ended(*Batch)                              {}
func (*tally) Addr() netip.Addr                          { return netip.AddrFrom4([4]byte{192, 0, 2, 1}) }

// What takes many reads comes whole, although its event comes once.
func TestMoreThanARead(t *testing.T) {
	s := newServer(t, 100_000)
	near, far := pair(t)
	c := new(tally)
	s.Serve(&c.Conn, c, near, nil, false, nil)
	const messages = 100
	var all []byte
	for range messages {
		all = append(all, frame(0x81, string(make([]byte, 60_000)))...)
	}
	go far.Write(all)
	far.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := io.ReadFull(far, make([]byte, messages*len("\x81\x01k"))); err != nil {
		t.Fatalf("%d bytes of answers, then %v", n, err)
	}
}

// Who reads is not slow, however much comes for it in one batch.
func TestALargeBatchIsWritten(t *testing.T) {
	s := newServer(t, 100_000)
	near, far := pair(t)
	c := new(tally)
	s.Serve(&c.Conn, c, near, nil, false, nil)
	got := make(chan int64)
	go func() {
		n, _ := io.CopyN(io.Discard, far, 2*maxQueued)
		got <- n
	}()
	b := s.Begin()
	for sent := 0; sent < 2*maxQueued; sent += 10_000 {
		for r := limit.None + 1; r != limit.None; { // the reader may need a moment
			if r = c.Send(b, make([]byte, 10_000)); r != limit.None && r != limit.ReceiverSlow {
				t.Fatal(r)
			}
		}
	}
	// The batch has not ended yet.
	select {
	case n := <-got:
		if n != 2*maxQueued {
			t.Errorf("%d bytes have come", n)
		}
	case <-time.After(20 * time.Second):
		t.Error("what was sent has not come")
	}
	s.End(b)
}

// A member meets those of its number when it gets its first message.
type member struct {
	tally
	number int
}

func (c *member) Message(b *Batch, msg []byte) limit.Reason {
	c.MeetAt(c.number)
	return c.tally.Message(b, msg)
}

// Connections are spread over all loops, whichever way they came in, and stay so when they have moved to
// where their swarms are.
func TestConnectionsAreSpread(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	conf := &tls.Config{Certificates: srv.TLS.Certificates}
	srv.Close()
	for name, accepted := range map[string]func(t *testing.T, s *Server) (near, far net.Conn){
		"TCP": func(t *testing.T, _ *Server) (net.Conn, net.Conn) { return pair(t) },
		"TLS": func(t *testing.T, s *Server) (net.Conn, net.Conn) {
			near, far := pair(t)
			server, client := s.TLS(near, conf), tls.Client(far, &tls.Config{InsecureSkipVerify: true})
			done := make(chan error, 1)
			go func() { done <- server.Handshake() }()
			if err := client.Handshake(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			return server, client
		},
		"taken from an http.Server": func(t *testing.T, _ *Server) (net.Conn, net.Conn) {
			taken := make(chan net.Conn, 1)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				nc, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
				}
				taken <- nc
			}))
			defer srv.Close()
			far, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { far.Close() })
			io.WriteString(far, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			return <-taken, far
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, 1000)
			const conns = 80
			check := func(when string) {
				t.Helper()
				for i, l := range s.loops {
					if n := l.n.Load(); len(s.loops) != 8 || n != conns/8 {
						t.Errorf("%s: loop %d of %d has %d of %d connections", when, i, len(s.loops), n, conns)
					}
				}
			}
			var far []net.Conn
			for i := range conns {
				near, f := accepted(t, s)
				c := &member{number: i}
				s.Serve(&c.Conn, c, near, nil, false, nil)
				far = append(far, f)
			}
			check("new")
			for range 2 { // who has an answer to the second has moved
				for _, f := range far {
					f.SetDeadline(time.Now().Add(20 * time.Second))
					f.Write(frame(0x81, "hello"))
					if _, err := io.ReadFull(f, make([]byte, len("\x81\x01k"))); err != nil {
						t.Fatal(err)
					}
				}
			}
			check("moved")
		})
	}
}

// A drain finds connections that come while it goes on, wherever there is room for them.
func TestDrainFindsLateComers(t *testing.T) {
	s := newServer(t, 1000)
	s.Drain(time.Now().Add(time.Hour))
	for range 3 {
		var far []net.Conn
		for range 2 * len(s.loops) {
			near, f := pair(t)
			c := new(tally)
			s.Serve(&c.Conn, c, near, nil, false, nil)
			far = append(far, f)
		}
		for _, f := range far {
			f.SetDeadline(time.Now().Add(20 * time.Second))
			var head [4]byte
			if _, err := io.ReadFull(f, head[:]); err != nil || head[0] != 0x88 || head[2] != 0x03 || head[3] != 0xe9 {
				t.Fatalf("% x, %v; want a close frame with 1001", head, err)
			}
			f.Close()
		}
	}
}
