package udpio

import (
	"fmt"
	"net"
	"testing"
)

// What the system refuses to send must not hold up what comes behind it.
func TestAPacketThatCannotBeSent(t *testing.T) {
	u := listen(t, "127.0.0.1:0", 1)[0]
	c := dial(t, u.LocalAddr().String())
	for range 3 {
		c.Write([]byte("x"))
	}
	b := New(u).(*mmsg)
	if n, err := b.Read(); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	for i := range 3 {
		b.Packet(i)
		b.Reply(i, append(b.Buffer(), byte(i)))
	}
	b.from[1].Port = 0
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 9)
	for _, want := range []byte{0, 2} {
		if n, err := c.Read(buf); err != nil || n != 1 || buf[0] != want {
			t.Errorf("%v %v, want %d", buf[:n], err, want)
		}
	}
}

// A connected client, and every firewall, takes a reply only from the address it asked.
func TestRepliesComeFromTheAddressThatWasAsked(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0"} {
		u := listen(t, addr, 1)[0]
		go echo(New(u), 3)
		for _, host := range []string{"127.0.0.1", "127.0.0.2", "127.1.2.3"} {
			c := dial(t, fmt.Sprintf("%s:%d", host, u.LocalAddr().(*net.UDPAddr).Port))
			c.Write([]byte("x"))
			buf := make([]byte, 200)
			n, err := c.Read(buf)
			if want := fmt.Sprintf("x from %v to %s", c.LocalAddr(), host); err != nil || string(buf[:n]) != want {
				t.Errorf("%s on %s: %v, %q, want %q", host, addr, err, buf[:n], want)
			}
		}
	}
}

func TestSocketsShareTheWork(t *testing.T) {
	conns := listen(t, "127.0.0.1:0", 3)
	if len(conns) != 3 {
		t.Fatalf("%d sockets", len(conns))
	}
	// Each client's packets go to one socket, which depends on its port.
	const clients = 60
	for range clients {
		dial(t, conns[0].LocalAddr().String()).Write([]byte("x"))
	}
	total := 0
	for i, u := range conns {
		n, err := New(u).Read()
		if err != nil {
			t.Fatal(err)
		}
		if n == clients {
			t.Errorf("socket %d got everything", i)
		}
		total += n
	}
	if total != clients {
		t.Errorf("%d packets of %d", total, clients)
	}
}
