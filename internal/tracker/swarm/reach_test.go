package swarm

import (
	"net/netip"
	"testing"
)

func announceAt(t *testing.T, c *Core[int], h Hash, addr netip.AddrPort, local string, want int) []TCPPeer {
	t.Helper()
	a := TCPAnnounce{Hash: h, Peer: id(addr.String()), Addr: addr, Event: Started, Left: 9, Want: want}
	if local != "" {
		a.Local = netip.MustParseAddr(local)
	}
	_, peers, err := c.AnnounceTCP(t0, a, nil)
	if err != nil {
		t.Fatal(err)
	}
	return peers
}

func crowd(t *testing.T, c *Core[int], h Hash, first byte, n int) {
	t.Helper()
	for i := range n {
		announceAt(t, c, h, netip.AddrPortFrom(netip.AddrFrom4([4]byte{first, 1, byte(i >> 8), byte(i)}), 1), "", 0)
	}
}

// Few public peers find each other among many private ones.
func TestPublicPeersAmongManyPrivateOnes(t *testing.T) {
	c, h := newCore(Config{}), id("swarm")
	crowd(t, c, h, 10, 10_000)
	crowd(t, c, h, 9, 3)
	if got := announceAt(t, c, h, netip.MustParseAddrPort("8.8.8.8:1"), "", 50); len(got) != 3 {
		t.Errorf("%v", got)
	}
}

// Few private ones find each other among many public ones, and get those as well.
func TestPrivatePeersAmongManyPublicOnes(t *testing.T) {
	c, h := newCore(Config{}), id("swarm")
	crowd(t, c, h, 9, 1000)
	crowd(t, c, h, 10, 3)
	got := announceAt(t, c, h, netip.MustParseAddrPort("192.168.0.1:1"), "", 50)
	private := 0
	for _, p := range got {
		if p.Addr.Addr().IsPrivate() {
			private++
		}
	}
	if len(got) < 49 || private != 3 { // it may be drawn itself
		t.Errorf("%d peers, %d of them private", len(got), private)
	}
}

// A seed beside the tracker is one of many, not everybody's.
func TestASeedBesideTheTrackerIsNotEverybodys(t *testing.T) {
	c, h := newCore(Config{}), id("swarm")
	crowd(t, c, h, 9, 500)
	announceAt(t, c, h, netip.MustParseAddrPort("127.0.0.1:7"), "", 0)
	given := 0
	for range 500 {
		got := announceAt(t, c, h, netip.MustParseAddrPort("8.8.8.8:1"), "7.7.7.7", 50)
		if len(got) != 50 {
			t.Fatalf("%d peers", len(got))
		}
		for _, p := range got {
			if p.Addr == netip.MustParseAddrPort("7.7.7.7:7") {
				given++
			}
		}
	}
	if given < 25 || given > 100 {
		t.Errorf("given to %d of 500, want about 50", given)
	}
}

func TestPeersForOtherMachines(t *testing.T) {
	for _, tc := range []struct{ public, private, wantPublic, wantPrivate int }{
		{100, 100, 10, 10}, {100, 3, 17, 3}, {3, 100, 3, 17}, {0, 100, 0, 20}, {100, 0, 20, 0}, {2, 2, 2, 2},
	} {
		c, h := newCore(Config{}), id("swarm")
		crowd(t, c, h, 9, tc.public)
		crowd(t, c, h, 10, tc.private)
		crowd(t, c, h, 127, 5)
		public, private := 0, 0
		c.EachTCP(h, 20, func(p TCPPeer, _ Role) {
			switch p.Addr.Addr().As4()[0] {
			case 9:
				public++
			case 10:
				private++
			default:
				t.Errorf("%v", p)
			}
		})
		if public != tc.wantPublic || private != tc.wantPrivate {
			t.Errorf("%+v: %d public, %d private", tc, public, private)
		}
	}
}

// What an announce of a public peer costs does not depend on how many private ones there are.
func BenchmarkPublicAmongPrivate(b *testing.B) {
	for name, private := range map[string]int{"none": 0, "10000 private": 10_000} {
		b.Run(name, func(b *testing.B) {
			c, h := newCore(Config{}), id("swarm")
			for first, n := range map[byte]int{10: private, 9: 100} {
				for i := range n {
					addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{first, 1, byte(i >> 8), byte(i)}), 1)
					c.AnnounceTCP(t0, TCPAnnounce{Hash: h, Peer: id(addr.String()), Addr: addr, Left: 9}, nil)
				}
			}
			a := TCPAnnounce{Hash: h, Peer: id("me"), Addr: netip.MustParseAddrPort("8.8.8.8:1"), Left: 9, Want: 50}
			var dst []TCPPeer
			b.ReportAllocs()
			for b.Loop() {
				_, dst, _ = c.AnnounceTCP(t0, a, dst[:0])
			}
		})
	}
}
