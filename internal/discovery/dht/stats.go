package dht

import (
	"net/netip"
	"time"
)

// Counters count since the machine was made.
type Counters struct {
	PacketsIn, PacketsOut int64
	Malformed             int64 // packets that are no KRPC message
	Unexpected            int64 // replies to no query of ours
	QueriesIn             int64 // answered
	Dropped               int64 // queries over the rate limits
	Announced             int64 // peers taken in
	QueriesOut            int64
	RepliesIn, ErrorsIn   int64
	Lost                  int64 // queries without reply
}

// Stats describes a machine at one moment.
type Stats struct {
	Counters
	// IPv4 and IPv6 describe the two DHTs.
	IPv4, IPv6 FamilyStats
	// Hashes and Peers count what others announced to us.
	Hashes, Peers int
	// Lookups are under way, Waiting wait for their turn.
	Lookups, Waiting int
	// Announcing counts the info hashes that we announce.
	Announcing int
}

// FamilyStats describes the DHT of one address family.
type FamilyStats struct {
	// ID is the node ID, zero when the family is not used.
	ID ID
	// Nodes are in the routing table, Good of them are known to be alive.
	Nodes, Good int
	// External is our address as others see it, invalid until they agree.
	External netip.Addr
	// RTT is the mean round-trip time, 0 until measured.
	RTT time.Duration
}

// Stats returns the counters and the state at now.
func (m *Machine) Stats(now time.Time) Stats {
	st := Stats{
		Counters: m.count,
		Hashes:   len(m.store.order), Peers: m.store.total,
		Lookups: len(m.active), Waiting: len(m.waiting), Announcing: len(m.schedule),
	}
	for f, s := range m.fams {
		if s == nil {
			continue
		}
		fs := FamilyStats{
			ID: s.id, Nodes: s.table.len(), Good: s.table.good(now),
			External: s.seen.decided, RTT: m.rpc.rtt[f].mean,
		}
		if family(f) == ipv4 {
			st.IPv4 = fs
		} else {
			st.IPv6 = fs
		}
	}
	return st
}

// Nodes returns the good nodes of both routing tables, to be saved and given
// to the next run with AddNode. Those close to us come last.
func (m *Machine) Nodes(now time.Time) []NodeInfo {
	var out []NodeInfo
	for _, s := range m.fams {
		if s == nil {
			continue
		}
		for c := range s.table.all() {
			if c.good(now) {
				out = append(out, c.NodeInfo)
			}
		}
	}
	return out
}
