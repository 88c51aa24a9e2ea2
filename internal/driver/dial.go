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
func (t *Torrent) dial(addr netip.AddrPort) {
	t.dialling++
	ctx := t.dials
	t.s.dialler.run(t.s, func() {
		err := t.connect(ctx, addr)
		t.call(func() {
			t.dialling--
			if err != nil {
				t.carryOut(t.m.Step(time.Now(), swarm.DialFailed{Addr: addr}))
				if ctx.Err() == nil {
					t.unreached(addr, err)
				}
			}
		})
	})
}

var errNoDial = errors.New("addresses are not dialled here")

func (t *Torrent) connect(ctx context.Context, addr netip.AddrPort) error {
	if t.s.cfg.Dial == nil {
		return errNoDial
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := t.s.cfg.Dial(ctx, addr)
	if err != nil {
		return err
	}
	if t.s.refused(c) { // banned meanwhile
		c.Close()
		return wire.ErrHandshake
	}
	if err := t.introduce(ctx, c, t.key, true); err != nil {
		c.Close()
		return err
	}
	return nil
}
