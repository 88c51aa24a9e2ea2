//go:build !js

package native

import (
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/bencode"
	"github.com/shoal-p2p/shoal/internal/discovery/dht"
)

const (
	dhtStateName = "dht.dat"
	// dhtStateEvery is how often the DHT's table is saved, so that little is lost
	// with a process that is killed.
	dhtStateEvery = 15 * time.Minute
	// maxDHTNodes bounds the nodes that are kept, and maxDHTState the file.
	maxDHTNodes = 400
	maxDHTState = 64 << 10
)

// dhtState is what a DHT node of ours keeps for its next run. The file is a bencoded
// dictionary, as other clients keep it too:
//
//	d2:id20:<node id>5:nodesl<6 or 18 bytes: address and port>..ee
type dhtState struct {
	id    dht.ID
	nodes []netip.AddrPort
}

func (s *dhtState) marshal() []byte {
	d := bencode.NewDict(nil)
	d.String("id", string(s.id[:]))
	d.Value("nodes", func(b []byte) []byte {
		b = append(b, 'l')
		for _, n := range s.nodes[:min(len(s.nodes), maxDHTNodes)] {
			addr := n.Addr().Unmap().AsSlice()
			b = bencode.AppendBytes(b, append(addr, byte(n.Port()>>8), byte(n.Port())))
		}
		return append(b, 'e')
	})
	return d.End()
}

// parseDHTState reads what marshal wrote; what is wrong in it is left out.
func parseDHTState(b []byte) (s dhtState) {
	v, err := bencode.Parse(b, bencode.Options{MaxDepth: 4, MaxItems: 4 * maxDHTNodes})
	if err != nil || v.Kind() != bencode.Dict {
		return s
	}
	for key, val := range v.Dict() {
		switch string(key) {
		case "id":
			if id, ok := val.Bytes(); ok && len(id) == len(s.id) {
				s.id = dht.ID(id)
			}
		case "nodes":
			for n := range val.List() {
				b, _ := n.Bytes()
				if len(b) != 6 && len(b) != 18 {
					continue
				}
				addr, _ := netip.AddrFromSlice(b[:len(b)-2])
				port := uint16(b[len(b)-2])<<8 | uint16(b[len(b)-1])
				if port != 0 && len(s.nodes) < maxDHTNodes {
					s.nodes = append(s.nodes, netip.AddrPortFrom(addr.Unmap(), port))
				}
			}
		}
	}
	return s
}

// loadDHT reads the state of the last run, as far as there is any.
func (c *Client) loadDHT() dhtState {
	return parseDHTState(readState(c.cfg.StateDir, dhtStateName, maxDHTState))
}

// saveDHT keeps the DHT's table for the next run. A table of nobody does not replace
// one that is there: the network may just be away.
func (c *Client) saveDHT() error {
	if c.cfg.StateDir == "" || c.dht == nil {
		return nil
	}
	nodes := c.dht.Nodes()
	if len(nodes) == 0 {
		return nil
	}
	st := c.dht.Stats()
	s := dhtState{id: st.IPv4.ID, nodes: nodes}
	if s.id.IsZero() {
		s.id = st.IPv6.ID
	}
	return writeState(c.cfg.StateDir, dhtStateName, s.marshal())
}
