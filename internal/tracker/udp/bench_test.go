package udp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"
)

// What an announce costs without the network: 64,000 peers in swarms of 20 take turns.
func BenchmarkUDPAnnounce(b *testing.B) {
	s := newServer(b, nil)
	w := s.newWorker()
	w.now = s.cfg.Now()
	const peers = 64_000
	packets, from := make([][]byte, peers), make([]netip.AddrPort, peers)
	for i := range peers {
		from[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1000)
		id := s.ids.make(&w.scratch, from[i].Addr(), w.now)
		a := udpwire.AnnounceRequest{Left: int64(i % 4), NumWant: -1, Port: 1000}
		binary.BigEndian.PutUint64(a.InfoHash[:], uint64(i%(peers/20))*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint64(a.PeerID[:], uint64(i))
		packets[i] = udpwire.AppendAnnounce(nil, id, 1, &a)
		w.handle(nil, packets[i], from[i], netip.Addr{})
	}
	out := make([]byte, 0, maxReply)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		k := i * 377 % peers
		w.handle(out, packets[k], from[k], netip.Addr{})
	}
}

func BenchmarkUDPConnect(b *testing.B) {
	s := newServer(b, nil)
	w := s.newWorker()
	w.now = s.cfg.Now()
	packet, from := udpwire.AppendConnect(nil, 1), netip.MustParseAddrPort("1.2.3.4:5")
	out := make([]byte, 0, maxReply)
	b.ReportAllocs()
	for b.Loop() {
		w.handle(out, packet, from, netip.Addr{})
	}
}
