package mesh

import (
	"net/netip"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// Offers of a peer that meets trusted ones alone go where there are some, and wait until there are.
func TestOffersOfTheLimitedGoToTheTrusted(t *testing.T) {
	a, b, h, carry := pair(t, Config{})
	now := t0.Add(time.Second)
	limited, trusted := swarm.Role{Trust: swarm.Limited}, swarm.Role{Trust: swarm.Trusted}
	a.Changed(now, h, Counts{RTCLeechers: 1})
	b.Changed(now, h, Counts{RTCLeechers: 50})
	carry(now)
	offers := func(from string, r swarm.Role) (got []Delivery) {
		t.Helper()
		a.Offers(now, h, id(from), r, []SDP{{id(from), []byte("offer of " + from)}})
		for range 3 {
			now = now.Add(time.Second)
			got = append(got, carry(now)...)
		}
		return got
	}
	if got := offers("viewer", limited); len(got) != 0 {
		t.Fatalf("a viewer's offer goes to viewers: %+v", got)
	}
	if got := offers("relay", trusted); len(got) != 1 || got[0].Role != trusted || string(got[0].Offers[0].SDP) != "offer of relay" {
		t.Fatalf("a trusted peer's offer: %+v", got)
	}
	if n := a.Elsewhere(h).RTC(limited); n != 0 {
		t.Errorf("%d for a viewer", n)
	}
	// One comes, and the viewer's offer does not wait for its next announce.
	b.Changed(now, h, Counts{RTCLeechers: 50, TrustedLeechers: 1})
	got := carry(now)
	now = now.Add(changeAfter)
	got = append(got, carry(now)...)
	if len(got) != 1 || got[0].Role != limited || string(got[0].Offers[0].SDP) != "offer of viewer" {
		t.Fatalf("after a trusted one came: %+v", got)
	}
	if n := a.Elsewhere(h).RTC(limited); n != 1 {
		t.Errorf("%d for a viewer", n)
	}
	b.Changed(now, h, Counts{RTCSeeders: 1, RTCLeechers: 50, TrustedSeeders: 1})
	carry(now)
	now = now.Add(changeAfter)
	carry(now)
	if got := offers("seeding", swarm.Role{Seeder: true, Trust: swarm.Limited}); len(got) != 0 {
		t.Errorf("a viewer that has all is sent to a seeder: %+v", got)
	}
	if got := offers("later", limited); len(got) != 1 {
		t.Errorf("one that lacks something is sent to %+v", got)
	}
}

func TestTCPPeersOfOtherNodesByTrust(t *testing.T) {
	a, b, h, carry := pair(t, Config{})
	now := t0.Add(time.Second)
	a.Changed(now, h, Counts{TCPLeechers: 1})
	b.Changed(now, h, Counts{TCPLeechers: 3})
	at := func(last byte, trust swarm.Trust) TCPPeer {
		return TCPPeer{swarm.TCPPeer{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 1, 1, last}), 1)}, swarm.Role{Trust: trust}}
	}
	for range 3 {
		for _, d := range carry(now) {
			if d.Kind == CollectPeers && d.Node == 1 {
				b.TCPPeersHere(now, 1, h, []TCPPeer{at(1, swarm.Trusted), at(2, swarm.Limited), at(3, swarm.Ordinary)})
			}
		}
		now = now.Add(time.Second)
	}
	for trust, want := range map[swarm.Trust]int{swarm.Trusted: 3, swarm.Limited: 1, swarm.Ordinary: 2} {
		if got := a.TCPPeers(now, h, 0, netaddr.Public, swarm.Role{Trust: trust}, 50, nil); len(got) != want {
			t.Errorf("trust %d: %v", trust, got)
		}
	}
}
