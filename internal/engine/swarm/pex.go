//go:build !js

package swarm

import (
	"net/netip"
	"slices"
	"sort"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	pexInterval   = time.Minute
	pexGap        = 50 * time.Millisecond // between two peers' turns, so that they do not all come at once
	maxPEX        = 50                    // peers in one message of ours (BEP 11)
	maxDepartures = 256                   // peers that left and are remembered to be told of
	pexTooSoon    = 256 << 10             // what a message that comes too soon costs a peer, in bytes
)

// exchange keeps what peers are to be told of each other (BEP 11). Who comes and
// goes gets a number; a peer is told of what has a higher one than it heard of
// last, so that a message costs what is in it and not the size of the swarm.
// Peers without an address that can be dialled, as over WebRTC, are not told of.
type exchange struct {
	number uint64
	here   []pexEntry // by rising number
	left   []pexEntry // likewise, by the number of leaving
	rota   rota
}

type pexEntry struct {
	p    *Peer
	addr netip.AddrPort
	came uint64
	went uint64
}

// pexPeer is what a peer was told, and when it told us.
type pexPeer struct {
	listed uint64 // its own number
	begun  bool   // it has its turns
	came   uint64 // told of all that came up to this number
	went   uint64 // likewise of those that left
	got    time.Time
}

// exchangePeers is ut_pex as an extension.
func (m *Machine) exchangePeers() []Extension {
	return []Extension{{Name: wire.ExtPEX, Handle: m.gotPEX}}
}

// next is when the next turn is; the zero time means never.
func (x *exchange) next() time.Time { return x.rota.next() }

// came notes a peer that others can dial.
func (x *exchange) came(p *Peer) {
	x.number++
	p.pex.listed = x.number
	x.here = append(x.here, pexEntry{p: p, addr: p.dial, came: x.number})
}

// went notes that it is gone, or can no longer be dialled there.
func (x *exchange) went(p *Peer) {
	at := after(x.here, p.pex.listed-1, entryCame)
	e := x.here[at]
	n := copy(x.here[at:], x.here[at+1:])
	x.here[at+n] = pexEntry{}
	x.here = x.here[:at+n]
	x.number++
	e.p, e.went = nil, x.number
	if len(x.left) == maxDepartures {
		x.left = x.left[:copy(x.left, x.left[maxDepartures/4:])]
	}
	x.left = append(x.left, e)
}

func entryCame(e *pexEntry) uint64 { return e.came }
func entryWent(e *pexEntry) uint64 { return e.went }

// after returns the place of the first entry with a higher number.
func after(list []pexEntry, n uint64, number func(*pexEntry) uint64) int {
	return sort.Search(len(list), func(k int) bool { return number(&list[k]) > n })
}

// begin gives a peer its turns.
func (x *exchange) begin(now time.Time, p *Peer) {
	if p.pex.begun {
		return
	}
	p.pex.begun = true
	p.pex.went = x.number // it need not hear of those that left before
	x.again(now, p)
}

func (x *exchange) again(now time.Time, p *Peer) {
	at := now.Add(pexInterval)
	if last := x.rota.last(); !last.IsZero() && at.Before(last.Add(pexGap)) {
		at = last.Add(pexGap)
	}
	x.rota.add(p, at)
}

// placeOf returns the place of an address among the peers of a message, -1 if it is none.
func placeOf(list []wire.PEXPeer, a netip.AddrPort) int {
	return slices.IndexFunc(list, func(p wire.PEXPeer) bool { return p.Addr == a })
}

// news is what a peer has not been told yet. What has no room comes next time. No
// address is in it twice: of who went and came back there is nothing to tell.
func (x *exchange) news(p *Peer) (msg wire.PEX) {
	at := after(x.left, p.pex.went, entryWent)
	for ; at < len(x.left) && len(msg.Dropped) < maxPEX; at++ {
		e := &x.left[at]
		if e.came <= p.pex.came && placeOf(msg.Dropped, e.addr) < 0 {
			msg.Dropped = append(msg.Dropped, wire.PEXPeer{Addr: e.addr})
		}
		p.pex.went = e.went
	}
	if at < len(x.left) {
		return msg // first all that left, lest one be told of after it has
	}
	for at := after(x.here, p.pex.came, entryCame); at < len(x.here) && len(msg.Added) < maxPEX; at++ {
		e := &x.here[at]
		if e.p != p && placeOf(msg.Added, e.addr) < 0 {
			if k := placeOf(msg.Dropped, e.addr); k >= 0 {
				msg.Dropped = slices.Delete(msg.Dropped, k, k+1)
			} else {
				msg.Added = append(msg.Added, wire.PEXPeer{Addr: e.addr, Flags: pexFlags(e.p)})
			}
		}
		p.pex.came = e.came
	}
	return msg
}

func pexFlags(p *Peer) (f byte) {
	if p.Seed {
		f |= wire.PEXUploadOnly
	}
	if p.Outgoing {
		f |= wire.PEXOutgoing // we have reached it
	}
	if p.used.UTP {
		f |= wire.PEXUTP
	}
	if p.used.Encrypted {
		f |= wire.PEXEncryption
	}
	return f
}

// tellPEX sends what is due.
func (m *Machine) tellPEX() {
	x := &m.pex
	for {
		p := x.rota.due(m.now)
		if p == nil {
			return
		}
		m.work++
		if m.cfg.Private {
			continue
		}
		if p.Speaks(wire.ExtPEX) {
			if msg := x.news(p); len(msg.Added)+len(msg.Dropped) > 0 {
				m.SendExt(p, wire.ExtPEX, msg.Append(nil))
			}
		}
		x.again(m.now, p)
	}
}

// gotPEX takes a peer's word of others.
func (m *Machine) gotPEX(p *Peer, payload []byte) error {
	if m.cfg.Private {
		return nil // BEP 27
	}
	msg, err := wire.ParsePEX(payload)
	if err != nil {
		return err
	}
	if !p.pex.got.IsZero() && m.now.Sub(p.pex.got) < pexInterval/2 {
		return m.Charge(p, pexTooSoon)
	}
	p.pex.got = m.now
	for _, a := range msg.Added {
		m.dials.add(m.now, a.Addr, candidate{
			sources: PEX,
			seed:    a.Flags&wire.PEXUploadOnly != 0,
			hint:    Hint{UTP: a.Flags&wire.PEXUTP != 0, Encrypted: a.Flags&wire.PEXEncryption != 0},
		})
	}
	return nil
}
