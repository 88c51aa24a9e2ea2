//go:build !js

package swarm_test

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// BEP 27: "When a private torrent is joined, clients must only use the trackers
// in the metainfo to find peers." Nothing that was found otherwise survives.
func TestTorrentThatTurnsOutPrivate(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.MaxPeers, c.DHTPort = 40, 6881 })
	told, dht, both := addr("10.1.0.1:6881"), addr("10.2.0.1:6881"), addr("10.3.0.1:6881")
	r.found(swarm.Tracker, told, both)
	r.found(swarm.DHT, dht, both)
	if n := len(r.dials()); n != 3 {
		t.Fatalf("%d dials", n)
	}
	keyTold, keyDHT, keyBoth := r.join(joined{addr: told.String()}), r.join(joined{addr: dht.String()}), r.join(joined{addr: both.String()})
	came := r.join(joined{addr: "10.4.0.1:50000", incoming: true, port: 6881})
	r.found(swarm.LSD, addr("10.5.0.1:6881"))
	r.recv(came, pexOf(0, crowdOf(100, 6)...))
	under := r.dials() // on their way
	if len(under) != 16 {
		t.Fatalf("%d dials", len(under))
	}
	if _, ok := r.greeting(came).ID(wire.ExtPEX); !ok {
		t.Fatal("peer exchange is not offered")
	}

	r.Step(within(r.m.SetPrivate))
	r.Step(within(r.m.SetPrivate))
	if n := len(did[swarm.Private](r)); n != 1 {
		t.Fatalf("the driver is told %d times", n)
	}
	if len(r.Closed) != 1 || r.Closed[keyDHT].Err != swarm.ErrPrivate {
		t.Fatalf("closed %v", r.Closed)
	}
	for _, key := range []swarm.PeerKey{keyTold, keyBoth, came} {
		if id, ok := r.greeting(key).ID(wire.ExtPEX); !ok || id != 0 {
			t.Fatalf("peer %d is not told that peer exchange ends: %d, %v", key, id, ok)
		}
	}
	if k := r.m.Stats().Known; k != 2 {
		t.Fatalf("remembers %d addresses", k)
	}
	late := r.join(joined{addr: under[0].String(), silent: true})
	if r.Closed[late].Err != swarm.ErrPrivate {
		t.Fatal("keeps whom it was dialling on hearsay")
	}
	r.found(swarm.DHT, crowdOf(3, 7)...)
	r.found(swarm.LSD, crowdOf(3, 8)...)
	r.recv(came, pexOf(0, crowdOf(3, 9)...))
	r.waitAlive(3 * time.Minute)
	if got := r.dials(); len(got) != 0 {
		t.Fatalf("dials %v", got)
	}
	for key := keyTold; key <= came; key++ {
		if len(r.ext(key, 12)) != 0 {
			t.Fatal("tells of peers")
		}
	}
}

// BEP 27 is about finding peers: a private torrent tells nobody its DHT node.
func TestPortIsToldToWhoHasANode(t *testing.T) {
	port := func(private, dht bool) int {
		r := start(t, func(c *swarm.Config, _ *idle) { c.DHTPort, c.Private = 7001, private })
		key := r.join(joined{addr: "10.0.0.1:50000", incoming: true, dht: dht})
		for _, m := range r.Sent[key] {
			if m.ID == wire.Port && !m.KeepAlive {
				return int(m.Port)
			}
		}
		return 0
	}
	if port(false, true) != 7001 || port(false, false) != 0 || port(true, true) != 0 {
		t.Fatal("port told to the wrong peers")
	}
	r := start(t, func(c *swarm.Config, _ *idle) { c.DHTPort = 7001 })
	key := r.join(joined{addr: "10.0.0.1:50000", incoming: true})
	r.recv(key, wire.Message{ID: wire.Port, Port: 7002})
	if n := did[swarm.DHTNode](r); len(n) != 1 || n[0].Addr != addr("10.0.0.1:7002") {
		t.Fatalf("%v", n)
	}
}
