//go:build !js

package driver

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// AddPeers offers addresses to connect to, and says where they come from. For a
// private torrent, what the DHT and the local network say is dropped (BEP 27).
func (t *Torrent) AddPeers(addrs []netip.AddrPort, from swarm.Source) {
	if t.private.Load() && from&(swarm.DHT|swarm.LSD) != 0 {
		return // it is not worth waking the torrent
	}
	if from&swarm.User != 0 {
		t.gate.name(addrs)
	}
	t.post(swarm.PeersFound{Addrs: addrs, Source: from})
}

// dial connects to an address as soon as the session has room for it. The loop
// calls it.
func (t *Torrent) dial(to swarm.Dial) {
	t.dialling++
	ctx := t.dials
	t.s.dialler.run(t.s, func() {
		err := t.connect(ctx, to)
		t.call(func() {
			t.dialling--
			if err != nil {
				t.carryOut(t.m.Step(time.Now(), swarm.DialFailed{Addr: to.Addr}))
				if ctx.Err() == nil {
					t.unreached(to.Addr, err)
				}
			}
		})
	})
}

var errNoDial = errors.New("addresses are not dialled here")

// connect tries the ways in which the peer may be talked to, encrypted or not, until
// one succeeds. A peer that cannot be reached is not tried again.
func (t *Torrent) connect(ctx context.Context, to swarm.Dial) (err error) {
	if t.s.cfg.Dial == nil {
		return errNoDial
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	for _, encrypted := range t.s.ways(to.Hint) {
		var deaf bool
		if deaf, err = t.try(ctx, to.Addr, encrypted); !deaf || ctx.Err() != nil {
			break
		}
	}
	return err
}

// try connects in one way. It reports whether a peer is there that does not answer such
// a handshake.
func (t *Torrent) try(ctx context.Context, addr netip.AddrPort, encrypted bool) (deaf bool, err error) {
	raw, err := t.s.cfg.Dial(ctx, addr)
	if err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			raw.Close()
		}
	}()
	if t.s.refused(raw) { // banned meanwhile
		return false, wire.ErrHandshake
	}
	c, err := t.s.greet(ctx, raw, t.handshake(t.key), encrypted)
	if err != nil {
		return true, err
	}
	h, err := readHandshake(ctx, c)
	if err != nil {
		return true, err
	}
	return false, t.admit(c, h, t.key, true)
}
