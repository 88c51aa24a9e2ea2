//go:build !js

package swarm_test

import (
	"testing"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// BEP 5: "Peers that receive this message should attempt to ping the node on the
// received port and IP address of the remote peer." Where any of it is not known, or we
// have no node or may not use it, there is nobody to ping.
func TestBEP5_PortNamesANode(t *testing.T) {
	for _, c := range []struct {
		name string
		from string
		port uint16
		cfg  swarm.Config
		want string
	}{
		{"a node", "10.0.0.1:6881", 7001, swarm.Config{DHTPort: 1}, "10.0.0.1:7001"},
		{"no port", "10.0.0.1:6881", 0, swarm.Config{DHTPort: 1}, ""},
		{"a peer whose address is not known", "", 7001, swarm.Config{DHTPort: 1}, ""},
		{"no node of ours", "10.0.0.1:6881", 7001, swarm.Config{}, ""},
		{"a private torrent", "10.0.0.1:6881", 7001, swarm.Config{DHTPort: 1, Private: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, func(cfg *swarm.Config, _ *idle) { cfg.DHTPort, cfg.Private = c.cfg.DHTPort, c.cfg.Private })
			key := r.join(joined{addr: c.from, dht: true})
			did[swarm.DHTNode](r)
			r.recv(key, wire.Message{ID: wire.Port, Port: c.port})
			got := ""
			for _, n := range did[swarm.DHTNode](r) {
				got += n.Addr.String()
			}
			if got != c.want {
				t.Errorf("%q is told, not %q", got, c.want)
			}
		})
	}
}
