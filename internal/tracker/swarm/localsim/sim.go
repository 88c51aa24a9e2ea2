// Package localsim measures what locality does to a swarm's traffic.
//
// It lets peers of many ISPs announce to a swarm.Core, connects whom the Core introduces,
// and lets them exchange a torrent in steps of a second: tit for tat with one optimistic
// unchoke, rarest piece first, upload and download capacities shared evenly. Lines
// between ISPs are as fast as within, which is the worst case for locality: it may only
// win traffic, not time.
package localsim

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// Config describes a swarm. The zero value is usable.
type Config struct {
	// Seed makes runs repeatable. Runs that differ in Locality alone have the same peers.
	Seed uint64
	// Locality is the tracker's setting.
	Locality swarm.Locality
	// Peers come one after the other. 0 means 2,000.
	Peers int
	// ISPs are of mixed size: the one of rank k has peers in proportion to 1/k. 0 means 50.
	ISPs int
	// Countries share the ISPs. 0 means 12.
	Countries int
	// Arrive is in how many seconds the peers come. 0 means 300.
	Arrive int
	// Stay is for how many seconds a peer seeds when it has all. 0 means 120.
	Stay int
	// Interval is the seconds between two announces of a peer. 0 means 120, as with
	// webtorrent.js.
	Interval int
	// Offers bounds the offers of an announce. 0 means 5, as with webtorrent.js.
	Offers int
	// MaxConns bounds the connections of a peer; 0 means 55, as with webtorrent.js.
	MaxConns int
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		v   *int
		def int
	}{{&c.Peers, 2000}, {&c.ISPs, 50}, {&c.Countries, 12}, {&c.Arrive, 300}, {&c.Stay, 120}, {&c.Interval, 120}, {&c.Offers, 5}, {&c.MaxConns, 55}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	return c
}

// A Result is what a run has shown.
type Result struct {
	Bytes        float64 // that were exchanged
	CrossISP     float64 // the share of them between two ISPs
	CrossCountry float64 // the share of them between two countries
	// Seconds from arrival to the last piece: mean, median and 95th percentile.
	Mean, Median, P95 float64
	Neighbours        float64 // of a peer when the last one has come, on average
	CrossNeighbours   float64 // the share of them in another ISP
	Islands           int     // groups of peers without a way between them, at that time
	Unfinished        int     // peers that never had all; 0 unless something is wrong
}

const (
	numPieces = 256
	pieceSize = 2 << 20
	words     = numPieces / 64

	origins    = 3 // seeders from the start, which stay
	slots      = 4 // unchoked by merit; one more is by chance
	rechoke    = 10
	optimistic = 30
	giveUp     = 24 * 3600
)

// The lines of peers: the share of them, download and upload in bytes a second.
var lines = []struct{ share, down, up float64 }{
	{0.3, 16e6 / 8, 2e6 / 8},
	{0.4, 50e6 / 8, 10e6 / 8},
	{0.2, 100e6 / 8, 40e6 / 8},
	{0.1, 500e6 / 8, 100e6 / 8},
}

type pieceSet [words]uint64

func (s *pieceSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s *pieceSet) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *pieceSet) del(i int)      { s[i/64] &^= 1 << (i % 64) }
func (s *pieceSet) full() bool {
	return *s == pieceSet{math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64}
}

// lacksOf reports whether o has a piece that s has not.
func (s *pieceSet) lacksOf(o *pieceSet) bool {
	for w := range s {
		if o[w]&^s[w] != 0 {
			return true
		}
	}
	return false
}

type peer struct {
	id       swarm.PeerID
	place    swarm.Place
	up, down float64
	arrive   int
	done     int // second of the last piece; -1 = never
	here     bool
	origin   bool

	have, asked pieceSet
	copies      [numPieces]int16 // of each piece among the neighbours
	partly      [numPieces]float32
	conns       []conn
}

// A conn is one peer's half of a connection.
type conn struct {
	to       int32
	back     int32   // the place of the other half in its peer's conns
	unchoked bool    // the other may have pieces
	lucky    bool    // by chance
	piece    int16   // that the other is sending; -1 = none
	received float64 // from the other in this choking round and, by half, in those before
}

type sim struct {
	cfg   Config
	rng   *rand.Rand
	core  *swarm.Core[int]
	peers []peer
	now   int
	res   Result
}

var (
	infoHash = swarm.Hash{'s', 'i', 'm'}
	start    = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func newSim(cfg Config) *sim {
	cfg = cfg.withDefaults()
	s := &sim{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 1))}
	s.core = swarm.New[int](swarm.Config{Locality: cfg.Locality}, rand.New(rand.NewPCG(cfg.Seed, 2)), start)
	total := 0.0
	for k := range cfg.ISPs {
		total += 1 / float64(k+1)
	}
	s.peers = make([]peer, origins+cfg.Peers)
	for i := range s.peers {
		p := &s.peers[i]
		isp, x := 0, s.rng.Float64()*total
		for x -= 1; x > 0 && isp < cfg.ISPs-1; x -= 1 / float64(isp+1) {
			isp++
		}
		// Eight peers share a prefix, one in twenty shares its neighbour's address.
		prefixes := 1 + int(float64(cfg.Peers)/total/float64(isp+1)/8)
		p.place = swarm.Place{
			Addr: uint32(i + 1), Prefix: uint32(1 + isp<<16 + s.rng.IntN(prefixes)),
			ASN: uint32(1 + isp), Country: [2]byte{'A', 'A' + byte(isp%cfg.Countries)},
		}
		if i > 0 && s.rng.IntN(20) == 0 {
			p.place = s.peers[i-1].place
		}
		p.id = swarm.PeerID{byte(i >> 8), byte(i), 1}
		p.done = -1
		x = s.rng.Float64()
		for _, l := range lines {
			p.down, p.up = l.down, l.up
			if x -= l.share; x < 0 {
				break
			}
		}
		p.arrive = s.rng.IntN(cfg.Arrive)
		if i < origins {
			p.origin, p.arrive, p.up = true, 0, 100e6/8
			for j := range numPieces {
				p.have.add(j)
			}
		}
	}
	return s
}

// Run plays a swarm until every peer has everything.
func Run(cfg Config) Result {
	s := newSim(cfg)
	left := s.cfg.Peers
	for ; left > 0 && s.now < giveUp; s.now++ {
		s.announces()
		if s.now == s.cfg.Arrive {
			s.census()
		}
		s.choke()
		left -= s.transfer()
		s.depart()
	}
	s.res.Unfinished = left
	s.res.CrossISP /= s.res.Bytes
	s.res.CrossCountry /= s.res.Bytes
	var took []float64
	for i := range s.peers {
		if p := &s.peers[i]; p.done >= 0 {
			took = append(took, float64(p.done-p.arrive))
			s.res.Mean += float64(p.done - p.arrive)
		}
	}
	slices.Sort(took)
	s.res.Mean /= float64(len(took))
	s.res.Median, s.res.P95 = took[len(took)/2], took[len(took)*95/100]
	return s.res
}

// announces lets those announce whose time has come.
func (s *sim) announces() {
	for i := range s.peers {
		p := &s.peers[i]
		switch {
		case p.arrive == s.now:
			p.here = true
			s.announce(i, swarm.Started)
		case p.done == s.now-1 && p.done >= 0 && p.here:
			s.announce(i, swarm.Completed)
		case p.here && (s.now-p.arrive)%s.cfg.Interval == 0:
			s.announce(i, swarm.None)
		}
	}
}

func (s *sim) announce(i int, ev swarm.Event) {
	p := &s.peers[i]
	now := start.Add(time.Duration(s.now) * time.Second)
	left := int64(1)
	if p.have.full() {
		left = 0
	}
	_, to, err := s.core.AnnounceRTC(now, swarm.RTCAnnounce[int]{
		Hash: infoHash, Peer: p.id, Conn: i, Event: ev, Left: left, Place: p.place,
		Want: min(s.cfg.Offers, s.cfg.MaxConns-len(p.conns)),
	}, nil)
	if err != nil {
		panic(err) // no bound of the Core is near
	}
	for _, r := range to {
		s.core.Route(infoHash, r.Conn, r.Peer, p.id)
		s.connect(i, r.Conn)
	}
}

func (s *sim) connect(a, b int) {
	p, q := &s.peers[a], &s.peers[b]
	if len(p.conns) >= s.cfg.MaxConns || len(q.conns) >= s.cfg.MaxConns ||
		slices.ContainsFunc(p.conns, func(c conn) bool { return int(c.to) == b }) {
		return
	}
	p.conns = append(p.conns, conn{to: int32(b), back: int32(len(q.conns)), piece: -1})
	q.conns = append(q.conns, conn{to: int32(a), back: int32(len(p.conns) - 1), piece: -1})
	for i := range numPieces {
		if q.have.has(i) {
			p.copies[i]++
		}
		if p.have.has(i) {
			q.copies[i]++
		}
	}
}

// depart takes away those that have seeded long enough.
func (s *sim) depart() {
	for i := range s.peers {
		p := &s.peers[i]
		if !p.here || p.origin || p.done < 0 || s.now < p.done+s.cfg.Stay {
			continue
		}
		s.leave(i)
	}
}

func (s *sim) leave(i int) {
	p := &s.peers[i]
	p.here = false
	s.core.Part(start, infoHash, i, p.id)
	for _, c := range p.conns {
		s.disconnect(&s.peers[c.to], int(c.back))
	}
	p.conns = nil
}

// drop gives up what the other side of a connection was sending to p.
func (p *peer) drop(at int) {
	if c := &p.conns[at]; c.piece >= 0 {
		p.asked.del(int(c.piece))
		c.piece = -1
	}
}

// disconnect removes q's half of a connection to a peer that goes.
func (s *sim) disconnect(q *peer, at int) {
	gone := &s.peers[q.conns[at].to]
	for i := range numPieces {
		if gone.have.has(i) {
			q.copies[i]--
		}
	}
	q.drop(at)
	last := len(q.conns) - 1
	q.conns[at] = q.conns[last]
	q.conns = q.conns[:last]
	if at < last {
		moved := q.conns[at]
		s.peers[moved.to].conns[moved.back].back = int32(at)
	}
}

// choke decides who may have pieces of whom, for those whose round it is.
func (s *sim) choke() {
	for i := range s.peers {
		p := &s.peers[i]
		if !p.here || (s.now-p.arrive)%rechoke != 0 {
			continue
		}
		var wants []int
		for j := range p.conns {
			c := &p.conns[j]
			if s.peers[c.to].have.lacksOf(&p.have) {
				wants = append(wants, j)
			}
			c.unchoked = false
			if (s.now-p.arrive)%optimistic == 0 {
				c.lucky = false
			}
		}
		// Equals, and all neighbours of a seeder, in random order.
		s.rng.Shuffle(len(wants), func(a, b int) { wants[a], wants[b] = wants[b], wants[a] })
		if !p.have.full() {
			slices.SortStableFunc(wants, func(a, b int) int {
				switch ra, rb := p.conns[a].received, p.conns[b].received; {
				case ra > rb:
					return -1
				case ra < rb:
					return 1
				}
				return 0
			})
		}
		for n, j := range wants {
			if n < slots || p.conns[j].lucky {
				p.conns[j].unchoked = true
			}
		}
		if len(wants) > slots && !slices.ContainsFunc(wants[slots:], func(j int) bool { return p.conns[j].lucky }) {
			c := &p.conns[wants[slots+s.rng.IntN(len(wants)-slots)]]
			c.unchoked, c.lucky = true, true
		}
		for j := range p.conns {
			c := &p.conns[j]
			c.received /= 2
			if !c.unchoked {
				s.peers[c.to].drop(int(c.back))
			}
		}
	}
}

// transfer moves a second's bytes and returns how many peers have got their last piece.
func (s *sim) transfer() (completed int) {
	type flow struct {
		from, conn int
		rate       float64
	}
	var flows []flow
	demand := make([]float64, len(s.peers))
	for i := range s.peers {
		p := &s.peers[i]
		first := len(flows)
		for j := range p.conns {
			c := &p.conns[j]
			if c.unchoked && s.peers[c.to].have.lacksOf(&p.have) {
				flows = append(flows, flow{from: i, conn: j})
			}
		}
		for k := first; k < len(flows); k++ {
			flows[k].rate = p.up / float64(len(flows)-first)
			demand[p.conns[flows[k].conn].to] += flows[k].rate
		}
	}
	// The order decides who gets a piece first.
	s.rng.Shuffle(len(flows), func(a, b int) { flows[a], flows[b] = flows[b], flows[a] })
	for _, f := range flows {
		p := &s.peers[f.from]
		c := p.conns[f.conn]
		q := &s.peers[c.to]
		bytes := f.rate * min(1, q.down/demand[c.to])
		moved := s.give(p, q, &q.conns[c.back], bytes)
		s.res.Bytes += moved
		if p.place.ASN != q.place.ASN {
			s.res.CrossISP += moved
		}
		if p.place.Country != q.place.Country {
			s.res.CrossCountry += moved
		}
		if q.done < 0 && q.have.full() {
			q.done = s.now
			completed++
		}
	}
	return completed
}

// give moves up to n bytes from p to q and returns how many there were to move. half is
// q's half of their connection.
func (s *sim) give(p, q *peer, half *conn, n float64) (moved float64) {
	for n > 0 {
		if half.piece >= 0 && q.have.has(int(half.piece)) {
			half.piece = -1 // another one has completed it
		}
		if half.piece < 0 {
			if half.piece = s.rarest(p, q); half.piece < 0 {
				break
			}
			q.asked.add(int(half.piece))
		}
		i := int(half.piece)
		part := min(n, float64(pieceSize-q.partly[i]))
		q.partly[i] += float32(part)
		n -= part
		moved += part
		if q.partly[i] >= pieceSize {
			q.have.add(i)
			q.asked.del(i)
			half.piece = -1
			for _, c := range q.conns {
				s.peers[c.to].copies[i]++
			}
		}
	}
	half.received += moved
	return moved
}

// rarest is the piece that q should have from p, or -1: one that is begun and was left
// by its sender, the rarest, or at the end one that somebody else is sending.
func (s *sim) rarest(p, q *peer) int16 {
	for _, shared := range []bool{false, true} {
		best, least, ties := -1, int16(math.MaxInt16), 0
		for w := range words {
			free := p.have[w] &^ q.have[w]
			if !shared {
				free &^= q.asked[w]
			}
			for ; free != 0; free &= free - 1 {
				i := w*64 + bits.TrailingZeros64(free)
				n := q.copies[i]
				if q.partly[i] > 0 {
					n = 0
				}
				switch {
				case n < least:
					best, least, ties = i, n, 1
				case n == least:
					if ties++; s.rng.IntN(ties) == 0 {
						best = i
					}
				}
			}
		}
		if best >= 0 {
			return int16(best)
		}
	}
	return -1
}

// census looks at who knows whom.
func (s *sim) census() {
	s.res.Islands = 0
	here, conns, cross := 0, 0, 0
	seen := make([]bool, len(s.peers))
	for i := range s.peers {
		p := &s.peers[i]
		if !p.here {
			continue
		}
		here++
		conns += len(p.conns)
		for _, c := range p.conns {
			if s.peers[c.to].place.ASN != p.place.ASN {
				cross++
			}
		}
		if seen[i] {
			continue
		}
		s.res.Islands++
		seen[i] = true
		for todo := []int{i}; len(todo) > 0; {
			at := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for _, c := range s.peers[at].conns {
				if !seen[c.to] {
					seen[c.to] = true
					todo = append(todo, int(c.to))
				}
			}
		}
	}
	s.res.Neighbours = float64(conns) / float64(here)
	s.res.CrossNeighbours = float64(cross) / float64(max(conns, 1))
}
