//go:build !js

package swarm_test

// The sentences of BEP 11 that a peer can hold us to. What the flags say is tested beside them, in
// pex_test.go.

import (
	"net/netip"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
)

// hears returns what a peer is told in a minute, in one message at most.
func (r *rig) hears(key swarm.PeerKey) (added, dropped []netip.AddrPort) {
	r.T.Helper()
	r.waitAlive(time.Minute)
	list := r.told(key)
	if len(list) > 1 {
		r.T.Fatalf("%d messages in a minute", len(list))
	}
	for _, msg := range list {
		if len(msg.Added)+len(msg.Dropped) == 0 {
			r.T.Fatal("says nothing")
		}
		for _, a := range msg.Added {
			added = append(added, a.Addr)
		}
		for _, d := range msg.Dropped {
			dropped = append(dropped, d.Addr)
		}
	}
	return added, dropped
}

func isOnly(list []netip.AddrPort, want ...string) bool {
	for _, w := range want {
		if !isOneOf(addr(w), list) {
			return false
		}
	}
	return len(list) == len(want)
}

// BEP 10: "p: Local TCP listen port. Allows each side to learn about the TCP port number of the other
// side."
func TestBEP10PortIsWhereThePeerListens(t *testing.T) {
	r := start(t, nil)
	listener := r.join(joined{addr: "10.0.0.9:6881"})
	key := r.join(joined{addr: "10.0.0.1:50000", incoming: true, port: 6999})
	if p := r.greeting(key).Port; p != 6881 {
		t.Fatalf("tells port %d", p)
	}
	if added, _ := r.hears(listener); !isOnly(added, "10.0.0.1:6999") {
		t.Fatalf("others are told of %v", added)
	}
}

// "A peer must only be included in an added field once a connection is successfully established and
// included in the dropped field once it is disconnected." "Once a peer has been added a client must ensure
// to send the corresponding dropped event when appropriate."
func TestBEP11OnlyPeersThatAreConnected(t *testing.T) {
	r := start(t, nil)
	listener := r.join(joined{addr: "10.0.0.9:6881"})
	r.found(swarm.Tracker, addr("10.0.0.1:6881"), addr("10.0.0.2:6881"))
	if added, dropped := r.hears(listener); len(added)+len(dropped) != 0 {
		t.Fatalf("told of %v and %v, who are being dialled", added, dropped)
	}
	key := r.join(joined{addr: "10.0.0.1:6881"})
	r.Step(swarm.DialFailed{Addr: addr("10.0.0.2:6881")})
	if added, dropped := r.hears(listener); !isOnly(added, "10.0.0.1:6881") || len(dropped) != 0 {
		t.Fatalf("told of %v and %v", added, dropped)
	}
	r.Step(swarm.PeerLeft{Peer: key})
	if added, dropped := r.hears(listener); len(added) != 0 || !isOnly(dropped, "10.0.0.1:6881") {
		t.Fatalf("told of %v and %v", added, dropped)
	}
}

// "Clients must batch updates to send no more than 1 PEX message per minute." "Messages must contain at
// least one of the following fields: added, added6, dropped, dropped6."
func TestBEP11OneMessageAMinute(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.MaxPeers = 200 })
	listener := r.join(joined{addr: "10.0.0.9:6881"})
	crowd := crowdOf(100, 1)
	var last time.Time
	for second := range 600 {
		if second%5 == 0 && second < 500 {
			r.join(joined{addr: crowd[second/5].String()})
		}
		if r.Wait(time.Second); second%60 == 0 {
			r.alive()
		}
		for _, msg := range r.told(listener) {
			if !last.IsZero() && r.Now.Sub(last) < 59*time.Second {
				t.Fatalf("two messages within %v", r.Now.Sub(last))
			}
			if last = r.Now; len(msg.Added)+len(msg.Dropped) == 0 {
				t.Fatal("an empty message")
			}
		}
	}
	if last.IsZero() {
		t.Fatal("no message")
	}
}

// "Added or removed contacts must not contain duplicates." Two peers behind one address may claim the
// same port.
func TestBEP11NoDuplicates(t *testing.T) {
	r := start(t, nil)
	listener := r.join(joined{addr: "10.0.0.9:6881"})
	one := r.join(joined{addr: "10.0.0.1:50001", incoming: true, port: 6881})
	two := r.join(joined{addr: "10.0.0.1:50002", incoming: true, port: 6881})
	if added, _ := r.hears(listener); !isOnly(added, "10.0.0.1:6881") {
		t.Fatalf("told of %v", added)
	}
	r.Step(swarm.PeerLeft{Peer: one}, swarm.PeerLeft{Peer: two})
	if _, dropped := r.hears(listener); !isOnly(dropped, "10.0.0.1:6881") {
		t.Fatalf("told that %v went", dropped)
	}
}

// "Transient connect-disconnect or disconnect-reconnect events may be elided between update messages as
// long as it does not affect the correctness." "An added contact must not be dropped in the same message."
func TestBEP11WhoGoesAndComesBack(t *testing.T) {
	r := start(t, nil)
	listener := r.join(joined{addr: "10.0.0.9:6881"})
	key := r.join(joined{addr: "10.0.0.1:6881"})
	r.hears(listener)
	passing := r.join(joined{addr: "10.0.0.2:6881"})
	r.Step(swarm.PeerLeft{Peer: passing}, swarm.PeerLeft{Peer: key})
	key = r.join(joined{addr: "10.0.0.1:6881"})
	if added, dropped := r.hears(listener); len(added)+len(dropped) != 0 {
		t.Fatalf("told of %v and %v: one passed by, the other is here as before", added, dropped)
	}
	r.Step(swarm.PeerLeft{Peer: key})
	if added, dropped := r.hears(listener); len(added) != 0 || !isOnly(dropped, "10.0.0.1:6881") {
		t.Fatalf("told of %v and %v", added, dropped)
	}
}

// "Except for the initial PEX message the combined amount of added v4/v6 contacts should not exceed 50
// entries. The same applies to dropped entries."
func TestBEP11FiftyEntries(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.MaxPeers = 300 })
	listener := r.join(joined{addr: "10.0.0.9:6881"})
	var keys []swarm.PeerKey
	for i, a := range crowdOf(60, 1) {
		keys = append(keys, r.join(joined{addr: a.String()}))
		six := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i)})
		keys = append(keys, r.join(joined{addr: netip.AddrPortFrom(six, 6881).String()}))
	}
	told, went := 0, 0
	for range 4 {
		added, dropped := r.hears(listener)
		if told += len(added); len(added) > 50 || len(dropped) != 0 {
			t.Fatalf("%d added, %d dropped", len(added), len(dropped))
		}
	}
	for _, key := range keys {
		r.Step(swarm.PeerLeft{Peer: key})
	}
	for range 4 {
		_, dropped := r.hears(listener)
		if went += len(dropped); len(dropped) > 50 {
			t.Fatalf("%d dropped", len(dropped))
		}
	}
	if told != 120 || went != 120 {
		t.Fatalf("told of %d, of whom %d went", told, went)
	}
}

// "Clients may disconnect peers that egregiously violate these constraints."
func TestBEP11FloodOfMessagesEnds(t *testing.T) {
	r := start(t, nil)
	key := r.join(joined{addr: "10.0.0.1:6881"})
	msg := pexOf(0, crowdOf(10, 2)...)
	if r.recv(key, msg, msg); r.gone(key) {
		t.Fatal("closed for a message that came early")
	}
	for n := 0; !r.gone(key); n++ {
		if r.recv(key, msg); n > 1000 {
			t.Fatal("listens without end")
		}
	}
	if !enginetest.IsBreach(r.Closed[key].Err) {
		t.Fatalf("closed: %v", r.Closed[key].Err)
	}
}

// "Data exchanged via PEX messages should be considered untrusted and potentially malicious." "a client
// should avoid taking all its connection candidates from a single PEX source."
//
// One peer can fill half of what we remember, and all of that stands behind what a tracker says.
func TestBEP11HearsayKeepsNobodyOut(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.MaxHalfOpen = 1 })
	key := r.join(joined{addr: "10.0.0.1:6881"})
	for k := range 20 {
		r.recv(key, pexOf(0, crowdOf(200, k+10)...))
		r.waitAlive(time.Minute)
	}
	if n := r.m.Stats().Known; n > 1000 {
		t.Fatalf("remembers %d addresses of one peer", n)
	}
	under := r.dials()
	r.found(swarm.Tracker, addr("10.200.0.1:6881"))
	r.Step(swarm.DialFailed{Addr: under[len(under)-1]})
	if got := r.dials(); !isOnly(got, "10.200.0.1:6881") {
		t.Fatalf("dials %v next", got)
	}
}

// "Duplicate IP addresses (e.g. with different ports) should be ignored."
//
// A carrier's NAT has many peers behind one address, so we dial two of them at a time instead.
func TestBEP11OneAddressIsNotFlooded(t *testing.T) {
	r := start(t, nil)
	key := r.join(joined{addr: "10.0.0.1:6881"})
	var victim []netip.AddrPort
	for port := range uint16(200) {
		victim = append(victim, addrPort("192.0.2.1", 1000+port))
	}
	r.recv(key, pexOf(0, victim...))
	r.Wait(5 * time.Second)
	if got := r.dials(); len(got) > 2 {
		t.Fatalf("dials one address %d times at once", len(got))
	}
}
