package swarm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
)

func TestOneAddressTakesFewPlaces(t *testing.T) {
	for name, tt := range map[string]struct {
		addr func(k int) string
		most int
		join joined
	}{
		"an IPv4 address": {func(k int) string { return fmt.Sprintf("192.0.2.1:%d", 1000+k) }, 4, joined{}},
		"an IPv6 network": {func(k int) string { return fmt.Sprintf("[2001:db8::%d]:1000", k+1) }, 4, joined{}},
		"loopback":        {func(k int) string { return fmt.Sprintf("127.0.0.1:%d", 1000+k) }, 20, joined{}},
		"a relay":         {func(k int) string { return fmt.Sprintf("192.0.2.1:%d", 1000+k) }, 20, joined{relayed: true}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			for k := range 20 {
				j := tt.join
				j.addr, j.incoming = tt.addr(k), true
				key := r.join(j)
				if r.gone(key) && r.Closed[key].Err != swarm.ErrCrowd {
					t.Fatalf("closed with %v", r.Closed[key].Err)
				}
			}
			if n := r.m.Stats().Peers; n != tt.most {
				t.Fatalf("%d connections", n)
			}
			r.Step(swarm.PeerLeft{Peer: 1})
			if r.gone(r.join(joined{addr: tt.addr(100), incoming: true})) {
				t.Fatal("no place when one has left")
			}
		})
	}
}

func full(n int) func(*swarm.Config, *idle) {
	return func(c *swarm.Config, _ *idle) { c.MaxPeers = n }
}

// A full swarm keeps those that are of use and lets others go.
func TestNewcomerTakesThePlaceOfTheMostUseless(t *testing.T) {
	r := start(t, full(3))
	for key := range swarm.PeerKey(3) {
		r.join(joined{})
		r.c.worth[key+1] = 100
	}
	r.c.worth[2] = 0
	if r.gone(2) {
		t.Fatal("gone while there was room")
	}
	young := r.join(joined{silent: true})
	if r.Closed[young].Err != swarm.ErrFull || r.gone(2) {
		t.Fatal("a peer must have the time to become useful")
	}
	r.waitAlive(time.Minute)
	if key := r.join(joined{}); r.gone(key) || r.Closed[2].Err != swarm.ErrEvicted {
		t.Fatalf("closed %v", r.Closed)
	}
}

// Among peers that are all of use, the slowest goes now and then, so that
// newcomers have a chance; but not for each of a crowd at the door.
func TestSlowestGoesNowAndThen(t *testing.T) {
	r := start(t, full(20))
	for range 20 {
		r.c.worth[r.join(joined{})] = 1000
	}
	r.c.worth[7] = 10
	r.waitAlive(2 * time.Minute)
	for k := range 60 {
		r.Wait(time.Second)
		key := r.join(joined{})
		if k == 0 && (r.gone(key) || !r.gone(7)) {
			t.Fatal("the slowest stays")
		}
	}
	old := 0
	for key := range swarm.PeerKey(20) {
		if !r.gone(key + 1) {
			old++
		}
	}
	if old < 18 {
		t.Fatalf("%d of 20 useful peers were let go in a minute", 20-old)
	}
}

func TestWebSeedTakesNoPlaceAndHearsNothing(t *testing.T) {
	r := start(t, full(1))
	r.Last++
	server := r.Last
	r.Step(swarm.PeerJoined{Peer: server, WebSeed: true, URL: "https://example.org/film"})
	if r.gone(server) || r.gone(r.join(joined{})) {
		t.Fatal("refused")
	}
	if s := r.m.Stats(); s.Peers != 1 || s.WebSeeds != 1 {
		t.Fatalf("%+v", s)
	}
	r.waitAlive(10 * time.Minute)
	if len(r.Sent[server]) != 0 {
		t.Fatalf("sent %v", r.Sent[server])
	}
	if r.m.Peer(server) == nil {
		t.Fatal("dropped for its silence")
	}
	r.Step(swarm.PeerLeft{Peer: server})
	if r.m.Stats().WebSeeds != 0 || r.c.left != 1 {
		t.Fatal("still there")
	}
}

// That somebody useless went is no reason to keep the slowest.
func TestUselessAndSlowestGoOneAfterTheOther(t *testing.T) {
	r := start(t, full(3))
	for range 3 {
		r.c.worth[r.join(joined{})] = 1000
	}
	r.c.worth[1], r.c.worth[2] = 0, 10
	r.waitAlive(2 * time.Minute)
	r.join(joined{})
	r.join(joined{})
	if !r.gone(1) || !r.gone(2) || r.gone(3) {
		t.Fatalf("closed %v", r.Closed)
	}
}
