package crowdsim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// never is later than all that happens.
const never = time.Duration(1<<63 - 1 - 1<<40)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

type peer struct {
	node             int8
	seeder           bool
	here             bool
	source           swarm.Source
	announces        int32
	met, soon        int32 // introductions, and those of the first 30 s
	given            int32 // offers
	window, inWindow int32 // the last half minute in which it was given offers, and how many
	group            int32 // another one of those it can reach by introductions, or itself
}

type sim struct {
	cfg    Config
	rng    *rand.Rand
	now    time.Duration
	cal    calendar
	peers  []peer
	nodes  []*node
	phase  *Phase
	res    Result
	offers uint64
	sdp    []byte
	frames [][]byte // on their way
	free   []uint64 // places in frames

	took []time.Duration // for one announce in 64
}

func (s *sim) at() time.Time { return start.Add(s.now) }

// Run plays a crowd from the first peer to the last.
func Run(cfg Config) Result {
	cfg = cfg.withDefaults()
	s := &sim{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 1)), sdp: make([]byte, cfg.SDP)}
	s.phase = &s.res.Join
	for n := range cfg.Nodes {
		s.nodes = append(s.nodes, newNode(s, n))
	}
	// The nodes meet first.
	s.cal.play(3*time.Second, s.happen)
	begin := 3 * time.Second
	s.res.Join = Phase{}
	s.peers = make([]peer, cfg.Peers)
	for i := range s.peers {
		p := &s.peers[i]
		p.node, p.group = int8(s.rng.IntN(cfg.Nodes)), int32(i)
		p.seeder = i%cfg.Seeders == 0
		a := uint32(s.rng.IntN(max(cfg.Peers/cfg.Behind, 1)))
		p.source = s.nodes[p.node].ledger.Source(netip.AddrFrom4([4]byte{byte(20 + a>>24), byte(a >> 16), byte(a >> 8), byte(a)}))
		at := time.Duration(s.rng.Int64N(int64(cfg.Join)))
		if i < 10 {
			at = 0 // who begins the stream
		}
		s.cal.add(begin+at, event{kind: announce, a: int32(i)})
	}
	end := begin + cfg.Join
	s.play(&s.res.Join, cfg.Join, end)
	end += cfg.Steady
	s.play(&s.res.Steady, cfg.Steady, end)
	s.census()
	for i := range s.peers {
		s.cal.add(end+time.Duration(s.rng.Int64N(int64(cfg.Leave))), event{kind: leave, a: int32(i)})
	}
	s.play(&s.res.Leave, cfg.Leave, end+cfg.Leave)
	s.phase = &Phase{}
	s.cal.play(end+cfg.Leave+10*time.Second, s.happen)
	for _, d := range s.nodes {
		t := d.core.Totals()
		s.res.Left += t.RTCPeers + t.Swarms + d.mesh.Stats().Swarms + d.mesh.Stats().Directory
	}
	if n := len(s.took); n > 0 {
		slices.Sort(s.took)
		s.res.PerAnnounce = s.took[n/2]
	}
	return s.res
}

func (s *sim) play(p *Phase, took, end time.Duration) {
	s.phase = p
	p.Took = took
	s.cal.play(end, s.happen)
}

func (s *sim) happen(now time.Duration, e event) {
	s.now = now
	switch e.kind {
	case announce:
		s.announce(e.a)
	case soon:
		s.peers[e.a].soon = s.peers[e.a].met
	case leave:
		p := &s.peers[e.a]
		d := s.nodes[p.node]
		p.here = false
		d.core.Part(s.at(), infoHash, e.a, idOf(e.a))
		d.changed()
		d.arm()
	case reply:
		if !s.replies(e.a) {
			return
		}
		d := s.nodes[e.node]
		switch to, way := d.core.Route(infoHash, e.a, idOf(e.a), idOf(e.b)); way {
		case swarm.RouteHere:
			s.introduce(e.a, to, false)
		default:
			s.phase.Refused++
		}
	case replyFar:
		s.replyFar(e)
	case frame:
		b := s.frames[e.id]
		s.frames[e.id] = nil
		s.free = append(s.free, e.id)
		s.nodes[e.node].receive(b)
	case step:
		s.nodes[e.node].step()
	}
}

func (s *sim) announce(i int32) {
	p := &s.peers[i]
	ev := swarm.None
	if p.announces == 0 {
		ev, p.here = swarm.Started, true
		s.cal.add(s.now+30*time.Second, event{kind: soon, a: i})
	} else if !p.here {
		return
	}
	p.announces++
	s.phase.Announces++
	offers := max(min(s.cfg.Offers, s.cfg.MaxConns-int(p.met)), 0)
	d := s.nodes[p.node]
	if w := s.cfg.Stopwatch; w != nil && s.rng.IntN(64) == 0 {
		before := w()
		d.announce(i, ev, offers)
		s.took = append(s.took, w()-before)
	} else {
		d.announce(i, ev, offers)
	}
	s.cal.add(s.now+s.cfg.Interval(int(i), int(p.announces)), event{kind: announce, a: i})
}

// give lets a peer have an offer, and answer it when its candidates are gathered.
func (s *sim) give(to int32, e event) {
	p := &s.peers[to]
	p.given++
	if w := int32(s.now / (30 * time.Second)); w != p.window {
		p.window, p.inWindow = w, 0
	}
	p.inWindow++
	s.res.MostGiven = max(s.res.MostGiven, int(p.inWindow))
	s.cal.add(s.now+300*time.Millisecond+time.Duration(s.rng.Int64N(int64(2*time.Second))), e)
}

// replies reports whether a peer answers.
func (s *sim) replies(i int32) bool {
	p := &s.peers[i]
	return p.here && int(p.met) < s.cfg.MaxConns
}

func (s *sim) replyFar(e event) {
	if !s.replies(e.a) {
		return
	}
	d := s.nodes[e.node]
	if _, way := d.core.Route(infoHash, e.a, idOf(e.a), idOf(e.b)); way != swarm.RouteElsewhere {
		s.phase.Refused++
		return
	}
	o := offerOf(e.id, s.sdp)
	if !d.mesh.Answer(s.at(), infoHash, idOf(e.a), idOf(e.b), o) {
		s.phase.Refused++
	}
	d.arm()
}

// introduce counts two peers that have met.
func (s *sim) introduce(a, b int32, across bool) {
	p, q := &s.peers[a], &s.peers[b]
	if !q.here {
		return
	}
	s.phase.Answers++
	if across {
		s.phase.Across++
	}
	p.met++
	q.met++
	if x, y := s.group(a), s.group(b); x != y {
		s.peers[x].group = y
	}
}

// group finds who stands for a peer's group.
func (s *sim) group(i int32) int32 {
	for s.peers[i].group != i {
		s.peers[i].group = s.peers[s.peers[i].group].group
		i = s.peers[i].group
	}
	return i
}

// carry brings a frame to a node.
func (s *sim) carry(to *node, b []byte) {
	var i uint64
	if n := len(s.free); n > 0 {
		i, s.free = s.free[n-1], s.free[:n-1]
	} else {
		i = uint64(len(s.frames))
		s.frames = append(s.frames, nil)
	}
	s.frames[i] = slices.Clone(b)
	s.cal.add(s.now+tick, event{kind: frame, node: to.n, id: i})
}

// census looks at everybody when all are there.
func (s *sim) census() {
	var early, met, given []int
	for i := range s.peers {
		p := &s.peers[i]
		early, met, given = append(early, int(p.soon)), append(met, int(p.met)), append(given, int(p.given))
		if p.soon == 0 {
			s.res.Alone++
		}
		if s.group(int32(i)) == int32(i) {
			s.res.Islands++
		}
	}
	s.res.Soon, s.res.Met, s.res.Given = spread(early), spread(met), spread(given)
	for _, d := range s.nodes {
		there, n := 0, d.mesh.Elsewhere(infoHash)
		for i := range s.peers {
			if s.peers[i].node != d.n {
				there++
			}
		}
		if n.RTCSeeders+n.RTCLeechers != there {
			s.res.Wrong++
		}
	}
}

func spread(v []int) Spread {
	slices.Sort(v)
	at := func(percent int) int { return v[min(len(v)-1, len(v)*percent/100)] }
	return Spread{Min: v[0], P5: at(5), Median: at(50), P95: at(95), Max: v[len(v)-1]}
}
