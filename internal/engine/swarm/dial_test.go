//go:build !js

package swarm_test

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

func wants(a swarm.Appetite) func(*swarm.Config, *idle) {
	return func(_ *swarm.Config, c *idle) { c.wants = a }
}

// Who has everything dials too, or a seed behind a NAT never meets a leecher that
// others can reach. It leaves most of it to those that want something.
func TestSeedDialsWithoutHaste(t *testing.T) {
	r := start(t, wants(swarm.Leechers))
	r.found(swarm.Tracker, crowdOf(100, 1)...)
	if n := len(r.dials()); n != 1 {
		t.Fatalf("%d dials at once", n)
	}
	r.Wait(20 * time.Second)
	if n := len(r.dials()); n != 3 {
		t.Fatalf("%d more dials while those go on: want four half-open at most", n)
	}
	r = start(t, wants(swarm.Leechers))
	r.found(swarm.Tracker, crowdOf(100, 1)...)
	n := 0
	for range 600 {
		for _, a := range r.dials() {
			n++
			r.join(joined{addr: a.String()})
		}
		r.alive()
		r.Wait(time.Second)
	}
	if n != 40 {
		t.Fatalf("fills %d of 80 places by itself, want half of them", n)
	}
}

func TestSeedDialsNoSeeds(t *testing.T) {
	flagged, met, leecher := addr("10.0.0.1:6881"), addr("10.0.0.2:6881"), addr("10.0.0.3:6881")
	r := start(t, wants(swarm.Leechers))
	teller := r.join(joined{})
	r.recv(teller, pexOf(wire.PEXUploadOnly, flagged))
	r.Wait(10 * time.Second)
	if got := r.dials(); len(got) != 0 {
		t.Fatalf("dials %v, which peer exchange calls a seed", got)
	}
	r.found(swarm.Tracker, met)
	r.Wait(3 * time.Second)
	if got := r.dials(); len(got) != 1 || got[0] != met {
		t.Fatalf("dials %v", got)
	}
	key := r.join(joined{addr: met.String(), seed: true})
	r.Step(swarm.PeerLeft{Peer: key})
	r.Wait(time.Hour)
	if got := r.dials(); len(got) != 0 {
		t.Fatalf("dials %v, whom it knows as a seed", got)
	}
	r.found(swarm.Tracker, leecher)
	if got := r.dials(); len(got) != 1 || got[0] != leecher {
		t.Fatalf("dials %v", got)
	}
	r.Step(swarm.DialFailed{Addr: leecher})
	r.c.wants = swarm.Anybody // something is missing again
	r.Step()
	if got := r.dials(); len(got) != 2 {
		t.Fatalf("dials %v, now that seeds are wanted", got)
	}
}

func TestNobodyIsDialledWhilePaused(t *testing.T) {
	r := start(t, wants(swarm.Nobody))
	r.found(swarm.User, addr("10.0.0.1:6881"))
	r.Wait(time.Hour)
	if n := len(r.dials()); n != 0 {
		t.Fatalf("%d dials", n)
	}
}

func TestDialCarriesWhatIsKnownOfTheWay(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.MaxPeers = 2 })
	teller := r.join(joined{})
	a := addr("10.0.0.1:6881")
	r.recv(teller, pexOf(wire.PEXUTP|wire.PEXEncryption, a))
	if d := did[swarm.Dial](r); len(d) != 1 || d[0] != (swarm.Dial{Addr: a, Hint: swarm.Hint{UTP: true, Encrypted: true}}) {
		t.Fatalf("%+v", d)
	}
}

// One address is not dialled many times at once, whatever the ports that somebody
// makes up, nor beyond the connections it may have.
func TestFewDialsGoToOneAddress(t *testing.T) {
	r := start(t, nil)
	for port := range uint16(100) {
		r.found(swarm.DHT, addrPort("10.0.0.1", 1000+port))
	}
	first := r.dials()
	if len(first) != 2 {
		t.Fatalf("%d dials to one address at once", len(first))
	}
	for range 20 {
		for _, a := range first {
			r.join(joined{addr: a.String()})
		}
		r.alive()
		r.Wait(31 * time.Second)
		first = r.dials()
	}
	if n := r.m.Stats().Peers; n != 4 {
		t.Fatalf("%d connections to one address", n)
	}
	other := addr("10.0.0.2:6881")
	r.found(swarm.DHT, other)
	if got := r.dials(); !isOneOf(other, got) {
		t.Fatal("another address waits behind it")
	}
}

func TestBannedPeerIsRefusedAndNotDialled(t *testing.T) {
	r := start(t, nil)
	a := addr("10.0.0.1:6881")
	r.found(swarm.Tracker, a)
	r.dials()
	key := r.join(joined{addr: a.String(), id: "-XX0001-aaaaaaaaaaaa"})
	r.Step(within(func() { r.m.Close(r.m.Peer(key), swarm.Breach("forged"), true) }))
	if !r.Closed[key].Ban {
		t.Fatal("the driver is not told")
	}
	again := r.join(joined{addr: "10.0.0.1:50000", incoming: true, id: "-XX0001-aaaaaaaaaaaa", silent: true})
	if r.Closed[again].Err != swarm.ErrBanned {
		t.Fatalf("closed with %v", r.Closed[again].Err)
	}
	neighbour := r.join(joined{addr: "10.0.0.1:50001", incoming: true})
	if r.gone(neighbour) {
		t.Fatal("its neighbour is refused")
	}
	r.found(swarm.DHT, a)
	r.waitAlive(59 * time.Minute)
	if got := r.dials(); len(got) != 0 {
		t.Fatalf("dials %v", got)
	}
	r.found(swarm.Tracker, a)
	r.waitAlive(31 * time.Minute)
	if got := r.dials(); len(got) == 0 {
		t.Fatal("never dialled again")
	}
}

// A download that is complete has no use for its seed, and the seed none for it.
// When the user selects another file, the only peer must not count as one that
// failed.
func TestSeedIsDialledAgainAsSoonAsSomethingIsMissing(t *testing.T) {
	a := addr("10.0.0.1:6881")
	for name, end := range map[string]func(r *rig, key swarm.PeerKey){
		"it left while we were complete": func(r *rig, key swarm.PeerKey) {
			r.Step(swarm.PeerLeft{Peer: key})
			r.c.wants = swarm.Anybody
			r.Step()
		},
		"it was on its way out when the wish changed": func(r *rig, key swarm.PeerKey) {
			r.c.wants = swarm.Anybody
			r.Step()
			r.Step(swarm.PeerLeft{Peer: key})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			r.found(swarm.Tracker, a)
			r.dials()
			key := r.join(joined{addr: a.String(), seed: true})
			r.c.wants = swarm.Leechers
			r.Wait(5 * time.Second)
			end(r, key)
			if got := r.dials(); len(got) != 1 || got[0] != a {
				t.Fatalf("dials %v", got)
			}
			// One that hangs up all the same is paused.
			r.Wait(time.Second)
			r.Step(swarm.PeerLeft{Peer: r.join(joined{addr: a.String(), seed: true})})
			r.Wait(10 * time.Second)
			if got := r.dials(); len(got) != 0 {
				t.Fatalf("dials %v, which has just hung up", got)
			}
		})
	}
}
