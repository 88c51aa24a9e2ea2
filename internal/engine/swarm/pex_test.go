//go:build !js

package swarm_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// told are the peer exchange messages sent to a peer since the last look.
func (r *rig) told(key swarm.PeerKey) (list []wire.PEX) {
	r.T.Helper()
	for _, b := range r.ext(key, 12) {
		p, err := wire.ParsePEX(b)
		if err != nil {
			r.T.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// BEP 11: the flags say what the sender knows of each peer.
func TestPeerExchangeSaysWhatIsKnown(t *testing.T) {
	r := start(t, nil)
	listener := r.join(joined{})
	flags := map[netip.AddrPort]byte{}
	for a, tt := range map[string]struct {
		join  joined
		flags byte
	}{
		"10.0.0.1:6881": {joined{}, wire.PEXOutgoing},
		"10.0.0.2:6881": {joined{seed: true}, wire.PEXOutgoing | wire.PEXUploadOnly},
		"10.0.0.3:6881": {joined{incoming: true, port: 6881}, 0},
		"10.0.0.4:6881": {joined{used: swarm.Hint{UTP: true, Encrypted: true}}, wire.PEXOutgoing | wire.PEXUTP | wire.PEXEncryption},
	} {
		tt.join.addr = a
		r.join(tt.join)
		flags[addr(a)] = tt.flags
	}
	r.waitAlive(time.Minute)
	got := r.told(listener)
	if len(got) != 1 || len(got[0].Added) != len(flags) {
		t.Fatalf("told %+v", got)
	}
	for _, p := range got[0].Added {
		if f, ok := flags[p.Addr]; !ok || f != p.Flags {
			t.Errorf("%v with flags %#x, want %#x", p.Addr, p.Flags, f)
		}
	}
}

// Everybody hears of everybody once, and of those that went, however the
// messages fall: each peer is held to what it was told.
func TestPeerExchangeConvergesWhateverComesAndGoes(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.MaxPeers = 300 })
	believes := map[swarm.PeerKey]map[netip.AddrPort]bool{}
	at := map[swarm.PeerKey]netip.AddrPort{}
	hear := func() {
		t.Helper()
		for key, set := range believes {
			for _, p := range r.told(key) {
				if len(p.Added) > 50 || len(p.Dropped) > 50 {
					t.Fatalf("%d added and %d dropped in one message (BEP 11)", len(p.Added), len(p.Dropped))
				}
				for _, d := range p.Dropped {
					if !set[d.Addr] {
						t.Fatalf("peer %d hears that %v went, of whom it never heard", key, d.Addr)
					}
					delete(set, d.Addr)
				}
				for _, a := range p.Added {
					if set[a.Addr] || a.Addr == at[key] {
						t.Fatalf("peer %d hears of %v again", key, a.Addr)
					}
					set[a.Addr] = true
				}
			}
		}
	}
	crowd := crowdOf(200, 1)
	for round := range 8 {
		for k := range 25 {
			a := crowd[round*25+k]
			key := r.join(joined{addr: a.String()})
			at[key], believes[key] = a, map[netip.AddrPort]bool{}
			r.Wait(time.Duration(k) * 100 * time.Millisecond)
		}
		for k := range 5 {
			key := swarm.PeerKey(round*25 + 3*k + 1)
			r.Step(swarm.PeerLeft{Peer: key})
			delete(at, key)
			delete(believes, key)
		}
		r.alive()
		r.Wait(45 * time.Second)
		hear()
	}
	for range 8 {
		r.alive()
		r.Wait(time.Minute)
		hear()
	}
	for key, set := range believes {
		if len(set) != len(at)-1 {
			t.Fatalf("peer %d believes in %d others, there are %d", key, len(set), len(at)-1)
		}
	}
}

// The messages of many peers do not all fall into one step.
func TestPeerExchangeIsSpreadOverTime(t *testing.T) {
	r := start(t, func(c *swarm.Config, _ *idle) { c.MaxPeers = 300 })
	for _, a := range crowdOf(200, 1) {
		r.join(joined{addr: a.String()})
	}
	r.alive()
	most, steps := 0, 0
	for end := r.Now.Add(2 * time.Minute); r.Now.Before(end); steps++ {
		r.Sent = map[swarm.PeerKey][]wire.Message{}
		r.Now = r.m.Deadline()
		r.Step()
		n := 0
		for key := range r.Sent {
			n += len(r.told(key))
		}
		most = max(most, n)
	}
	if most > 10 {
		t.Fatalf("%d messages in one step", most)
	}
}

func TestRubbishInPeerExchangeClosesThePeer(t *testing.T) {
	r := start(t, nil)
	key := r.join(joined{})
	r.recv(key, enginetest.Extended(pexID, []byte("d5:added5:12345e")))
	if !enginetest.IsBreach(r.Closed[key].Err) {
		t.Fatalf("closed with %v", r.Closed[key].Err)
	}
}
