// Package crowdsim plays one very large swarm on the nodes of a cluster.
//
// Every node has a real swarm.Core and a real mesh.Mesh; peers, network and clock are made
// up. Peers join, announce as webtorrent.js does, answer offers after a while, and leave. A
// run says whom they met, and what that cost the nodes and the bus between them.
package crowdsim

import "time"

// Config describes a run. The zero value is usable.
type Config struct {
	// Seed makes runs repeatable.
	Seed uint64
	// Nodes share the peers by chance. 0 means 3.
	Nodes int
	// Peers come, stay, and go. 0 means 20,000.
	Peers int
	// Join is in what time all come, Steady how long all are there, Leave in what time
	// all go. 0 means 5 minutes, 4 minutes, 2 minutes.
	Join, Steady, Leave time.Duration
	// Interval is the time between two announces of a peer. nil means 2 minutes, always.
	Interval func(peer int, announces int) time.Duration
	// Offers bounds the offers of an announce. 0 means 5, as with webtorrent.js.
	Offers int
	// MaxConns is from how many connections on a peer makes no offers and answers none. 0
	// means 55, as with webtorrent.js.
	MaxConns int
	// Seeders is one in how many peers. 0 means 1,000.
	Seeders int
	// Behind is how many peers stand behind one address, on average. 0 means 2.
	Behind int
	// SDP is the length of an offer or an answer in bytes. 0 means 900.
	SDP int
	// Stopwatch, if set, is read before and after one announce in 64: what the nodes'
	// machines take, without the simulation.
	Stopwatch func() time.Duration
}

func (c Config) withDefaults() Config {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.Nodes, 3)
	def(&c.Peers, 20_000)
	def(&c.Offers, 5)
	def(&c.MaxConns, 55)
	def(&c.Seeders, 1000)
	def(&c.Behind, 2)
	def(&c.SDP, 900)
	if c.Join == 0 {
		c.Join = 5 * time.Minute
	}
	if c.Steady == 0 {
		c.Steady = 4 * time.Minute
	}
	if c.Leave == 0 {
		c.Leave = 2 * time.Minute
	}
	if c.Interval == nil {
		c.Interval = func(int, int) time.Duration { return 2 * time.Minute }
	}
	return c
}

// A Phase is what happened in a part of a run.
type Phase struct {
	Took      time.Duration
	Announces int
	Offers    int // made
	Here      int // given to a peer of the same node
	Sent      int // sent to other nodes
	Lost      int // of these, such as found nobody there
	Unplaced  int // that found nobody at all
	Answers   int // that arrived: introductions
	Across    int // of these, between two nodes
	Refused   int // answers that no offer waited for
	Messages  int // on the bus
	Bytes     int // in them
}

// PerSecond is n a second and node.
func (p *Phase) PerSecond(n, nodes int) float64 {
	return float64(n) / p.Took.Seconds() / float64(nodes)
}

// PerAnnounce is n for each announce.
func (p *Phase) PerAnnounce(n int) float64 { return float64(n) / float64(max(p.Announces, 1)) }

// A Spread is how a number is distributed over the peers.
type Spread struct{ Min, P5, Median, P95, Max int }

// A Result is what a run has shown.
type Result struct {
	Join, Steady, Leave Phase
	Soon                Spread        // introductions of a peer in its first 30 s
	Met                 Spread        // until the first one leaves
	Given               Spread        // offers that a peer was given until then
	MostGiven           int           // the most that one was given within any half minute of the clock
	Alone               int           // peers without an introduction 30 s after they came
	Islands             int           // groups of peers without a way between them, when all are there
	Left                int           // peers and swarms that are counted anywhere in the end, 0 unless something is wrong
	Wrong               int           // nodes that do not count all others' peers when all are there
	PerAnnounce         time.Duration // of an announce in core and mesh, the median; 0 without a Stopwatch
}
