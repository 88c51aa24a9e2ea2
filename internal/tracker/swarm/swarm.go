// Package swarm is the pure core of a tracker: who is in which swarm.
//
// A Core takes the current time with a request in, gives a reply out, reads no clock,
// opens no socket and takes no lock. It never sees an offer or an answer: it
// says which connection gets one, and the door in front of it carries the bytes.
// Peers come in two kinds that cannot reach each other and are therefore never
// shown to each other, although they count together: WebRTC peers, owned by the
// connection that announced them and gone with it, and TCP peers, owned by their
// address and gone after Config.TCPTimeout of silence.
//
// Swarms do not know of each other, so a tracker may spread them over several
// Cores by info hash.
package swarm

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Hash is an info hash, the key of a swarm.
type Hash = [20]byte

// PeerID is what a peer calls itself.
type PeerID = [20]byte

// Event is what an announce reports. Whatever else a client sends is None.
type Event uint8

// The events of BEP 3.
const (
	None Event = iota
	Completed
	Started
	Stopped
)

// ParseEvent maps the names of BEP 3; any other name, met in the wild or made up,
// is a plain update.
func ParseEvent[S ~string | ~[]byte](name S) Event {
	switch string(name) {
	case "started":
		return Started
	case "stopped":
		return Stopped
	case "completed":
		return Completed
	}
	return None
}

// LeftUnknown stands for a client that does not know how much it lacks: a leecher.
const LeftUnknown = -1

// Errors that a request may get.
var (
	// ErrTaken reports that another connection owns the peer id in this swarm.
	ErrTaken = errors.New("peer id is in use by another connection")
	// ErrFull reports that a bound of all swarms or all peers is reached.
	ErrFull = errors.New("tracker is full")
	// ErrQuota reports that the announcer's address has as many peers as one may have.
	ErrQuota = errors.New("too many torrents from this address")
)

// A Memory keeps download counters when a swarm, or the whole Core, has gone. It is called in the middle
// of an announce, and must not block.
type Memory interface {
	// Downloads returns how many downloads a swarm had so far.
	Downloads(h Hash) uint64
	// Completed counts one more.
	Completed(h Hash)
}

// Config bounds a Core. The zero value is usable.
type Config struct {
	// Ledger counts swarms and peers, for all Cores of a tracker together. nil means this
	// Core is alone, with up to MaxSwarms swarms, 0 means 1 million, and MaxPeers peers of
	// all swarms, 0 means 4 million.
	Ledger              Ledger
	MaxSwarms, MaxPeers int
	// TCPTimeout is how long a TCP peer is kept without an announce. 0 means 31 minutes.
	TCPTimeout time.Duration
	// KeepEmpty is how long the download counter of an empty swarm is kept. 0
	// means one hour.
	KeepEmpty time.Duration
	// Memory remembers download counters for longer. nil means that nobody does.
	Memory Memory
	// SeederToSeeder gives seeders the addresses and offers of seeders, which have
	// no use for each other.
	SeederToSeeder bool
	// Locality says which peers are near each other.
	Locality Locality
	// MaxUnanswered is how many offers of the last minute may wait for the answer of a WebRTC
	// peer, at most 63: it is given no more. 0 means 16. One that has never answered gets a
	// half of it.
	MaxUnanswered int
	// MaxOffers is how many offers a WebRTC peer is given in half a minute, answered or not, and
	// how many of its own are passed on, at most 63: nobody uses up what many others may be given. 0 means 40: an offer that leads nowhere costs a browser a connection for
	// half a minute, it may hold 500, and a tab may be in several swarms. Negative means no bound.
	MaxOffers int
}

func (c Config) withDefaults() Config {
	if c.MaxSwarms <= 0 {
		c.MaxSwarms = 1 << 20
	}
	if c.MaxPeers <= 0 {
		c.MaxPeers = 4 << 20
	}
	if c.TCPTimeout <= 0 {
		c.TCPTimeout = 31 * time.Minute
	}
	if c.KeepEmpty <= 0 {
		c.KeepEmpty = time.Hour
	}
	if c.MaxUnanswered <= 0 {
		c.MaxUnanswered = 16
	}
	switch {
	case c.MaxOffers == 0:
		c.MaxOffers = 40
	case c.MaxOffers < 0 || c.MaxOffers > loadMax:
		c.MaxOffers = loadMax + 1 // more than is counted
	}
	c.MaxUnanswered = min(c.MaxUnanswered, loadMax)
	if c.Ledger == nil {
		c.Ledger = &alone{maxSwarms: c.MaxSwarms, maxPeers: c.MaxPeers}
	}
	return c
}

// A Core holds swarms. C names a connection of the WebSocket door. It is not
// safe for concurrent use.
type Core[C comparable] struct {
	cfg   Config
	epoch time.Time

	byHash map[Hash]int32 // which of the swarms
	peak   int            // most entries since byHash was made
	// The swarms lie in blocks, in an order that does not depend on a map. The last one
	// takes the place of one that goes.
	blocks []*[blockLen]swarm[C]
	swarms int
	cursor int // where Expire goes on
	heavy  int // where makeRoom goes on
	ousted []Hash
	turn   uint64 // of RemoteShare

	rtcPeers, tcpPeers, seeders int
	chooser                     chooser
}

const blockLen = 256

type swarm[C comparable] struct {
	hash       Hash
	slot       int32  // its number
	downloaded uint32 // completions seen
	emptySince uint32
	rtc        table[PeerID, C]
	tcp        *tcpTables // nil without peers
}

// New returns an empty Core. rng decides who meets whom; now starts its clock.
func New[C comparable](cfg Config, rng *rand.Rand, now time.Time) *Core[C] {
	return &Core[C]{cfg: cfg.withDefaults(), epoch: now, byHash: make(map[Hash]int32), chooser: chooser{rng: rng}}
}

func (c *Core[C]) at(slot int) *swarm[C] { return &c.blocks[slot/blockLen][slot%blockLen] }

// swarm returns the swarm for h, or nil. It may move when a swarm is dropped.
func (c *Core[C]) swarm(h Hash) *swarm[C] {
	if i, ok := c.byHash[h]; ok {
		return c.at(int(i))
	}
	return nil
}

// Counts is the size of a swarm, both kinds of peers together.
type Counts struct{ Complete, Incomplete int }

// Totals counts what a Core holds. A peer in two swarms counts twice.
type Totals struct{ Swarms, RTCPeers, TCPPeers, Seeders int }

// Totals returns the counts of now. Swarms without peers are counted while their
// download counter is kept.
func (c *Core[C]) Totals() Totals {
	return Totals{Swarms: c.swarms, RTCPeers: c.rtcPeers, TCPPeers: c.tcpPeers, Seeders: c.seeders}
}

// A Scrape is what BEP 48 tells about a swarm; zero for one that is not known.
type Scrape struct{ Complete, Incomplete, Downloaded int }

// Scrape returns the counters of a swarm.
func (c *Core[C]) Scrape(h Hash) Scrape {
	s := c.swarm(h)
	if s == nil {
		return Scrape{Downloaded: int(c.remembered(h))}
	}
	n := s.counts()
	return Scrape{Complete: n.Complete, Incomplete: n.Incomplete, Downloaded: int(s.downloaded)}
}

// Kinds counts the peers of a swarm by what they are.
type Kinds struct {
	RTCSeeders, RTCLeechers, TCPSeeders, TCPLeechers int
	// Those of RTCSeeders and RTCLeechers that are Trusted.
	TrustedSeeders, TrustedLeechers int
}

// RTC returns how many WebRTC peers there are whom a peer may meet; it may be fewer if some are Limited.
func (k Kinds) RTC(r Role) int {
	switch {
	case r.Trust == Limited && r.Seeder:
		return k.TrustedLeechers
	case r.Trust == Limited:
		return k.TrustedSeeders + k.TrustedLeechers
	case r.Seeder:
		return k.RTCLeechers
	}
	return k.RTCSeeders + k.RTCLeechers
}

// Kinds returns the size of a swarm by kind of peer.
func (c *Core[C]) Kinds(h Hash) (k Kinds) {
	s := c.swarm(h)
	if s == nil {
		return k
	}
	peers, seeders := s.tcp.size()
	trusted := s.rtc.notOrdinary()
	k.RTCSeeders = int(s.rtc.seeders)
	k.RTCLeechers = len(s.rtc.rows) - k.RTCSeeders
	k.TCPSeeders, k.TCPLeechers = seeders, peers-seeders
	k.TrustedSeeders, k.TrustedLeechers = int(trusted.trustedSeeders), int(trusted.trustedLeechers)
	return k
}

// Hashes appends the info hashes of up to max swarms to dst.
func (c *Core[C]) Hashes(dst []Hash, max int) []Hash {
	for i := range min(max, c.swarms) {
		dst = append(dst, c.at(i).hash)
	}
	return dst
}

// EachSwarm calls f for each swarm with a peer until f returns false. f must change
// nothing.
func (c *Core[C]) EachSwarm(f func(h Hash) bool) {
	for i := range c.swarms {
		if s := c.at(i); s.size() > 0 && !f(s.hash) {
			return
		}
	}
}

func (s *swarm[C]) counts() Counts {
	peers, complete := s.tcp.size()
	twins, seeding := s.twins()
	peers += len(s.rtc.rows) - twins
	complete += int(s.rtc.seeders) - seeding
	return Counts{Complete: complete, Incomplete: peers - complete}
}

// twins counts the TCP peers that are WebRTC peers as well, by their peer id, and the seeders
// among them: one process is one peer. In large swarms it does not look, as nobody would
// notice and each announce would pay for it.
func (s *swarm[C]) twins() (peers, seeding int) {
	if s.tcp == nil || len(s.rtc.rows) == 0 || len(s.rtc.rows) > indexFrom {
		return 0, 0
	}
	for f := range s.tcp.all {
		p4, s4 := twinsIn(s, &f.v4)
		p6, s6 := twinsIn(s, &f.v6)
		peers, seeding = peers+p4+p6, seeding+s4+s6
	}
	return peers, seeding
}

func twinsIn[C, K comparable](s *swarm[C], t *table[K, PeerID]) (peers, seeding int) {
	if len(t.rows) > indexFrom {
		return 0, 0
	}
	for i := range t.rows {
		k := s.rtc.find(t.rows[i].val)
		if k < 0 {
			continue
		}
		peers++
		if t.isSeeder(i) {
			seeding++
		}
	}
	return peers, seeding
}

func (s *swarm[C]) size() int {
	peers, _ := s.tcp.size()
	return peers + len(s.rtc.rows)
}

// open returns the swarm for h and makes it if it is new.
func (c *Core[C]) open(now time.Time, h Hash) (*swarm[C], error) {
	if s := c.swarm(h); s != nil {
		return s, nil
	}
	if !c.cfg.Ledger.Open() {
		c.dropEmpty(1024)
		if !c.cfg.Ledger.Open() {
			return nil, ErrFull
		}
	}
	if c.swarms == len(c.blocks)*blockLen {
		c.blocks = append(c.blocks, new([blockLen]swarm[C]))
	}
	s := c.at(c.swarms)
	*s = swarm[C]{hash: h, slot: int32(c.swarms), emptySince: c.stamp(now), downloaded: c.remembered(h)}
	c.byHash[h] = s.slot
	c.swarms++
	c.peak = max(c.peak, c.swarms)
	return s, nil
}

// remembered is the download counter of a swarm that is not here.
func (c *Core[C]) remembered(h Hash) uint32 {
	if c.cfg.Memory == nil {
		return 0
	}
	return uint32(min(c.cfg.Memory.Downloads(h), uint64(^uint32(0))))
}

// completed counts a download.
func (c *Core[C]) completed(s *swarm[C]) {
	s.downloaded++
	if c.cfg.Memory != nil {
		c.cfg.Memory.Completed(s.hash)
	}
}

// settle gives back what a swarm needs no more, and forgets it if nothing is left to tell.
func (c *Core[C]) settle(now time.Time, s *swarm[C]) {
	s.tcp = s.tcp.orNil()
	if s.size() > 0 {
		return
	}
	s.emptySince = c.stamp(now)
	if s.downloaded == 0 {
		c.drop(s)
	}
}

// drop forgets a swarm. The last one takes its place.
func (c *Core[C]) drop(s *swarm[C]) {
	delete(c.byHash, s.hash)
	c.cfg.Ledger.Close()
	c.swarms--
	last := c.at(c.swarms)
	if s != last {
		slot := s.slot
		*s = *last
		s.slot = slot
		c.byHash[s.hash] = slot
	}
	*last = swarm[C]{}
	// One free block stays, so that a swarm that comes and goes needs no memory.
	if n := len(c.blocks); c.swarms <= (n-2)*blockLen {
		c.blocks[n-1] = nil
		c.blocks = shrunk(c.blocks[:n-1])
	}
	// A map never gives memory back.
	if c.peak > 1024 && c.swarms < c.peak/8 {
		c.peak = c.swarms
		c.byHash = make(map[Hash]int32, c.swarms)
		for i := range c.swarms {
			c.byHash[c.at(i).hash] = int32(i)
		}
	}
}

// dropEmpty forgets empty swarms among the next n, whatever their age.
func (c *Core[C]) dropEmpty(n int) {
	for ; n > 0 && c.swarms > 0; n-- {
		if c.cursor >= c.swarms {
			c.cursor = 0
		}
		if s := c.at(c.cursor); s.size() == 0 {
			c.drop(s)
		} else {
			c.cursor++
		}
	}
}

// Expire forgets TCP peers and empty swarms whose time is over in the next n
// swarms, and goes on from there at the next call. n <= 0 looks at all of them. It calls
// changed, if there is one, for swarms that have lost a peer. While the tracker is nearly
// full, the small swarms of those with the most peers go too.
func (c *Core[C]) Expire(now time.Time, n int, changed func(Hash)) {
	if n <= 0 || n > c.swarms {
		n = c.swarms
	}
	at := c.stamp(now)
	timeout := uint32(c.cfg.TCPTimeout / time.Second)
	tight := c.cfg.Ledger.Tight()
	for ; n > 0 && c.swarms > 0; n-- {
		if c.cursor >= c.swarms {
			c.cursor = 0
		}
		s := c.at(c.cursor)
		had := s.size()
		if s.tcp != nil {
			for f := range s.tcp.all {
				expireRows(c, s.tcp, &f.v4, at, timeout)
				expireRows(c, s.tcp, &f.v6, at, timeout)
			}
			s.tcp = s.tcp.orNil()
			if changed != nil && s.size() != had {
				changed(s.hash)
			}
		}
		if tight && c.weight(s) >= heavyPeers {
			if changed != nil {
				changed(s.hash)
			}
			c.oust(now, s)
			continue
		}
		switch {
		case s.size() > 0:
		case had > 0:
			s.emptySince = at
			if s.downloaded == 0 {
				c.drop(s)
				continue
			}
		case at-s.emptySince >= uint32(c.cfg.KeepEmpty/time.Second):
			c.drop(s)
			continue
		}
		c.cursor++
	}
}

func expireRows[C, K comparable](c *Core[C], t *tcpTables, of *table[K, PeerID], at, timeout uint32) {
	for i := len(of.rows) - 1; i >= 0; i-- {
		if at-of.rows[i].time >= timeout {
			tcpRemove(c, t, of, i)
		}
	}
}

func (c *Core[C]) stamp(now time.Time) uint32 {
	d := now.Sub(c.epoch)
	if d < 0 {
		return 0
	}
	return uint32(d / time.Second)
}

// isSeeder decides from an announce. "completed" and "nothing left" both make a seeder, and
// something left takes that back: files were chosen that were not before, or pieces were
// damaged. An update that does not say what is left changes nothing.
func isSeeder(was bool, ev Event, left int64) bool {
	switch {
	case left == 0 || ev == Completed:
		return true
	case left > 0 || ev == Started:
		return false
	}
	return was
}

// slot is the loadSlot of now.
func (c *Core[C]) slot(now time.Time) uint32 { return c.stamp(now) / uint32(loadSlot/time.Second) }
