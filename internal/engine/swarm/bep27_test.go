//go:build !js

package swarm_test

// The sentences of BEP 27 that a peer can hold us to. What happens to what was found before the flag
// was known is tested in private_test.go, whom we announce ourselves to in package native.
//
// "When switching between trackers, the peer MUST disconnect from all current peers" is not done:
// trackers of one torrent are announced to side by side, as all clients do today, and a private
// torrent has one.

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

func private(c *swarm.Config, _ *idle) { c.Private, c.DHTPort = true, 6881 }

// "When a BitTorrent client obtains a metainfo file containing the 'private=1' key-value pair, it MUST ONLY
// announce itself to the private tracker, and MUST ONLY initiate connections to peers returned from the
// private tracker."
//
// An address that the user gives by hand is dialled all the same.
func TestBEP27OnlyTheTrackersPeersAreDialled(t *testing.T) {
	for name, tt := range map[string]struct {
		source swarm.Source
		dials  bool
	}{
		"tracker": {swarm.Tracker, true}, "user": {swarm.User, true}, "DHT": {swarm.DHT, false}, "LSD": {swarm.LSD, false}, "PEX": {swarm.PEX, false},
	} {
		r := start(t, private)
		r.found(tt.source, addr("10.0.0.1:6881"))
		r.Wait(time.Minute)
		if got := len(r.dials()); got == 1 != tt.dials {
			t.Errorf("%s: %d dials", name, got)
		}
		if !tt.dials && r.m.Stats().Known != 0 {
			t.Errorf("%s: remembered", name)
		}
	}
}

// "Announcing or exchanging peer information via any of these mechanisms other than the private tracker
// subverts the tracker's access control." "if an intruder obtained or guessed the IP and port of a peer
// already in a private torrent then exchanging peer information with the intruder would provide the
// intruder with a full complement of peers."
func TestBEP27NoPeersAreExchanged(t *testing.T) {
	r := start(t, private)
	for _, a := range crowdOf(5, 1) {
		r.join(joined{addr: a.String()})
	}
	intruder := r.join(joined{addr: "10.9.0.1:50000", incoming: true, port: 6881, dht: true})
	said := r.Sent[intruder]
	if id, ok := r.greeting(intruder).ID(wire.ExtPEX); ok {
		t.Fatalf("offers peer exchange as %d", id)
	}
	r.recv(intruder, pexOf(0, crowdOf(50, 2)...), wire.Message{ID: wire.Port, Port: 7001})
	r.waitAlive(5 * time.Minute)
	for _, m := range append(said, r.Sent[intruder]...) {
		if !m.KeepAlive && (m.ID == wire.Port || m.ID == wire.Extended && m.ExtID == 12) {
			t.Fatalf("says %+v", m)
		}
	}
	if len(r.dials()) != 0 || len(did[swarm.DHTNode](r)) != 0 {
		t.Fatal("heeds what the intruder tells")
	}
}

// "Once in the swarm, the intruder is granted equal treatment as all other peers."
func TestBEP27WhoComesIsTreatedAsOthers(t *testing.T) {
	r := start(t, private)
	key := r.join(joined{addr: "10.9.0.1:50000", incoming: true})
	if r.recv(key, wire.Message{ID: wire.Interested}); r.gone(key) || len(r.c.got) != 1 {
		t.Fatal("turned away")
	}
}
