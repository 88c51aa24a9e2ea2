package driver

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// Options describe a torrent to add.
type Options struct {
	Key     metainfo.Hash     // required when Info is nil
	HashV2  *metainfo.Hash256 // full v2 info hash where known
	Info    *metainfo.Info    // nil: fetched from peers
	Private bool              // BEP 27, when Info is nil; otherwise Info says it
	// Open makes the content once the info dictionary is known. Required. It
	// runs beside everything else, for as long as hashing takes; the context
	// ends with the torrent. An error stops the torrent.
	Open func(ctx context.Context, info *metainfo.Info) (Content, error)
	// ListenPort is the TCP port told to peers; 0: none.
	ListenPort int
	// DHTPort is the UDP port of our DHT node told to peers; 0: none.
	DHTPort int
	// Paused adds the torrent without starting it.
	Paused bool
	// Sequential fetches pieces in their order from the start.
	Sequential bool
	// Notify is called with every event, by the goroutine that met it: it must
	// not block, nor wait for the torrent. It may be nil.
	Notify func(Event)
}

// Torrent is one swarm we are a member of. Its methods may be called by any
// goroutine.
type Torrent struct {
	s      *Session
	key    metainfo.Hash
	opt    Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	quit   <-chan struct{} // of ctx
	ended  chan struct{}
	once   sync.Once
	work   sync.WaitGroup // what opens and checks the content
	gate   gate

	// Owned by the loop, nil while there is none.
	inbox     chan torrent.Event
	calls     chan func()
	m         *torrent.Machine
	conns     map[torrent.PeerKey]link
	buffers   map[int]*pieceBuffer
	grant     grant
	live      int // connections whose end was not reported yet
	dialling  int
	verifying int
	stopping  bool      // the machine was told to pause
	quiet     time.Time // since when the loop has had nothing to do; zero: it has
	dials     context.Context
	stopDials context.CancelFunc
	warned    []netip.AddrPort // named by the user, and warned of
	shown     time.Time        // when the last snapshot was made
	stale     bool             // something happened since

	content Content                       // set before the gate opens, or by the loop
	before  struct{ down, up, web int64 } // of earlier loops; written at the end of one

	nextPeer       atomic.Uint32
	received, sent atomic.Int64 // as of the last step
	left           atomic.Int64 // bytes of wanted pieces that are not there; -1: unknown
	stored         atomic.Int32 // pieces
	peers          atomic.Int32
	readers        atomic.Int32                // open ones
	ahead          atomic.Int64                // see SetOnDemand
	limits         atomic.Pointer[wire.Limits] // of what peers may send
	up, down       lane
	private        atomic.Bool
	info           atomic.Pointer[metainfo.Info]
	store          atomic.Pointer[storage.Store]
	shot           atomic.Pointer[Stats]
	events         hub

	mu       sync.Mutex
	have     bits.Set
	away     bits.Set             // pieces that were there and cannot be read; without room until there is one
	awayWhy  error                // why the last of them cannot
	early    map[int]*pieceBuffer // pieces of which some blocks can be read already
	changed  chan struct{}        // closed and replaced whenever have or err changes
	learned  chan struct{}        // closed when the content is open
	done     chan struct{}        // closed while every wanted piece is there
	isDone   bool
	counted  bool  // have is what the content holds
	err      error // why it cannot go on
	warn     error // why a piece is no longer offered
	readerID int
}

// Add starts a torrent. It does not wait for the content to be opened: Ready
// does. The error is ErrExists or ErrClosed.
func (s *Session) Add(opt Options) (*Torrent, error) {
	t := &Torrent{
		s: s, key: opt.Key, opt: opt,
		up: lane{all: &s.up}, down: lane{all: &s.down},
		ended:   make(chan struct{}),
		changed: make(chan struct{}),
		learned: make(chan struct{}),
		done:    make(chan struct{}),
	}
	keys := []metainfo.Hash{t.key}
	if opt.Info != nil {
		t.key, keys = opt.Info.Key(), opt.Info.SwarmHashes()
		t.info.Store(opt.Info)
		t.have = bits.New(opt.Info.NumPieces())
		t.private.Store(opt.Info.Private)
	} else {
		t.private.Store(opt.Private)
		if opt.HashV2 != nil && opt.HashV2.Short() != t.key {
			keys = append(keys, opt.HashV2.Short()) // the link of a hybrid names both swarms
		}
	}
	t.left.Store(-1)
	t.shot.Store(&Stats{})
	t.gate.paused, t.gate.wishes.sequential = opt.Paused, opt.Sequential
	if len(s.cfg.Machine.Extensions) > 0 {
		// Before anybody depends on it: no machine comes about with wrong ones.
		if _, err := torrent.New(t.machineConfig()); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	for _, k := range keys {
		if s.torrents[k] != nil {
			return nil, ErrExists
		}
	}
	for _, k := range keys {
		s.torrents[k] = t
		s.veil.added(k)
	}
	t.ctx, t.cancel = context.WithCancel(s.ctx)
	t.quit = t.ctx.Done()
	if len(s.links) > 0 {
		s.wg.Go(s.added)
	}
	if opt.Info != nil {
		t.openSoon(t.open)
		return t, nil
	}
	t.gate.phase = parked
	if !opt.Paused {
		t.wake()
	}
	return t, nil
}

// machineConfig is what a machine of this torrent works on, as of now.
func (t *Torrent) machineConfig() torrent.Config {
	cfg := t.s.cfg.Machine
	cfg.Key, cfg.HashV2 = t.key, t.opt.HashV2
	cfg.PeerID = t.s.cfg.PeerID
	cfg.BufferBytes = 1 // one piece; balance says what else
	if t.s.cfg.Links && !t.private.Load() {
		cfg.Extensions = append(cfg.Extensions[:len(cfg.Extensions):len(cfg.Extensions)], swarmsExtension)
	}
	cfg.Rand = newRand()
	cfg.Client = "Shoal/" + Version
	cfg.Private = t.private.Load()
	cfg.ListenPort, cfg.DHTPort = t.opt.ListenPort, t.opt.DHTPort
	if info := t.info.Load(); info != nil {
		have := t.Have()
		cfg.Info, cfg.Layers, cfg.Have = info, t.content.Layers, &have
		t.mu.Lock()
		if gone := t.away.Clone(); gone.Count() > 0 {
			cfg.Gone = &gone
		}
		t.mu.Unlock()
	}
	return cfg
}

// openSoon has f open or check the content, when it is its turn.
func (t *Torrent) openSoon(f func()) {
	t.s.openers.run(t.s, func() {
		t.gate.mu.Lock()
		over := t.gate.phase == ended
		if !over {
			t.work.Add(1)
		}
		t.gate.mu.Unlock()
		if !over {
			defer t.work.Done()
			f()
		}
	})
}

// open opens the content of a torrent whose info dictionary is known from the
// start.
func (t *Torrent) open() {
	info := t.opt.Info
	c, err := t.opt.Open(t.ctx, info)
	if err != nil {
		t.gate.mu.Lock()
		t.gate.failed = t.open
		t.gate.mu.Unlock()
		t.fail(err)
		return
	}
	t.use(info, c)
	t.holds(c.Have)
	t.release()
	t.told() // whoever has waited may come in
}

// ErrNotRunning is the error of a torrent after Close.
var ErrNotRunning = errors.New("the torrent is closed")

// told tells whoever waits for the content that it is open.
func (t *Torrent) told() {
	t.mu.Lock()
	first := true
	select {
	case <-t.learned:
		first = false
	default:
		close(t.learned)
		t.broadcast()
	}
	t.mu.Unlock()
	if first {
		t.emit(Event{Kind: Opened})
	}
}

// release ends the phase of opening: whoever needs the torrent may have it, and
// one that has something to fetch starts.
func (t *Torrent) release() {
	t.mu.Lock()
	start := !t.isDone
	t.mu.Unlock()
	t.gate.mu.Lock()
	if t.gate.phase != opening {
		t.gate.mu.Unlock()
		return
	}
	t.gate.phase = parked
	start = !t.gate.stopped() && (start || len(t.gate.pending) > 0 || t.awaited())
	t.gate.mu.Unlock()
	if start {
		t.wake()
	} else if t.content.Rest != nil {
		t.content.Rest()
	}
}

// welcome tells the connections how large a message may be. The loop calls it, or
// who starts it.
func (t *Torrent) welcome() {
	limits := t.m.Limits()
	if t.info.Load() == nil {
		limits.MaxBitfield = maxEarlyBitfield
	}
	t.limits.Store(&limits)
}

// broadcast wakes whoever waits for a change. Callers hold mu.
func (t *Torrent) broadcast() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// Close leaves the swarm. It does not wait for what is being hashed. The content
// stays open: its owner closes it.
func (t *Torrent) Close() {
	t.once.Do(func() {
		t.s.mu.Lock()
		for k, other := range t.s.torrents {
			if other == t {
				delete(t.s.torrents, k)
				t.s.veil.removed(k)
			}
		}
		t.s.mu.Unlock()
		t.gate.mu.Lock()
		was := t.gate.phase
		t.gate.phase = ended
		t.gate.mu.Unlock()
		t.cancel()
		if was != running {
			t.end()
		}
	})
	<-t.ended
	t.work.Wait()
}

// handshake is what we say first in the swarm with that key.
func (t *Torrent) handshake(key metainfo.Hash) wire.Handshake {
	h := wire.Handshake{InfoHash: key, PeerID: t.s.cfg.PeerID}
	h.SetExtensions()
	h.SetFast()
	info := t.info.Load()
	if t.opt.DHTPort != 0 && !t.private.Load() {
		h.SetDHT()
	}
	if info != nil && info.HasV2 || info == nil && t.opt.HashV2 != nil {
		h.SetV2()
	}
	return h
}

// introduce exchanges handshakes on a stream of this torrent.
func (t *Torrent) introduce(ctx context.Context, c transport.Conn, key metainfo.Hash, outgoing bool) error {
	mine := t.handshake(key)
	if _, err := c.Write(mine.Append(nil)); err != nil {
		return err
	}
	h, err := readHandshake(ctx, c)
	if err != nil {
		return err
	}
	return t.admit(c, h, key, outgoing)
}

// admit lets a peer in who has answered our handshake, if it is of this torrent.
func (t *Torrent) admit(c transport.Conn, h wire.Handshake, key metainfo.Hash, outgoing bool) error {
	if h.InfoHash != key && !t.hasKey(h.InfoHash) && !t.isV2(h.InfoHash) {
		return wire.ErrHandshake
	}
	if t.s.isBanned(c, h.PeerID) {
		return swarm.ErrBanned
	}
	t.join(c, h, outgoing)
	return nil
}

func (t *Torrent) hasKey(key metainfo.Hash) bool { return t.s.Torrent(key) == t }

// join hands a stream after its handshakes to the loop.
func (t *Torrent) join(c transport.Conn, h wire.Handshake, outgoing bool) {
	t.await(handshakeTimeout)
	from := origin(c)
	if l := linkOf(c); l != nil {
		l.Name(h.PeerID)
	}
	ev := swarm.PeerJoined{
		Addr: from, Origin: from, Used: made(c),
		ID: h.PeerID, Outgoing: outgoing,
		Fast: h.HasFast(), Extended: h.HasExtensions(), V2: h.HasV2() || t.isV2(h.InfoHash), DHT: h.HasDHT(),
		WebSeed: c.Kind() == transport.HTTP, URL: c.RemoteAddr(),
	}
	if c.Kind() == transport.WebRTC {
		ev.Addr = netip.AddrPort{} // nobody could dial it
	}
	joined := false
	t.call(func() {
		if t.stopping || !t.s.places.take(t.live) {
			return
		}
		joined = true
		t.live++
		cn := newConn(t, torrent.PeerKey(t.nextPeer.Add(1)), h.PeerID, c)
		t.conns[cn.key] = cn
		ev.Peer = cn.key
		t.carryOut(t.m.Step(time.Now(), ev))
		if t.conns[cn.key] == cn {
			t.s.wg.Go(cn.readLoop)
			t.s.wg.Go(cn.writeLoop)
			t.emit(Event{Kind: PeerJoined, Peer: c.RemoteAddr()})
		} else {
			t.gone()
		}
	})
	if !joined {
		c.Close()
	}
}

// gone accounts for the end of a connection. The loop calls it.
func (t *Torrent) gone() {
	t.live--
	t.s.places.give(1, t.live)
}

// await gives a content that is being opened some time to be ready: a peer may
// come just then.
func (t *Torrent) await(most time.Duration) {
	if t.info.Load() == nil {
		return
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-t.learned:
	case <-t.quit:
	case <-timer.C:
	}
}
