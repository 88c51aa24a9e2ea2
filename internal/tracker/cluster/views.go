package cluster

import (
	"sync"

	"github.com/shoal-p2p/shoal/internal/tracker/cluster/mesh"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// views are what the mesh knows of each swarm, for those who only look. Most announces change
// nothing and ask what there is elsewhere: they need not wait for the mesh.
//
// The mesh writes them with Cluster.mu held; nobody takes that with a stripe's lock held.
type views [64]struct {
	mu sync.RWMutex
	m  map[swarm.Hash]view
	_  [32]byte
}

// A view is the counts of a swarm, here and elsewhere. The zero view is of one that is unknown.
type view struct{ here, elsewhere counts }

// counts are mesh.Counts in half the memory.
type counts struct{ rtcSeeders, rtcLeechers, tcpSeeders, tcpLeechers, trustedSeeders, trustedLeechers uint32 }

func countsOf(n mesh.Counts) counts {
	return counts{uint32(n.RTCSeeders), uint32(n.RTCLeechers), uint32(n.TCPSeeders), uint32(n.TCPLeechers), uint32(n.TrustedSeeders), uint32(n.TrustedLeechers)}
}

func (n counts) mesh() mesh.Counts {
	return mesh.Counts{RTCSeeders: int(n.rtcSeeders), RTCLeechers: int(n.rtcLeechers), TCPSeeders: int(n.tcpSeeders), TCPLeechers: int(n.tcpLeechers),
		TrustedSeeders: int(n.trustedSeeders), TrustedLeechers: int(n.trustedLeechers)}
}

// of returns what is known of a swarm.
func (v *views) of(h swarm.Hash) view {
	s := &v[h[0]%64]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[h]
}

// set is the mesh's Watch.
func (v *views) set(h swarm.Hash, here, elsewhere mesh.Counts) {
	s := &v[h[0]%64]
	s.mu.Lock()
	defer s.mu.Unlock()
	switch w := (view{countsOf(here), countsOf(elsewhere)}); {
	case w == view{}:
		delete(s.m, h)
	case s.m == nil:
		s.m = map[swarm.Hash]view{h: w}
	default:
		s.m[h] = w
	}
}
