//go:build !js

package native

import (
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/discovery/lsd"
	"github.com/shoal-p2p/shoal/internal/discovery/natmap"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/metainfo"
)

// neighbourhood finds peers on the local network and has the router forward our
// port. Either part may be missing: neither is worth failing for.
type neighbourhood struct {
	lsd    *lsd.Service
	router *natmap.Mapper
	port   int
}

func (c *Client) startNeighbourhood() *neighbourhood {
	n := &neighbourhood{port: c.port()}
	if c.cfg.LSD && n.port != 0 {
		n.lsd, _ = lsd.Listen(lsd.Config{Found: func(key [20]byte, a netip.AddrPort) {
			c.offer(key, peer(a), swarm.LSD)
		}})
	}
	if c.cfg.NATMap && n.port != 0 {
		n.router = natmap.Start(natmap.Config{TCP: uint16(n.port), UDP: uint16(n.port)})
	}
	return n
}

func (n *neighbourhood) announce(key metainfo.Hash) {
	if n.lsd != nil {
		n.lsd.Announce(key, n.port)
	}
}

func (n *neighbourhood) withdraw(key metainfo.Hash) {
	if n.lsd != nil {
		n.lsd.Withdraw(key)
	}
}

func (n *neighbourhood) close() {
	if n.lsd != nil {
		n.lsd.Close()
	}
	if n.router != nil {
		n.router.Close()
	}
}
