package swarm

import (
	"net/netip"
	"testing"
	"time"
)

func BenchmarkAnnounceTCP(b *testing.B) {
	c := newCore(Config{})
	const peers = 100_000
	addr := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1000)
	}
	for i := range peers {
		c.AnnounceTCP(t0, TCPAnnounce{Hash: num(i / 200), Peer: num(i), Addr: addr(i), Event: Started, Left: 1}, nil)
	}
	var dst []TCPPeer
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k := i % peers
		_, dst, _ = c.AnnounceTCP(t0, TCPAnnounce{Hash: num(k / 200), Peer: num(k), Addr: addr(k), Left: 1, Want: 50}, dst[:0])
	}
}

// benchRTC lets 100,000 peers announce in turn, each every two minutes.
func benchRTC(b *testing.B, now func(i int) time.Time, answers bool) {
	c := newCore(Config{})
	const peers = 100_000
	for i := range peers {
		c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: num(i / 50), Peer: num(i), Conn: i, Event: Started, Left: 1, Source: Source(i + 1)}, nil)
	}
	var dst []Receiver[int]
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k := i % peers
		at := now(i)
		_, dst, _ = c.AnnounceRTC(at, RTCAnnounce[int]{Hash: num(k / 50), Peer: num(k), Conn: k, Left: 1, Want: 5, Source: Source(k + 1)}, dst[:0])
		if answers {
			for _, r := range dst {
				c.Route(num(k/50), r.Conn, r.Peer, num(k))
			}
		}
	}
}

func usual(i int) time.Time { return t0.Add(time.Duration(i) * 1200 * time.Microsecond) }

// Every offer is answered, as in a healthy swarm.
func BenchmarkAnswered(b *testing.B) { benchRTC(b, usual, true) }

// Nobody answers.
func BenchmarkAnnounceRTC(b *testing.B) { benchRTC(b, usual, false) }

// Nobody may be given more offers: the dearest announce there is.
func BenchmarkSaturated(b *testing.B) {
	benchRTC(b, func(int) time.Time { return t0 }, false)
}
