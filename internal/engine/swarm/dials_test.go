//go:build !js

package swarm_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

func TestDialsHalfOpenAtMostAndTheUsersPeersFirst(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.MaxHalfOpen = 3 })
	r.Step(swarm.PeersFound{Addrs: crowdOf(10, 1)})
	first := r.dials()
	if len(first) != 3 {
		t.Fatalf("%d dials at once", len(first))
	}
	mine := addr("192.0.2.1:7000")
	r.Step(swarm.PeersFound{Addrs: []netip.AddrPort{mine}, Source: swarm.User})
	r.Step(swarm.DialFailed{Addr: first[0]})
	if got := r.dials(); len(got) != 1 || got[0] != mine {
		t.Fatalf("dials %v next", got)
	}
}

func TestFailedDialsAreRepeatedLessAndLess(t *testing.T) {
	r := start(t, nil)
	a := addr("10.0.0.1:6881")
	r.Step(swarm.PeersFound{Addrs: []netip.AddrPort{a}})
	var at []time.Duration
	began := r.Now
	for range 2000 {
		for range r.dials() {
			at = append(at, r.Now.Sub(began))
			r.Step(swarm.DialFailed{Addr: a})
		}
		r.Wait(time.Second)
	}
	if len(at) < 4 || len(at) > 8 {
		t.Fatalf("%d dials in half an hour: %v", len(at), at)
	}
	for i := 2; i < len(at); i++ {
		if at[i]-at[i-1] <= at[i-1]-at[i-2] {
			t.Fatalf("pauses do not grow: %v", at)
		}
	}
}

// What the user names is tried at once, however often it failed when others named it.
func TestAddressThatTheUserNamesIsDialledAtOnce(t *testing.T) {
	r := start(t, nil)
	a := addr("10.0.0.1:6881")
	r.found(swarm.DHT, a)
	for range 4 {
		for range r.dials() {
			r.Step(swarm.DialFailed{Addr: a})
		}
		r.Wait(time.Minute)
	}
	r.dials()
	r.Step(swarm.DialFailed{Addr: a})
	r.found(swarm.User, a)
	if got := r.dials(); len(got) != 1 {
		t.Fatalf("dials %v", got)
	}
	r.Step(swarm.DialFailed{Addr: a})
	r.Wait(16 * time.Second)
	if got := r.dials(); len(got) != 1 {
		t.Fatalf("dials %v: the back-off did not begin anew", got)
	}
}

// A peer that hangs up at once is not dialled every few seconds for ever.
func TestPeerThatHangsUpIsPausedLikeAFailure(t *testing.T) {
	r := start(t, nil)
	a := addr("10.0.0.1:6881")
	r.Step(swarm.PeersFound{Addrs: []netip.AddrPort{a}})
	n := 0
	for range 1800 {
		for range r.dials() {
			n++
			key := r.join(joined{addr: a.String()})
			r.Step(swarm.PeerLeft{Peer: key})
		}
		r.Wait(time.Second)
	}
	if n > 8 {
		t.Fatalf("connected %d times in half an hour", n)
	}
}

func TestAddressOfAConnectedPeerIsNotDialledInVain(t *testing.T) {
	a := addr("10.0.0.1:6881")
	for name, in := range map[string]joined{
		"it told its port": {addr: "10.0.0.1:50000", incoming: true, port: 6881, id: "-XX0001-aaaaaaaaaaaa"},
		"it did not":       {addr: "10.0.0.1:50000", incoming: true, id: "-XX0001-aaaaaaaaaaaa"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			r.join(in)
			r.Wait(time.Minute)
			n := 0
			r.Step(swarm.PeersFound{Addrs: []netip.AddrPort{a}})
			for range 1000 {
				for range r.dials() {
					n++
					r.join(joined{addr: a.String(), id: in.id})
				}
				r.recv(1, wire.Message{KeepAlive: true})
				r.Wait(time.Second)
			}
			if n > 1 {
				t.Fatalf("dialled %d times while connected", n)
			}
			r.Step(swarm.PeerLeft{Peer: 1})
			r.Wait(time.Minute)
			if got := r.dials(); len(got) != 1 {
				t.Fatalf("%d dials after it left", len(got))
			}
		})
	}
}

func TestOurselvesAreDialledOnce(t *testing.T) {
	r := start(t, nil)
	a := addr("10.0.0.1:6881")
	n := 0
	for range 600 {
		r.Step(swarm.PeersFound{Addrs: []netip.AddrPort{a}})
		for range r.dials() {
			n++
			key := r.join(joined{addr: a.String(), id: string(r.cfg.PeerID[:]), silent: true})
			if r.Closed[key].Err != swarm.ErrSelf {
				t.Fatalf("closed with %v", r.Closed[key].Err)
			}
		}
		r.Wait(time.Second)
	}
	if n != 1 {
		t.Fatalf("dialled ourselves %d times", n)
	}
}

// Both sides dialled at the same time. Each sees the two connections in its own
// order, and both must keep the same one.
func TestCrossingDialsKeepOneConnection(t *testing.T) {
	low, high := "-XX0001-000000000000", "-XX0001-zzzzzzzzzzzz"
	// survivors of the connections that low and high dialled, as seen by one side
	side := func(own, other string, ownFirst bool) (keepsOwn, keepsOther bool) {
		r := start(t, func(c *swarm.Config, _ *idle) { copy(c.PeerID[:], own) })
		dialled := joined{addr: "10.0.0.1:6881", id: other}
		came := joined{addr: "10.0.0.1:50000", incoming: true, id: other}
		r.Step(swarm.PeersFound{Addrs: []netip.AddrPort{addr(dialled.addr)}})
		order := []joined{dialled, came}
		if !ownFirst {
			slices.Reverse(order)
		}
		for _, j := range order {
			r.join(j)
			r.Wait(100 * time.Millisecond)
		}
		for key := swarm.PeerKey(1); key <= 2; key++ {
			if _, gone := r.Closed[key]; !gone {
				if order[key-1].incoming {
					keepsOther = true
				} else {
					keepsOwn = true
				}
			}
		}
		return keepsOwn, keepsOther
	}
	for _, lowFirst := range []bool{true, false} {
		for _, highFirst := range []bool{true, false} {
			lowOwn, lowOther := side(low, high, lowFirst)
			highOwn, highOther := side(high, low, highFirst)
			if lowOwn == lowOther || highOwn == highOther {
				t.Fatalf("low keeps %v %v, high keeps %v %v: want one connection each", lowOwn, lowOther, highOwn, highOther)
			}
			if lowOwn != highOther {
				t.Fatal("they keep different connections")
			}
		}
	}
}

func TestSecondConnectionLaterIsRefused(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { copy(c.PeerID[:], "-XX0001-zzzzzzzzzzzz") })
	first := r.join(joined{addr: "10.0.0.1:6881", id: "-XX0001-000000000000"})
	r.Wait(30 * time.Second)
	second := r.join(joined{addr: "10.9.9.9:50000", incoming: true, id: "-XX0001-000000000000", silent: true})
	if _, gone := r.Closed[first]; gone || r.Closed[second].Err != swarm.ErrDuplicate {
		t.Fatal("a peer id that is taken must not push out its owner")
	}
}

// A flood of made-up addresses must not keep out what a tracker says.
func TestHearsayDoesNotCrowdOutTheTracker(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.MaxHalfOpen = 10 })
	enemy := r.join(joined{})
	for i := range 10 {
		var msg wire.PEX
		for _, a := range crowdOf(wire.MaxPEXPeers, i) {
			msg.Added = append(msg.Added, wire.PEXPeer{Addr: a})
		}
		r.recv(enemy, enginetest.Extended(pexID, msg.Append(nil)))
		r.Wait(31 * time.Second)
		for _, a := range r.dials() {
			r.Step(swarm.DialFailed{Addr: a})
		}
	}
	if n := r.m.Stats().Known; n > 1000 {
		t.Fatalf("remembers %d addresses on the word of one peer", n)
	}
	real := addr("192.0.2.1:6881")
	r.Step(swarm.PeersFound{Addrs: []netip.AddrPort{real}})
	for range 3 {
		for _, a := range r.dials() {
			if a == real {
				return
			}
			r.Step(swarm.DialFailed{Addr: a})
		}
	}
	t.Fatal("the tracker's address waits behind the flood")
}

func TestConnectionLimitRefusesTheNext(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.MaxPeers = 2 })
	r.join(joined{})
	r.join(joined{})
	third := r.join(joined{silent: true})
	if r.Closed[third].Err != swarm.ErrFull || len(r.Closed) != 1 {
		t.Fatalf("closed %v", r.Closed)
	}
}

func TestPrivateTorrentExchangesNoPeers(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.Private = true })
	a := r.join(joined{addr: "10.0.0.1:6881"})
	b := r.join(joined{addr: "10.0.0.2:6881"})
	for _, p := range r.ext(a, wire.ExtHandshakeID) {
		if h, err := wire.ParseExtHandshake(p); err != nil {
			t.Fatal(err)
		} else if _, ok := h.ID(wire.ExtPEX); ok {
			t.Fatal("offers peer exchange")
		}
	}
	msg := wire.PEX{Added: []wire.PEXPeer{{Addr: addr("192.0.2.1:6881")}}}
	r.recv(a, enginetest.Extended(pexID, msg.Append(nil)))
	r.Wait(3 * time.Minute)
	if len(r.dials()) != 0 {
		t.Fatal("dials what peer exchange said")
	}
	if len(r.ext(b, 12)) != 0 {
		t.Fatal("tells of peers")
	}
}

func TestPeerExchangeTellsWhoCameAndWent(t *testing.T) {
	r := start(t, nil)
	listener := r.join(joined{addr: "10.0.0.9:6881"})
	other := r.join(joined{addr: "10.0.0.1:50000", incoming: true, port: 7000})
	r.join(joined{}) // over WebRTC: nobody could dial it
	alive := func() {
		for key := listener; key <= r.Last; key++ {
			if key != other {
				r.recv(key, wire.Message{KeepAlive: true})
			}
		}
	}
	told := func() (p wire.PEX) {
		t.Helper()
		alive()
		r.Wait(61 * time.Second)
		got := r.ext(listener, 12)
		if len(got) != 1 {
			t.Fatalf("%d messages", len(got))
		}
		p, err := wire.ParsePEX(got[0])
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := told(); len(p.Added) != 1 || p.Added[0].Addr != addr("10.0.0.1:7000") || len(p.Dropped) != 0 {
		t.Fatalf("told %+v", p)
	}
	r.Step(swarm.PeerLeft{Peer: other})
	if p := told(); len(p.Added) != 0 || len(p.Dropped) != 1 {
		t.Fatalf("told %+v", p)
	}
}

func TestPeerThatTellsManyPortsKeepsNobodyBusy(t *testing.T) {
	r := start(t, nil)
	key := r.join(joined{addr: "10.0.0.1:50000", incoming: true})
	for port := range 300 {
		h := wire.ExtHandshake{Port: 1000 + port}
		r.recv(key, enginetest.Extended(wire.ExtHandshakeID, h.Append(nil)))
		r.Step(swarm.PeersFound{Addrs: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(1000+port))}})
	}
	r.Wait(time.Minute)
	if n := len(r.dials()); n != 0 {
		t.Fatalf("%d dials to a peer that is connected", n)
	}
}

// What a tracker says takes the room of hearsay, to the last address.
func TestTrackerTakesTheRoomOfHearsay(t *testing.T) {
	r := start(t, func(_ *swarm.Config, c *idle) { c.wants = swarm.Nobody })
	teller := r.join(joined{})
	told := addr("192.0.2.1:6881")
	r.recv(teller, pexOf(0, told))
	for net := range 2 {
		r.found(swarm.Tracker, crowdOf(1000, net)...)
	}
	if n := r.m.Stats().Known; n != 2000 {
		t.Fatalf("remembers %d addresses", n)
	}
	r.found(swarm.Tracker, addr("192.0.2.2:6881"))
	if n := r.m.Stats().Known; n != 2000 {
		t.Fatalf("remembers %d addresses: a tracker's takes the place of a tracker's", n)
	}
	mine := addr("192.0.2.3:6881")
	r.found(swarm.User, mine) // is remembered at any rate
	r.c.wants = swarm.Anybody
	r.Step()
	if got := r.dials(); got[0] != mine || isOneOf(told, got) {
		t.Fatalf("dials %v first", got)
	}
}

// An address whose connection was refused, for the swarm was full by then, is
// dialled again.
func TestRefusedDialIsRepeated(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.MaxPeers = 1 })
	a := addr("10.0.0.1:6881")
	r.found(swarm.Tracker, a)
	r.dials()
	came := r.join(joined{})
	if key := r.join(joined{addr: a.String(), silent: true}); r.Closed[key].Err != swarm.ErrFull {
		t.Fatalf("closed %v", r.Closed)
	}
	r.Step(swarm.PeerLeft{Peer: came})
	r.Wait(time.Minute)
	if got := r.dials(); len(got) != 1 || got[0] != a {
		t.Fatalf("dials %v", got)
	}
}

// How a peer was met is how it is met again: it saves a dial that comes to nothing.
func TestDialsRememberEncryption(t *testing.T) {
	r := start(t, nil)
	a := addr("10.0.0.1:6881")
	r.found(swarm.Tracker, a)
	hint := func() bool {
		t.Helper()
		d := did[swarm.Dial](r)
		if len(d) != 1 {
			t.Fatalf("dials %v", d)
		}
		return d[0].Hint.Encrypted
	}
	if hint() {
		t.Error("nobody has said that it prefers encryption")
	}
	for _, encrypted := range []bool{true, false} {
		key := r.join(joined{addr: a.String(), used: swarm.Hint{Encrypted: encrypted}})
		r.Wait(2 * time.Minute)
		r.Step(swarm.PeerLeft{Peer: key})
		did[swarm.Dial](r)
		r.Wait(time.Minute)
		if hint() != encrypted {
			t.Errorf("met encrypted: %v, and the next dial is another", encrypted)
		}
	}
}
