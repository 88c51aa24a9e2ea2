package tcp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// fill reads until the buffers are full, as far as one call after another gets.
func fill(t *testing.T, c *Conn, bufs ...[]byte) {
	t.Helper()
	for len(bufs) > 0 {
		n, err := c.ReadBuffers(bufs, true)
		if n == 0 || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		for len(bufs) > 0 && n >= len(bufs[0]) {
			n -= len(bufs[0])
			bufs = bufs[1:]
		}
		if n > 0 {
			bufs[0] = bufs[0][n:]
		}
	}
}

func TestReadBuffersFillsThemInTheirOrder(t *testing.T) {
	a, b := pair(t)
	if n, err := b.ReadBuffers([][]byte{make([]byte, 8)}, false); n != 0 || err != nil {
		t.Fatalf("nothing was sent: %d bytes, %v", n, err)
	}
	for range 2 { // the second call is like the first
		if _, err := a.Write([]byte("headblocktail")); err != nil {
			t.Fatal(err)
		}
		head, block, tail := make([]byte, 4), make([]byte, 5), make([]byte, 4)
		fill(t, b, head, block, tail)
		if string(head) != "head" || string(block) != "block" || string(tail) != "tail" {
			t.Fatalf("%q %q %q", head, block, tail)
		}
	}
	if n, err := b.ReadBuffers([][]byte{make([]byte, 8)}, false); n != 0 || err != nil {
		t.Fatalf("all was read: %d bytes, %v", n, err)
	}
}

func TestReadBuffersWaitsForMore(t *testing.T) {
	a, b := pair(t)
	buf := make([]byte, 100)
	got := make(chan int, 1)
	go func() {
		n, err := b.ReadBuffers([][]byte{buf}, true)
		if err != nil {
			t.Error(err)
		}
		got <- n
	}()
	select {
	case n := <-got:
		t.Fatalf("%d bytes before any was sent", n)
	case <-time.After(20 * time.Millisecond):
	}
	a.Write([]byte("late"))
	if n := <-got; !bytes.Equal(buf[:n], []byte("late")[:n]) || n == 0 {
		t.Fatalf("%d bytes: %q", n, buf[:n])
	}
}

func TestReadBuffersEnds(t *testing.T) {
	for _, wait := range []bool{false, true} {
		a, b := pair(t)
		b.SetReadDeadline(time.Now().Add(-time.Second))
		if n, err := b.ReadBuffers([][]byte{make([]byte, 1)}, wait); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("past the deadline: %d, %v", n, err)
		}
		b.SetReadDeadline(time.Time{})
		a.Close()
		if n, err := b.ReadBuffers([][]byte{make([]byte, 1)}, true); n != 0 || err != io.EOF {
			t.Errorf("the other side closed: %d, %v", n, err)
		}
		b.Close()
		if n, err := b.ReadBuffers([][]byte{make([]byte, 1)}, wait); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %d, %v", n, err)
		}

		a, b = pair(t)
		a.tcp.SetLinger(0) // the other side's system answers with a reset
		a.Close()
		time.Sleep(10 * time.Millisecond)
		if n, err := b.ReadBuffers([][]byte{make([]byte, 1)}, true); n != 0 || err == nil || err == io.EOF {
			t.Errorf("after a reset: %d, %v", n, err)
		}
	}
}
