package dht

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func peer(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{50, byte(i >> 16), byte(i >> 8), byte(i)}), 6881)
}

// check compares the store's books with what it holds.
func (s *store) check(t *testing.T) {
	t.Helper()
	total, hosts := 0, map[netip.Prefix]int{}
	for _, sw := range s.order {
		if s.swarms[sw.hash] != sw || sw.len() == 0 {
			t.Errorf("swarm %v is lost or empty", sw.hash)
		}
		for f := range sw.peers {
			total += len(sw.peers[f])
			for _, p := range sw.peers[f] {
				if p.host.IsValid() {
					hosts[p.host]++
				}
			}
		}
	}
	if total != s.total || len(s.order) != len(s.swarms) || len(hosts) != len(s.placed) {
		t.Errorf("%d peers counted, %d held; %d and %d swarms; %d and %d hosts",
			s.total, total, len(s.order), len(s.swarms), len(s.placed), len(hosts))
	}
}

func TestStoreExpires(t *testing.T) {
	s := newStore(testRand())
	hash := hashOf(1)
	s.put(simEpoch, hash, peer(1))
	s.put(simEpoch.Add(30*time.Minute), hash, peer(2))
	s.put(simEpoch, hashOf(2), peer(1))
	later := simEpoch.Add(50 * time.Minute)
	if got := s.get(nil, later, hash, ipv4, 10); !slices.Equal(got, []netip.AddrPort{peer(2)}) {
		t.Errorf("after 50 minutes: %v", got)
	}
	s.sweep(later)
	s.check(t)
	if len(s.order) != 1 || s.total != 1 {
		t.Errorf("%d swarms, %d peers left", len(s.order), s.total)
	}
	// Who announces again stays.
	s.put(later, hash, peer(2))
	if got := s.get(nil, later.Add(40*time.Minute), hash, ipv4, 10); len(got) != 1 || s.total != 1 {
		t.Errorf("a repeated announcement: %v", got)
	}
}

func TestStoreIsBounded(t *testing.T) {
	s := newStore(testRand())
	s.maxHashes, s.maxPeers, s.maxPerHost, s.maxTotal = 50, 10, 5, 300
	for i := range 5000 {
		s.put(simEpoch.Add(time.Duration(i)*time.Second/10), hashOf(i%200), peer(i))
		if len(s.order) > 50 || s.total > 300 {
			t.Fatalf("%d hashes, %d peers", len(s.order), s.total)
		}
	}
	s.check(t)

	s = newStore(testRand())
	s.maxPeers = 10
	for i := range 30 {
		s.put(simEpoch.Add(time.Duration(i)*time.Second), hashOf(1), peer(i))
	}
	got := s.get(nil, simEpoch.Add(time.Minute), hashOf(1), ipv4, 100)
	slices.SortFunc(got, netip.AddrPort.Compare)
	if len(got) != 10 || got[0] != peer(20) {
		t.Errorf("a full swarm keeps %v", got)
	}
	s.check(t)
}

func TestFullStoreKeepsItsBooks(t *testing.T) {
	s := newStore(testRand())
	s.maxTotal = 10
	for i := range 10 {
		s.put(simEpoch, hashOf(i%2), peer(i))
	}
	if s.put(simEpoch.Add(time.Minute), hashOf(1), peer(99)) || !s.full(simEpoch.Add(time.Minute)) {
		t.Error("a full store takes more")
	}
	if !s.put(simEpoch.Add(time.Minute), hashOf(1), peer(1)) {
		t.Error("a full store refuses a peer that it has")
	}
	// Everything else has expired: there is room, also for a swarm just dropped.
	if !s.put(simEpoch.Add(2*time.Hour), hashOf(1), peer(99)) || s.total != 1 {
		t.Errorf("%d peers after the others expired", s.total)
	}
	s.check(t)
}

func TestOneHostCannotFillTheStore(t *testing.T) {
	s := newStore(testRand())
	stored := 0
	for i := range 10000 {
		if s.put(simEpoch, hashOf(i), netip.AddrPortFrom(netip.MustParseAddr("66.6.6.6"), uint16(i+1))) {
			stored++
		}
	}
	if stored != s.maxPerHost {
		t.Errorf("one host placed %d peers, want %d", stored, s.maxPerHost)
	}
	if !s.put(simEpoch, hashOf(1), peer(1)) {
		t.Error("another host is refused")
	}
	s.sweep(simEpoch.Add(time.Hour))
	s.check(t)
	if s.total != 0 {
		t.Errorf("%d peers left", s.total)
	}
}

func TestStoreNamesEveryPeerToSomebody(t *testing.T) {
	s := newStore(testRand())
	for i := range 200 {
		s.put(simEpoch, hashOf(1), peer(i))
	}
	seen := map[netip.AddrPort]bool{}
	for range 60 {
		got := s.get(nil, simEpoch, hashOf(1), ipv4, 50)
		if len(got) != 50 {
			t.Fatalf("%d peers", len(got))
		}
		for _, p := range got {
			seen[p] = true
		}
	}
	if len(seen) != 200 {
		t.Errorf("%d of 200 peers were ever named", len(seen))
	}
	if got := s.get(nil, simEpoch, hashOf(1), ipv6, 50); len(got) != 0 {
		t.Errorf("IPv4 peers are given as IPv6: %v", got)
	}
}

func TestMeters(t *testing.T) {
	m := newMeter(10, 20)
	now := simEpoch
	n := 0
	for m.take(now) {
		n++
	}
	if n != 20 {
		t.Errorf("a burst of %d, want 20", n)
	}
	next := m.next(now)
	if next.Sub(now) < 90*time.Millisecond || next.Sub(now) > 110*time.Millisecond || !m.take(next) || m.take(next) {
		t.Errorf("the next one comes after %v", next.Sub(now))
	}
	h := newHostMeters(testRand(), 256, 10, 20)
	flood, honest := netip.MustParseAddrPort("6.6.6.6:666"), netip.MustParseAddrPort("9.9.9.9:999")
	for i := range 1000 {
		h.take(now, netip.AddrPortFrom(flood.Addr(), uint16(i)))
	}
	if h.take(now, flood) {
		t.Error("a flooding host is still served")
	}
	if !h.take(now, honest) {
		t.Error("another host is not served")
	}
}
