package tcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
)

func listen(t *testing.T, cfg ListenConfig) *Listener {
	t.Helper()
	l, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, l *Listener) *Conn {
	t.Helper()
	c, err := Dial(context.Background(), l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func pair(t *testing.T) (a, b *Conn) {
	t.Helper()
	l := listen(t, ListenConfig{})
	a = dial(t, l)
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return a, b
}

func TestWriteBuffers(t *testing.T) {
	a, b := pair(t)
	bufs := [][]byte{[]byte("head"), nil, bytes.Repeat([]byte("block"), 100_000), []byte("tail")}
	want := bytes.Join(bufs, nil)
	go func() {
		n, err := a.WriteBuffers(bufs)
		if n != int64(len(want)) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		a.Close()
	}()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
	}
}

func TestConnFacts(t *testing.T) {
	a, b := pair(t)
	if a.Kind() != transport.TCP || a.RemoteAddr() != a.RemoteAddrPort().String() || !a.RemoteAddrPort().Addr().Is4() {
		t.Fatalf("%v %q %v", a.Kind(), a.RemoteAddr(), a.RemoteAddrPort())
	}
	if !b.RemoteAddrPort().Addr().Is4() {
		t.Fatalf("accepted from %v", b.RemoteAddrPort())
	}
	a.Established()
	b.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("Read after Close: %v", err)
	}
	if _, err := a.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("Read after the other side closed: %v", err)
	}
}

func TestCloseDuringRead(t *testing.T) {
	a, _ := pair(t)
	done := make(chan error, 1)
	go func() {
		_, err := a.Read(make([]byte, 1))
		done <- err
	}()
	a.Close()
	select {
	case err := <-done:
		if err == nil {
			t.Fatal("no error")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Read goes on after Close")
	}
}

func TestDialErrors(t *testing.T) {
	for _, s := range []string{"0.0.0.0:80", "127.0.0.1:0", "224.0.0.1:80", "[::]:80"} {
		if _, err := Dial(context.Background(), netip.MustParseAddrPort(s)); !errors.Is(err, ErrAddr) {
			t.Errorf("%s: %v", s, err)
		}
	}
	if _, err := Dial(context.Background(), netip.AddrPort{}); !errors.Is(err, ErrAddr) {
		t.Errorf("zero address: %v", err)
	}
	l := listen(t, ListenConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Dial(ctx, l.Addr()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	l.Close()
	if _, err := Dial(context.Background(), l.Addr()); err == nil {
		t.Error("connected to a closed port")
	}
	// An IPv4 address in its IPv6 form is an IPv4 address.
	l = listen(t, ListenConfig{})
	c, err := Dial(context.Background(), netip.AddrPortFrom(netip.AddrFrom16(l.Addr().Addr().As16()), l.Addr().Port()))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// Silent connections do not keep others out: the oldest of them has to go.
func TestHalfOpenIsBounded(t *testing.T) {
	l := listen(t, ListenConfig{MaxHalfOpen: 3})
	var accepted []*Conn
	accept := func() *Conn {
		t.Helper()
		dial(t, l)
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		accepted = append(accepted, c)
		return c
	}
	accept().Established()
	for range 3 {
		accept()
	}
	if n := l.HalfOpen(); n != 3 {
		t.Fatalf("%d half-open", n)
	}
	accept()
	if n := l.HalfOpen(); n != 3 {
		t.Fatalf("%d half-open", n)
	}
	if _, err := accepted[1].Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("the oldest half-open connection is still there: %v", err)
	}
	accepted[0].SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := accepted[0].Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("an established connection was closed: %v", err)
	}
	for _, c := range accepted {
		c.Established()
		c.Established()
	}
	if n := l.HalfOpen(); n != 0 {
		t.Fatalf("%d half-open", n)
	}
}

// short is a listener of a process that has no descriptor left, for a while.
type short struct {
	accepter
	times int
}

func (s *short) AcceptTCP() (*net.TCPConn, error) {
	if s.times--; s.times >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return s.accepter.AcceptTCP()
}

// Where accepting fails for want of descriptors it goes on as soon as there are some,
// and does not keep the processor busy until then.
func TestAcceptGoesOnAfterPassingErrors(t *testing.T) {
	l := listen(t, ListenConfig{})
	s := &short{l.tcp, 4}
	l.tcp = s
	began := time.Now()
	dial(t, l)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if d := time.Since(began); s.times >= 0 || d < 75*time.Millisecond { // 5 + 10 + 20 + 40
		t.Errorf("four errors took %v", d)
	}
	s.times = 2
	l.Close()
	if _, err := l.Accept(); err != net.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

func TestListenerClose(t *testing.T) {
	l := listen(t, ListenConfig{})
	done := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		done <- err
	}()
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Fatalf("got %v", err)
	}
}

func TestListenEverywhere(t *testing.T) {
	for _, addr := range []netip.AddrPort{{}, netip.AddrPortFrom(netip.IPv6Unspecified(), 0)} {
		l, err := Listen(addr, ListenConfig{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := Dial(context.Background(), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), l.Addr().Port()))
		if err != nil {
			t.Fatal(err)
		}
		in, err := l.Accept()
		if err != nil || in.RemoteAddrPort().Addr() != netip.MustParseAddr("127.0.0.1") {
			t.Fatalf("%v, %v", in, err)
		}
		in.Close()
		c.Close()
		l.Close()
	}
	// All of IPv4 is not all of IPv6.
	four, err := Listen(netip.MustParseAddrPort("0.0.0.0:0"), ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer four.Close()
	if four.Addr().Addr() != netip.IPv4Unspecified() {
		t.Fatalf("listens on %v", four.Addr())
	}
	l := listen(t, ListenConfig{})
	if _, err := Listen(l.Addr(), ListenConfig{}); err == nil {
		t.Fatal("one port was taken twice")
	}
}

// Writing to somebody who does not read ends at the deadline.
func TestWriteDeadline(t *testing.T) {
	a, b := pair(t)
	if n, err := a.Write([]byte("hello")); n != 5 || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	buf := make([]byte, 5)
	if _, err := io.ReadFull(b, buf); err != nil || string(buf) != "hello" {
		t.Fatalf("%q, %v", buf, err)
	}
	a.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	lot := make([]byte, 1<<20)
	for range 1000 {
		if _, err := a.Write(lot); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("got %v", err)
			}
			return
		}
	}
	t.Fatal("a gigabyte was taken that nobody reads")
}
