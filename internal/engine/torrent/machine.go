package torrent

import (
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/choker"
	"github.com/shoal-p2p/shoal/internal/engine/picker"
	"github.com/shoal-p2p/shoal/internal/engine/rate"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Machine is the state of one torrent. It is not safe for concurrent use: one
// loop owns it.
type Machine struct {
	cfg    Config
	now    time.Time
	info   *metainfo.Info // nil while it is fetched, and for content that grows
	space  space
	layers *metainfo.Layers

	swarm   *swarm.Machine // who the peers are
	peers   []*peer        // in the order they joined
	byKey   map[PeerKey]*peer
	dirty   []*peer // requests may have room
	filling []*peer // dirty ones being looked at
	paused  bool
	selfish bool // serves nobody

	have       bits.Set
	wanted     bits.Set // pieces selected for fetching
	needed     bits.Set // those and what readers wait for
	missing    int      // needed and not had
	lacking    int      // wanted and not had
	pick       *picker.Picker
	sequential bool
	onDemand   bool // readers will need what is not wanted
	pieces     pieces
	readers    readers
	partial    []*peer // those that are no seeds
	starved    starved
	tempo      tempo
	stuck      bool // the store refused a write
	finished   bool

	meta       metadata
	hashes     hashFetch
	choke      *choker.Choker
	super      superSeed
	forged     map[int]*forgery
	suspects   int // pieces looked at block by block
	leafBudget leafBudget

	blockTime  latency
	down, line rate.Meter // from all peers: now, over the last twenty seconds
	asked      int        // requests outstanding to all peers
	rechokeAt  time.Time
	slotsFree  bool // perhaps: somebody became interested, lost interest or left
	sweepAt    time.Time
	downloaded int64
	byWebSeeds int64 // of those
	uploaded   int64
	wasted     int64

	served  []*Upload // effects, used again in each step
	serving int       // of which in use
	work    int       // peers looked at so far because of one piece
}

// New returns a machine for one torrent.
func New(cfg Config) (*Machine, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	m := &Machine{
		cfg:    cfg,
		byKey:  map[PeerKey]*peer{},
		choke:  choker.New(cfg.UploadSlots, cfg.MaxSlots, cfg.Rand),
		forged: map[int]*forgery{},
		line:   rate.Meter{Tau: 20},
	}
	m.pieces.init(cfg.BufferBytes)
	var err error
	if m.swarm, err = swarm.New(cfg.swarm(), (*content)(m)); err != nil {
		return nil, err
	}
	switch {
	case cfg.Info != nil:
		m.setInfo(cfg.Info)
	case cfg.Live != nil:
		m.setLive(cfg.Live)
	}
	return m, nil
}

// setInfo builds everything whose size depends on the torrent.
func (m *Machine) setInfo(info *metainfo.Info) {
	m.info = info
	m.space = space{end: info.NumPieces(), length: info.PieceLength, info: info}
	m.layers = m.cfg.Layers
	if m.layers == nil && info.HasV2 {
		m.layers = metainfo.NewLayers(info)
	}
	m.build()
	m.finished = m.lacking == 0
}

// build makes the sets of the pieces that there are.
func (m *Machine) build() {
	m.have = bits.Window(m.space.first, m.space.end)
	if m.cfg.Have != nil && m.cfg.Have.Len() == m.have.Len() && m.cfg.Have.First() == m.have.First() {
		m.have = m.cfg.Have.Clone()
	}
	m.wanted = bits.Window(m.space.first, m.space.end)
	m.wanted.Fill()
	if m.cfg.Gone != nil {
		m.readers.gone = m.cfg.Gone.Clone()
		for i := m.readers.gone.Next(0); i >= 0; i = m.readers.gone.Next(i + 1) {
			m.wanted.Clear(i)
		}
	}
	m.needed = m.wanted.Clone()
	m.pick = picker.Window(m.space.first, m.space.end, m.cfg.Rand)
	m.recount()
	m.allow()
}

// allow lets a peer say and ask for what the content's size makes legitimate: enough
// for one that fetches the info dictionary and all hashes several times over, and
// one that loses every piece.
func (m *Machine) allow() {
	n := 512 * m.space.len()
	if m.info != nil {
		n += 4 * len(m.info.Bytes)
	}
	m.swarm.Allow(n)
}

// Step takes what has happened since the last call and returns what to do. The
// effects, and the slices in them, are good until the next Step.
func (m *Machine) Step(now time.Time, events ...Event) []Effect {
	m.now = now
	m.serving = 0
	return m.swarm.Step(now, events...)
}

// Deadline is when Step wants to be called even if nothing happens; the zero
// time means never.
func (m *Machine) Deadline() time.Time { return m.swarm.Deadline() }

func (m *Machine) handle(ev Event) {
	switch ev := ev.(type) {
	case *Sent:
		m.sent(*ev)
	case Sent:
		m.sent(ev)
	case PieceStored:
		m.pieceStored(ev)
	case PieceForged:
		m.pieceForged(ev)
	case BlockGenuine:
		m.blockChecked(ev.Index, ev.Block, ev.Buffer, true)
	case BlockForged:
		m.blockChecked(ev.Index, ev.Block, ev.Buffer, false)
	case Leaves:
		m.gotLeavesToServe(ev)
	case StoreFailed:
		m.storeFailed(ev)
	case ReadFailed:
		m.readFailed(ev)
	case ContentReady:
		m.contentReady(ev)
	case InfoGiven:
		m.infoGiven(ev.Bytes)
	case ReaderMoved:
		m.readerMoved(ev)
	case ReaderClosed:
		m.readerClosed(ev.Reader)
	case change:
		ev.apply(m)
	case Priorities:
		m.setPriorities(ev.Levels)
	case Sequential:
		m.sequential = ev.On
	case OnDemand:
		m.onDemand = ev.On
	case SuperSeed:
		m.setSuperSeed(ev.On)
	case DownloadOnly:
		m.setDownloadOnly(ev.On)
	case Budget:
		m.setBudget(ev.Bytes)
	case Paused:
		m.setPaused(ev.On)
	}
}

// timers runs whatever is due.
func (m *Machine) timers() {
	if len(m.peers) == 0 {
		return
	}
	if !m.now.Before(m.rechokeAt) {
		m.rechokeAt = m.now.Add(choker.Interval)
		m.rechoke()
		m.slotsFree = true
	}
	if m.slotsFree {
		m.slotsFree = false
		m.fillSlots()
	}
	if m.fetching() && !m.now.Before(m.sweepAt) {
		m.sweepAt = m.now.Add(sweepInterval)
		m.sweep()
	}
	if at := m.meta.deadline(); !at.IsZero() && !m.now.Before(at) {
		m.wantMetadata()
	}
}

// timersDue is when something is due next; the zero time means never.
func (m *Machine) timersDue() time.Time {
	if len(m.peers) == 0 {
		return time.Time{}
	}
	d := m.rechokeAt
	if m.fetching() && m.sweepAt.Before(d) {
		d = m.sweepAt
	}
	if at := m.meta.deadline(); !at.IsZero() && at.Before(d) {
		d = at
	}
	return d
}

// fetching reports whether there may be requests that somebody has to look after.
func (m *Machine) fetching() bool {
	return m.asked > 0 || m.space.known() && m.missing > 0 && !m.paused
}

// Complete reports whether every wanted piece is stored. Content that grows never
// is.
func (m *Machine) Complete() bool { return m.info != nil && m.lacking == 0 }

func (m *Machine) checkFinished() {
	if m.info == nil {
		return
	}
	if m.lacking > 0 {
		m.finished = false
		return
	}
	if m.finished {
		return
	}
	m.finished = true
	m.do(Finished{})
	for _, p := range append([]*peer(nil), m.peers...) {
		m.sendUploadOnly(p)
		m.weigh(p)
	}
}

func (m *Machine) setPaused(on bool) {
	if m.paused == on && !m.stuck {
		return
	}
	m.paused, m.stuck = on, false
	for _, p := range m.peers {
		if on {
			m.cancelAll(p)
			m.setChoke(p, true)
		}
		m.updateInterest(p)
		m.touch(p)
	}
	if !on {
		m.rechokeAt = m.now
	}
}

// Stats is a snapshot of the machine.
type Stats struct {
	Pieces, Have          int
	Missing               int // wanted pieces not stored yet
	Downloaded, Uploaded  int64
	FromWebSeeds          int64 // of those downloaded
	Wasted                int64 // payload bytes that were not needed or not genuine
	Peers, Seeds          int   // web seeds are not peers, but seeds
	Useful                int   // connections that have something we need and lack
	WebSeeds              int
	HalfOpen, Known       int
	DownRate, UpRate      float64
	MetadataDone          bool
	OpenPieces, Requested int
}

// PeerStats is a snapshot of one connection.
type PeerStats struct {
	Peer            PeerKey
	Addr            netip.AddrPort
	Client          string // what it calls itself; a web seed's URL
	WebSeed         bool
	Down, Up        float64 // bytes a second
	TotalDown       int64
	TotalUp         int64
	Progress        float64 // 0 to 1
	Choking, Choked bool
	Interested      bool // we are, in it
	Interesting     bool // it is, in us
	Snubbed         bool
	Requests        int
	Extensions      []string // of Config.Extensions, those that it speaks
}

// Stats returns a snapshot at now.
func (m *Machine) Stats(now time.Time) Stats {
	who := m.swarm.Stats()
	s := Stats{
		Have: m.have.Count(), Missing: m.lacking, Downloaded: m.downloaded, Uploaded: m.uploaded, FromWebSeeds: m.byWebSeeds,
		Wasted: m.wasted, Peers: who.Peers, WebSeeds: who.WebSeeds, HalfOpen: who.HalfOpen, Known: who.Known,
		MetadataDone: m.space.known(), OpenPieces: len(m.pieces.open.list), Pieces: m.space.len(),
	}
	for _, p := range m.peers {
		s.DownRate += p.down.Rate(now)
		s.UpRate += p.up.Rate(now)
		s.Requested += p.queue.len()
		if p.isSeed(m) {
			s.Seeds++
		}
		if m.usefulOf(p) > 0 {
			s.Useful++
		}
	}
	return s
}

// PeerStats returns a snapshot of every connection at now.
func (m *Machine) PeerStats(now time.Time) []PeerStats {
	list := make([]PeerStats, 0, len(m.peers))
	for _, p := range m.peers {
		s := PeerStats{
			Peer: p.key, Addr: p.Addr, Client: p.Client, WebSeed: p.WebSeed, Down: p.down.Rate(now), Up: p.up.Rate(now),
			TotalDown: p.down.Total(), TotalUp: p.up.Total(), Choking: p.choking, Choked: p.choked,
			Interested: p.interested, Interesting: p.interesting, Snubbed: p.queue.snubbed, Requests: p.queue.len(),
		}
		if s.Progress = p.progress(m); p.early.all {
			s.Progress = 1
		}
		for i := range m.cfg.Extensions {
			if name := m.cfg.Extensions[i].Name; name != wire.ExtSwarms && p.Speaks(name) {
				s.Extensions = append(s.Extensions, name)
			}
		}
		list = append(list, s)
	}
	return list
}

// Totals returns payload bytes received that were wanted, payload bytes sent,
// and bytes of wanted pieces not stored yet (-1 while that is not known, as it never
// is for content that grows).
func (m *Machine) Totals() (down, up, left int64) {
	if m.info == nil {
		return m.downloaded, m.uploaded, -1
	}
	// The last piece may be shorter; trackers do not mind.
	return m.downloaded, m.uploaded, int64(m.lacking) * m.info.PieceLength
}

// HavePieces returns a copy of the set of stored pieces; it is empty before the
// info dictionary is known.
func (m *Machine) HavePieces() bits.Set { return m.have.Clone() }

// Limits bounds the frames that are welcome now: the driver sets them where it
// decodes a peer's messages. What is larger ends the connection.
func (m *Machine) Limits() wire.Limits {
	l := wire.Limits{MaxPayload: uint32(m.swarm.MaxPayload()) + 1}
	switch {
	case m.info != nil:
		l.MaxBitfield = uint32(m.space.len()+7) / 8
		l.MaxPayload = max(l.MaxPayload, maxHashesPayload)
	case m.space.grows():
		l.MaxBitfield = 1 // there is none
	}
	return l
}

// maxHashesPayload is the largest answer to a hash request that we make: a
// request is for at most 8,192 hashes (BEP 52), and proofs are short.
const maxHashesPayload = 512 << 10

func (m *Machine) do(e Effect) { m.swarm.Do(e) }

func (m *Machine) send(p *peer, msg wire.Message) { m.swarm.Send(p.Peer, msg) }

// closePeer ends a connection of our own will.
func (m *Machine) closePeer(p *peer, err error, ban bool) { m.swarm.Close(p.Peer, err, ban) }

// charge counts an answer, or a message of no use, that nothing else bounds:
// blocks are bounded by the upload window, these only by the peer's modesty.
func (m *Machine) charge(p *peer, bytes int) error { return m.swarm.Charge(p.Peer, bytes) }

func breach(msg string) error { return swarm.Breach(msg) }
