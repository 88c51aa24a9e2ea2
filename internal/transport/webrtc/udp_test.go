//go:build !js

package webrtc

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
)

// record makes a DTLS record of n bytes in all.
func record(n int, fill byte) []byte {
	b := bytes.Repeat([]byte{fill}, n)
	b[0] = 23
	binary.BigEndian.PutUint16(b[11:], uint16(n-13))
	return b
}

func join(records ...[]byte) []byte { return bytes.Join(records, nil) }

func TestRunSize(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		want int
	}{
		"one record":       {record(100, 1), 0},
		"equal records":    {join(record(100, 1), record(100, 2), record(100, 3)), 100},
		"last is shorter":  {join(record(100, 1), record(100, 2), record(50, 3)), 100},
		"last is longer":   {join(record(100, 1), record(150, 2)), 0},
		"short in between": {join(record(100, 1), record(50, 2), record(100, 3)), 0},
		"cut short":        {join(record(100, 1), record(100, 2))[:150], 0},
		"not a record":     {bytes.Repeat([]byte{1}, 200), 0},
		"empty":            {nil, 0},
		"length past end":  {record(100, 1)[:14], 0},
	} {
		if got := runSize(c.b); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func newTestSocket(t *testing.T) (*socket, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s := newSocket(c)
	return s, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// A run is a packet for each record to whoever receives it.
func TestRunIsSentAsPackets(t *testing.T) {
	from, _ := newTestSocket(t)
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := [][]byte{record(1200, 1), record(1200, 2), record(1200, 3), record(70, 4)}
	for _, io := range []packetIO{from.io, &plainIO{conn: from.UDPConn}} {
		from.io = io
		if _, err := from.WriteTo(join(want...), c.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 9000)
		for i, w := range want {
			n, _, err := c.ReadFrom(buf)
			if err != nil || !bytes.Equal(buf[:n], w) {
				t.Fatalf("packet %d: %d bytes, %v", i, n, err)
			}
		}
	}
}

// What arrives together is read together, in order and without mixing senders.
func TestSocketReads(t *testing.T) {
	to, addr := newTestSocket(t)
	a, aAddr := newTestSocket(t)
	b, bAddr := newTestSocket(t)
	stun := append([]byte{0, 1, 0, 0}, make([]byte, 16)...)
	var wantA, wantB []byte
	send := func(s *socket, want *[]byte, p []byte) {
		if _, err := s.WriteToAddrPort(p, addr); err != nil {
			t.Fatal(err)
		}
		*want = append(*want, p...)
	}
	send(a, &wantA, record(1200, 1))
	send(a, &wantA, join(record(1200, 2), record(1200, 3), record(1200, 4), record(1200, 5), record(1200, 6), record(1200, 7), record(1200, 8)))
	send(b, &wantB, record(300, 9))
	send(a, &wantA, stun)
	send(a, &wantA, record(20, 10))
	got := map[netip.AddrPort][]byte{}
	to.SetReadDeadline(time.Now().Add(5 * time.Second))
	for len(got[aAddr]) < len(wantA) || len(got[bAddr]) < len(wantB) {
		packets, err := to.io.read()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packets {
			if p.allData() != (len(p.data) != len(stun) || p.data[0] != 0) {
				t.Fatalf("a packet of %d bytes is taken for something else", len(p.data))
			}
			got[p.from] = append(got[p.from], p.data...)
		}
	}
	if !bytes.Equal(got[aAddr], wantA) || !bytes.Equal(got[bAddr], wantB) {
		t.Fatal("other bytes than were sent")
	}
}
