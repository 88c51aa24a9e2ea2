package webseed

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/rate"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	// A request costs a round trip and the server's work, so a run lasts half a
	// second at the server's speed, within these bounds.
	minRun  = 256 << 10
	maxRun  = 8 << 20
	runTime = 0.5
	// maxParts bounds the requests of one flight: what is in small files is
	// fetched by several flights beside each other.
	maxParts = 32

	startFlights = 2       // at a time, once the server has answered
	mostFlights  = 4       // for a fast server: browsers allow 6 connections to one
	flightSpeed  = 4 << 20 // bytes a second that earn one more

	firstRest = time.Second      // after a failure; doubles with each further one
	mostRest  = 10 * time.Minute // a server that is down for a night is found again soon
	maxCuts   = 4                // broken answers in a row
)

// Config says what a machine asks for where.
type Config struct {
	Info   *metainfo.Info // required
	URL    string         // required
	Pieces bool           // the server speaks BEP 17, not BEP 19
}

// flight is a run of blocks on its way.
type flight struct {
	id      uint32
	blocks  []Block
	parts   []Part
	at      int // blocks arrived
	dropped []bool
	left    int // blocks neither arrived nor cancelled
}

// Machine is the state of one server. It is not safe for concurrent use: one
// loop owns it.
type Machine struct {
	cfg     Config
	at      address
	now     time.Time
	queue   queue
	flights []*flight
	last    uint32 // flight number
	most    int    // flights at a time that the server bears, 0 while it has not complained
	proven  bool   // it has sent blocks
	speed   rate.Meter
	offer   bits.Set // pieces that it is believed to have

	resting  bool
	until    time.Time
	failures int // in a row
	cuts     int // broken answers in a row
	why      *Problem
	lacks    *Problem // the last file that it turned out not to have
	over     bool

	effects []Effect
}

// New returns a machine for one server, or ErrAddress or ErrPieces.
func New(cfg Config) (*Machine, error) {
	m := &Machine{cfg: cfg, queue: queue{in: map[Block]bool{}}}
	var err error
	if m.at, err = parseAddress(cfg.URL, cfg.Info.Single || cfg.Pieces); err != nil {
		return nil, err
	}
	if cfg.Pieces {
		if !cfg.Info.HasV1 {
			return nil, ErrPieces
		}
		m.at.names = false
	}
	m.offer = bits.New(cfg.Info.NumPieces())
	m.offer.Fill()
	return m, nil
}

// Offers is a copy of the set of pieces that the server is believed to have.
func (m *Machine) Offers() bits.Set { return m.offer.Clone() }

// Problem is what went wrong last. Once the server has answered well since, it is
// nil, or that it lacks a file.
func (m *Machine) Problem() *Problem {
	if m.why == nil {
		return m.lacks
	}
	return m.why
}

// Deadline is when Step wants to be called even if nothing happens; the zero
// time means never.
func (m *Machine) Deadline() time.Time {
	if m.resting && !m.over {
		return m.until
	}
	return time.Time{}
}

// Step takes what has happened since the last call and returns what to do. The
// slice of effects is good until the next Step.
func (m *Machine) Step(now time.Time, events ...Event) []Effect {
	m.now = now
	clear(m.effects)
	m.effects = m.effects[:0]
	for _, ev := range events {
		if m.over {
			break
		}
		switch ev := ev.(type) {
		case Asked:
			m.asked(ev.Block)
		case Cancelled:
			m.cancelled(ev.Block)
		case Arrived:
			m.arrived(ev)
		case Ended:
			m.ended(ev)
		}
	}
	if m.over {
		return m.effects
	}
	if m.resting && !now.Before(m.until) {
		m.resting = false
		m.do(Rest{})
	}
	for !m.resting && len(m.flights) < m.room() && m.launch() {
	}
	return m.effects
}

func (m *Machine) do(e Effect) { m.effects = append(m.effects, e) }

func (m *Machine) asked(b Block) {
	if m.resting || int(b.Index) >= m.offer.Len() || !m.offer.Has(int(b.Index)) {
		m.do(Refuse{[]Block{b}})
		return
	}
	m.queue.add(b)
}

func (m *Machine) cancelled(b Block) {
	if m.queue.remove(b) {
		m.do(Refuse{[]Block{b}})
		return
	}
	for k, f := range m.flights {
		n := slices.Index(f.blocks, b)
		if n < f.at || f.dropped[n] {
			continue
		}
		f.dropped[n] = true
		m.do(Refuse{[]Block{b}})
		if f.left--; f.left == 0 {
			m.flights = slices.Delete(m.flights, k, k+1)
			m.do(Abort{f.id})
		}
		return
	}
}

func (m *Machine) flight(id uint32) *flight {
	if k := slices.IndexFunc(m.flights, func(f *flight) bool { return f.id == id }); k >= 0 {
		return m.flights[k]
	}
	return nil
}

func (m *Machine) arrived(ev Arrived) {
	f := m.flight(ev.Flight)
	if f == nil {
		return
	}
	for range min(ev.Blocks, len(f.blocks)-f.at) {
		m.speed.Add(m.now, int(f.blocks[f.at].Length))
		if !f.dropped[f.at] {
			f.left--
		}
		f.at++
	}
	m.proven = true
	if f.left == 0 && f.at < len(f.blocks) { // all that would follow was cancelled
		m.flights = slices.DeleteFunc(m.flights, func(g *flight) bool { return g == f })
		m.do(Abort{f.id})
	}
}

func (m *Machine) ended(ev Ended) {
	f := m.flight(ev.Flight)
	if f == nil {
		return
	}
	m.flights = slices.DeleteFunc(m.flights, func(g *flight) bool { return g == f })
	var rest []Block
	for k := f.at; k < len(f.blocks); k++ {
		if !f.dropped[k] {
			rest = append(rest, f.blocks[k])
		}
	}
	if ev.Problem == nil {
		m.failures, m.cuts, m.why = 0, 0, nil
		if len(rest) > 0 {
			m.do(Refuse{rest})
		}
		return
	}
	m.trouble(ev, f, rest)
}

// room is how many flights there may be.
func (m *Machine) room() int {
	switch {
	case !m.proven || m.failures > 0:
		return 1 // see first whether and how it answers
	case m.most > 0:
		return m.most
	}
	return min(mostFlights, startFlights+int(m.speed.Rate(m.now)/flightSpeed))
}

// launch starts a flight. It waits with a short one while others are on their
// way, because more blocks that belong to it may be requested meanwhile.
func (m *Machine) launch() bool {
	limit := min(maxRun, max(minRun, int64(m.speed.Rate(m.now)*runTime)))
	blocks, size, ends := m.queue.run(m.cfg.Info, limit)
	if size == 0 || len(m.flights) > 0 && !ends && size < minRun {
		return false
	}
	parts := m.parts(m.offset(blocks[0]), size)
	for len(parts) > maxParts && len(blocks) > 1 {
		blocks = blocks[:(len(blocks)+1)/2]
		size = m.offset(blocks[len(blocks)-1]) + int64(blocks[len(blocks)-1].Length) - m.offset(blocks[0])
		parts = m.parts(m.offset(blocks[0]), size)
	}
	for _, b := range blocks {
		m.queue.remove(b)
	}
	m.last++
	m.flights = append(m.flights, &flight{
		id: m.last, blocks: blocks, parts: parts, dropped: make([]bool, len(blocks)), left: len(blocks),
	})
	m.do(Fetch{Flight: m.last, Blocks: blocks, Parts: parts})
	return true
}

// offset is where a block lies in the piece space.
func (m *Machine) offset(b Block) int64 {
	return int64(b.Index)*m.cfg.Info.PieceLength + int64(b.Begin)
}
