package driver

import (
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
)

// AddPeers stands in for what a tab lacks: it brings a stream to each address as a
// tab's trackers bring theirs, once.
func (t *Torrent) AddPeers(addrs []netip.AddrPort, _ swarm.Source) {
	for _, to := range addrs {
		t.s.spawn(func() {
			if c, err := t.s.cfg.Dial(t.s.ctx, to); err == nil {
				t.s.Join(t.key, c, true)
			}
		})
	}
}
