package udpio

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func listen(t *testing.T, addr string, sockets int) []*net.UDPConn {
	t.Helper()
	conns, err := Listen(addr, sockets)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range conns {
		t.Cleanup(func() { u.Close() })
		u.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return conns
}

func dial(t *testing.T, addr string) *net.UDPConn {
	t.Helper()
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.UDPConn)
}

// each runs a test with the batch of this platform and with the one for any socket.
func each(t *testing.T, f func(t *testing.T, batch func(*net.UDPConn) Batch)) {
	t.Run("platform", func(t *testing.T) { f(t, func(u *net.UDPConn) Batch { return New(u) }) })
	t.Run("single", func(t *testing.T) {
		f(t, func(u *net.UDPConn) Batch { return &single{pc: u, local: addrOf(u.LocalAddr())} })
	})
	t.Run("any PacketConn", func(t *testing.T) {
		f(t, func(u *net.UDPConn) Batch { return New(struct{ net.PacketConn }{u}) })
	})
}

// echo answers n packets by what they said and whence.
func echo(b Batch, n int) error {
	for n > 0 {
		k, err := b.Read()
		if err != nil {
			return err
		}
		for i := range k {
			p, from, local := b.Packet(i)
			b.Reply(i, append(b.Buffer(), fmt.Sprintf("%s from %v to %v", p, from, local)...))
		}
		if err := b.Flush(); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

func TestEcho(t *testing.T) {
	each(t, func(t *testing.T, batch func(*net.UDPConn) Batch) {
		u := listen(t, "127.0.0.1:0", 1)[0]
		const packets = 3*Size + 1
		done := make(chan error, 1)
		c := dial(t, u.LocalAddr().String())
		// All of them wait before the first is read, so that there are full batches.
		for i := range packets {
			if _, err := fmt.Fprintf(c, "%d", i); err != nil {
				t.Fatal(err)
			}
		}
		go func() { done <- echo(batch(u), packets) }()
		buf := make([]byte, 2000)
		for i := range packets {
			n, err := c.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%d from %v to 127.0.0.1", i, c.LocalAddr()); string(buf[:n]) != want {
				t.Fatalf("%q, want %q", buf[:n], want)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestSendFromAConnectedSocket(t *testing.T) {
	u := listen(t, "127.0.0.1:0", 1)[0]
	c := dial(t, u.LocalAddr().String())
	for _, b := range []Batch{New(c), &single{pc: c}} {
		const packets = Size + 10 // more than a batch, without a Flush between
		for i := range packets {
			b.Send(append(b.Buffer(), byte(i)))
		}
		b.Flush()
		buf := make([]byte, 10)
		for i := range packets {
			if n, err := u.Read(buf); err != nil || n != 1 || buf[0] != byte(i) {
				t.Fatalf("packet %d: %v %v", i, buf[:n], err)
			}
		}
	}
}

func TestLongPacketsAreCutOff(t *testing.T) {
	each(t, func(t *testing.T, batch func(*net.UDPConn) Batch) {
		u := listen(t, "127.0.0.1:0", 1)[0]
		c := dial(t, u.LocalAddr().String())
		c.Write(bytes.Repeat([]byte{1}, 5000))
		c.Write(nil)
		b := batch(u)
		var sizes []int
		for len(sizes) < 2 {
			n, err := b.Read()
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				p, _, _ := b.Packet(i)
				sizes = append(sizes, len(p))
			}
		}
		if !slices.Equal(sizes, []int{maxIn, 0}) {
			t.Errorf("%v bytes", sizes)
		}
	})
}

// What is made elsewhere than in Buffer, or grew beyond it, does no harm.
func TestForeignAndTooLongPackets(t *testing.T) {
	u := listen(t, "127.0.0.1:0", 1)[0]
	c := dial(t, u.LocalAddr().String())
	for _, b := range []Batch{New(c), &single{pc: c}} {
		for _, p := range [][]byte{[]byte("a"), bytes.Repeat([]byte("x"), maxOut+1), []byte("b")} {
			b.Send(append(b.Buffer(), p...))
			b.Flush()
			b.Buffer()
			b.Send(p)
		}
		b.Flush()
		buf := make([]byte, 3000)
		for _, want := range []string{"a", "a", "b", "b"} {
			if n, err := u.Read(buf); err != nil || string(buf[:n]) != want {
				t.Fatalf("%d bytes, %v, want %q", n, err, want)
			}
		}
	}
}

func TestCloseEndsRead(t *testing.T) {
	each(t, func(t *testing.T, batch func(*net.UDPConn) Batch) {
		u := listen(t, "127.0.0.1:0", 1)[0]
		b := batch(u)
		done := make(chan error, 1)
		go func() {
			_, err := b.Read()
			done <- err
		}()
		u.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
		b.Send(append(b.Buffer(), 1))
		if err := b.Flush(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("flush: %v", err)
		}
	})
}

func TestAllFamiliesAndAddresses(t *testing.T) {
	u := listen(t, ":0", 1)[0]
	port := u.LocalAddr().(*net.UDPAddr).Port
	addrs := []string{"127.0.0.1", "127.0.0.1"}
	if hasIPv6() {
		addrs[1] = "::1"
	}
	go echo(New(u), len(addrs))
	for _, host := range addrs {
		c := dial(t, net.JoinHostPort(host, fmt.Sprint(port)))
		c.Write([]byte("x"))
		buf := make([]byte, 200)
		n, err := c.Read(buf)
		if want := fmt.Sprintf("x from %v", c.LocalAddr()); err != nil || !bytes.HasPrefix(buf[:n], []byte(want)) {
			t.Errorf("%s: %v, %q, want %q", host, err, buf[:n], want)
		}
	}
}

func hasIPv6() bool {
	pc, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		return false
	}
	pc.Close()
	return true
}

func TestListenErrors(t *testing.T) {
	u := listen(t, "127.0.0.1:0", 2)
	for _, addr := range []string{"nonsense", "127.0.0.1:99999", u[0].LocalAddr().String()} {
		if conns, err := Listen(addr, 2); err == nil {
			conns[0].Close()
			t.Errorf("%s: no error", addr)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	u := listen(t, "127.0.0.1:0", 1)[0]
	client, server := New(dial(t, u.LocalAddr().String())), New(u)
	// relay reads what the other end has sent, answers it or not, and counts.
	relay := func(b Batch, want int, answer bool) {
		for got := 0; got < want; {
			n, err := b.Read()
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if p, from, _ := b.Packet(i); answer && from != (netip.AddrPort{}) {
					b.Reply(i, append(b.Buffer(), p...))
				}
			}
			b.Flush()
			got += n
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range Size {
			client.Send(append(client.Buffer(), byte(i)))
		}
		client.Flush()
		relay(server, Size, true)
		relay(client, Size, false)
	}); n > 0 {
		t.Errorf("%v allocations in %d round trips", n, Size)
	}
}
