package wsconn

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// socketPair is the two ends of a TCP connection that was accepted from a tuned listener; the far
// end takes little before it is read.
func socketPair(t *testing.T) (near, far *net.TCPConn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	Tune(ln)
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.(*net.TCPConn).SetReadBuffer(32 << 10)
	nc.SetDeadline(time.Now().Add(time.Minute))
	a, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a.(*net.TCPConn), nc.(*net.TCPConn)
}

// pile sends messages to a connection until it takes no more.
func pile(t *testing.T, s *Server, e *echo) {
	text := []byte(strings.Repeat("x", 10_000))
	for range 1000 {
		b := s.Begin()
		why := e.Send(b, text)
		s.End(b)
		if why != limit.None {
			return
		}
	}
	t.Fatal("everything was taken")
}

// Somebody who does not read makes the kernel keep little, and nothing when it was ended: the
// other side sees a reset.
func TestSlowReaderInTheKernel(t *testing.T) {
	s := newServer(t, 1000)
	near, far := socketPair(t)
	e := &echo{addr: nth(1)}
	s.Serve(&e.Conn, e, near, nil, false, nil)
	pile(t, s, e)
	fd := e.link.(*fdLink).fd
	queued, err := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
	if err != nil {
		t.Fatal(err)
	}
	if queued > 3*sendBuffer { // with what a last piece may be above it
		t.Errorf("the kernel keeps %d bytes", queued)
	}
	// Sweep as if it had not read for long.
	b := s.Begin()
	e.sweep(b) // which sees that it took something until now
	b.Now = b.Now.Add(writeTimeout + time.Second)
	e.sweep(b)
	s.End(b)
	if got := s.cfg.Counters.Sum().Limits; got[limit.SlowReader] != 1 {
		t.Errorf("counted %v", got)
	}
	buf := make([]byte, 1<<20)
	for {
		if _, err = far.Read(buf); err != nil {
			break
		}
	}
	if !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the reader sees %v", err)
	}
	if n := s.buffers.Used(); n != 0 {
		t.Errorf("%d bytes are lent", n)
	}
}

// Who reads on, if slowly, is not ended although something waits all the time.
func TestSlowReaderThatReadsStays(t *testing.T) {
	var now atomic.Int64 // the loop sweeps, too
	now.Store(time.Now().UnixNano())
	s := newServer(t, 1000, func(c *Config) { c.Now = func() time.Time { return time.Unix(0, now.Load()) } })
	near, far := socketPair(t)
	e := &echo{addr: nth(1)}
	s.Serve(&e.Conn, e, near, nil, false, nil)
	buf := make([]byte, 8<<10)
	for round := range 4 {
		pile(t, s, e) // something waits at any time
		// A sweep comes every few seconds; so much is read in between.
		for got := 0; got < 100_000; {
			n, err := far.Read(buf)
			if err != nil {
				t.Fatalf("in round %d: %v", round, err)
			}
			got += n
		}
		eventually(t, "the socket takes more", func() bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.moved || e.waiting == now.Load()
		})
		now.Add(int64(writeTimeout - time.Second))
		b := s.Begin()
		e.alive(b)
		e.sweep(b)
		s.End(b)
	}
	if e.Gone() || s.cfg.Counters.Sum().Limits[limit.SlowReader] != 0 {
		t.Error("it was ended")
	}
}

// When what waits for slow readers uses up its memory, who has waited for the longest time goes.
func TestTheSlowestReaderGoes(t *testing.T) {
	s := newServer(t, 1000) // 512 KiB for what goes out, 256 KiB for large ones
	text := []byte(strings.Repeat("x", 30_000))
	var all []*echo
	for i := range 24 {
		near, _ := socketPair(t)
		e := &echo{addr: nth(i)}
		s.Serve(&e.Conn, e, near, nil, false, nil)
		all = append(all, e)
		for range 1000 {
			b := s.Begin()
			e.Send(b, text)
			s.End(b)
			e.mu.Lock()
			waits := e.waits != nil
			e.mu.Unlock()
			if waits {
				break
			}
		}
	}
	eventually(t, "the first is gone", func() bool { return all[0].Gone() })
	if all[23].Gone() {
		t.Error("the last goes, too")
	}
	if got := s.cfg.Counters.Sum().Limits; got[limit.Buffers] == 0 || got[limit.Buffers] > 16 {
		t.Errorf("%d have to go", got[limit.Buffers])
	}
	if n := s.buffers.Used(); n > 1<<20 {
		t.Errorf("%d bytes are lent", n)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not %s", what)
		}
	}
}
