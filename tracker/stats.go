package tracker

import (
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
)

// Stats counts what a Tracker holds and has done.
type Stats struct {
	Swarms      int // swarms with a peer, or with a download counter that is still kept
	WebRTCPeers int // peers that announced by WebSocket, once for each swarm
	TCPPeers    int // peers that announced by HTTP or UDP, once for each swarm
	Seeders     int // of either kind
	Conns       int // open WebSocket connections
	HTTPConns   int // open connections of Serve and ServeTLS that have not become WebSocket connections
	Buffers     int // bytes of Limits.Buffers that are in use

	Announces [stats.NumDoors]uint64 // announces taken, by Door
	Scrapes   [stats.NumDoors]uint64 // scrape requests answered, by Door
	Refused   [stats.NumDoors]uint64 // requests answered with a failure, by Door
	Offers    uint64                 // offers relayed
	Answers   uint64                 // answers relayed
	Unplaced  uint64                 // offers for which no peer was found
	Dropped   uint64                 // answers and relays thrown away: unknown peer, slow receiver
	Limited   uint64                 // connections, messages and announces above a limit
	Accepted  uint64                 // connections taken
	Malformed uint64                 // messages and packets that could not be read
	// TLSFailures counts TLS handshakes that failed, without those of clients that said nothing.
	TLSFailures uint64

	// Reasons counts what was limited, dropped and refused, by Reason.
	Reasons [limit.NumReasons]uint64

	MessagesIn, MessagesOut uint64 // WebSocket messages
	BytesIn, BytesOut       uint64 // of WebSocket connections, as on the wire without TLS

	Countries map[string]int // open WebSocket connections by ISO 3166-1 code, where known
	Draining  bool           // Drain or Shutdown was called
}

// Stats returns the counts of now.
func (t *Tracker) Stats() Stats {
	n, now := t.counters.Sum(), t.core.Totals()
	return Stats{
		Swarms: now.Swarms, WebRTCPeers: now.RTCPeers, TCPPeers: now.TCPPeers, Seeders: now.Seeders, Conns: t.core.Conns().Open(),
		HTTPConns: t.front.Open(),
		Buffers:   t.buffers.Used(), TLSFailures: n.TLSFailures,
		Announces: n.Announces, Scrapes: n.Scrapes, Refused: n.Refused,
		Offers: n.Offers, Answers: n.Answers, Unplaced: n.Unplaced, Malformed: n.Malformed, Accepted: n.Accepted,
		Dropped: limit.Of(&n.Limits, limit.Dropped), Limited: limit.Of(&n.Limits, limit.Limited), Reasons: n.Limits,
		MessagesIn: n.MessagesIn, MessagesOut: n.MessagesOut, BytesIn: n.BytesIn, BytesOut: n.BytesOut,
		Countries: t.core.Countries(), Draining: t.draining.Load(),
	}
}
