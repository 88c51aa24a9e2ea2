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

// Content is where a torrent's bytes are kept, and what of it is there already.
type Content struct {
	Store  storage.Store
	Layers *metainfo.Layers // nil: from the info dictionary alone
	Have   *bits.Set        // verified pieces; nil: none
	// Stored is told of every piece that was verified and written, before
	// anybody else is. It may be nil. It is called by one goroutine at a time.
	Stored func(index int)
	// Priorities say how eagerly each piece is to be fetched; nil: all alike.
	Priorities []torrent.Priority
}

// Options describe a torrent to add.
type Options struct {
	Key     metainfo.Hash     // required when Info is nil
	HashV2  *metainfo.Hash256 // full v2 info hash where known
	Info    *metainfo.Info    // nil: fetched from peers
	Private bool              // BEP 27, when Info is nil; otherwise Info says it
	// Open makes the content once the info dictionary is known: before Add
	// returns when Info is given. Required. An error stops the torrent.
	Open func(info *metainfo.Info) (Content, error)
	// ListenPort is the TCP port told to peers; 0: none.
	ListenPort int
	// DHTPort is the UDP port of our DHT node told to peers; 0: none.
	DHTPort int
	// Paused adds the torrent without starting it.
	Paused bool
}

// Torrent is one swarm we are a member of. Its methods may be called by any
// goroutine.
type Torrent struct {
	s   *Session
	key metainfo.Hash
	opt Options

	inbox chan torrent.Event
	calls chan func()
	quit  chan struct{}
	ended chan struct{}
	once  sync.Once

	// Owned by the loop.
	m       *torrent.Machine
	conns   map[torrent.PeerKey]link
	buffers map[int]*pieceBuffer
	content Content

	nextPeer             atomic.Uint32
	received, sent, left atomic.Int64 // as of the last step
	peers                atomic.Int32
	readers              atomic.Int32                // open ones
	limits               atomic.Pointer[wire.Limits] // of what peers may send
	up, down             lane
	info                 atomic.Pointer[metainfo.Info]
	store                atomic.Pointer[storage.Store]

	mu       sync.Mutex
	have     bits.Set
	early    map[int]*pieceBuffer // pieces of which some blocks can be read already
	changed  chan struct{}        // closed and replaced whenever have or err changes
	learned  chan struct{}        // closed when the info dictionary is known
	done     chan struct{}        // closed while every wanted piece is there
	isDone   bool
	err      error // why it cannot go on
	warn     error // why a piece is no longer offered
	readerID int
}

// Add starts a torrent.
func (s *Session) Add(opt Options) (*Torrent, error) {
	t := &Torrent{
		s: s, key: opt.Key, opt: opt,
		up: lane{all: &s.up}, down: lane{all: &s.down},
		inbox:   make(chan torrent.Event, 256),
		calls:   make(chan func()),
		quit:    make(chan struct{}),
		ended:   make(chan struct{}),
		conns:   map[torrent.PeerKey]link{},
		buffers: map[int]*pieceBuffer{},
		early:   map[int]*pieceBuffer{},
		changed: make(chan struct{}),
		learned: make(chan struct{}),
		done:    make(chan struct{}),
	}
	cfg := s.cfg.Machine
	cfg.PeerID = s.cfg.PeerID
	cfg.HashV2 = opt.HashV2
	cfg.Rand = newRand()
	cfg.Client = "Shoal/" + Version
	cfg.Private = opt.Private
	cfg.ListenPort, cfg.DHTPort = opt.ListenPort, opt.DHTPort
	if opt.Info != nil {
		t.key = opt.Info.Key()
		c, err := opt.Open(opt.Info)
		if err != nil {
			return nil, err
		}
		t.use(opt.Info, c)
		cfg.Info, cfg.Layers, cfg.Have = opt.Info, t.content.Layers, c.Have
	}
	cfg.Key = t.key
	m, err := torrent.New(cfg)
	if err != nil {
		return nil, err
	}
	t.m = m
	if levels := t.content.Priorities; levels != nil {
		t.carryOut(m.Step(time.Now(), torrent.Priorities{Levels: levels}))
	}
	t.opened()
	t.publish()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	keys := []metainfo.Hash{t.key}
	if opt.Info != nil {
		keys = opt.Info.SwarmHashes()
	}
	for _, k := range keys {
		if s.torrents[k] != nil {
			return nil, ErrExists
		}
	}
	for _, k := range keys {
		s.torrents[k] = t
	}
	s.wg.Go(t.run)
	if opt.Paused {
		t.post(torrent.Paused{On: true})
	}
	return t, nil
}

// use takes the content of the torrent. It is called before the loop starts, or
// by the loop.
func (t *Torrent) use(info *metainfo.Info, c Content) {
	if c.Layers == nil && info.HasV2 {
		c.Layers = metainfo.NewLayers(info)
	}
	t.content = c
	t.info.Store(info)
	t.store.Store(&c.Store)
}

// ErrNotRunning is the error of a torrent after Close.
var ErrNotRunning = errors.New("the torrent is closed")

// opened publishes what the machine knows once the content is open.
func (t *Torrent) opened() {
	limits := t.m.Limits()
	if t.info.Load() == nil {
		limits.MaxBitfield = maxEarlyBitfield
		t.limits.Store(&limits)
		return
	}
	t.limits.Store(&limits)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.have = t.m.HavePieces()
	close(t.learned)
	if t.m.Complete() && !t.isDone {
		t.isDone = true
		close(t.done)
	}
	t.broadcast()
}

// broadcast wakes whoever waits for a change. Callers hold mu.
func (t *Torrent) broadcast() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// run is the loop that owns the machine, the connections and the buffers:
// nothing else touches them.
func (t *Torrent) run() {
	defer t.end()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var batch []torrent.Event
	for {
		batch = batch[:0]
		select {
		case <-t.quit:
			return
		case ev := <-t.inbox:
			batch = append(batch, ev)
		drain:
			for len(batch) < 64 {
				select {
				case ev := <-t.inbox:
					batch = append(batch, ev)
				default:
					break drain
				}
			}
		case f := <-t.calls:
			f()
		case <-timer.C:
		}
		for _, ev := range batch {
			if left, ok := ev.(swarm.PeerLeft); ok {
				delete(t.conns, left.Peer)
			}
		}
		t.carryOut(t.m.Step(time.Now(), batch...))
		for _, ev := range batch {
			t.recycle(ev)
		}
		clear(batch)
		t.publish()
		if at := t.m.Deadline(); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(0, time.Until(at)))
		}
	}
}

// publish makes the totals visible without a visit to the loop.
func (t *Torrent) publish() {
	down, up, left := t.m.Totals()
	t.received.Store(down)
	t.sent.Store(up)
	t.left.Store(left)
	t.peers.Store(int32(len(t.conns)))
}

func (t *Torrent) end() {
	for _, c := range t.conns {
		c.close()
	}
	for _, b := range t.buffers {
		b.drop()
	}
	t.mu.Lock()
	if t.err == nil {
		t.err = ErrNotRunning
	}
	t.broadcast()
	t.mu.Unlock()
	close(t.ended)
}

// post gives an event to the loop.
func (t *Torrent) post(ev torrent.Event) {
	select {
	case t.inbox <- ev:
	case <-t.quit:
	}
}

// call runs f in the loop and waits for it. It reports false when the torrent
// has ended.
func (t *Torrent) call(f func()) bool {
	ran := make(chan struct{})
	select {
	case t.calls <- func() { f(); close(ran) }:
		<-ran
		return true
	case <-t.quit:
		return false
	}
}

// Close leaves the swarm. The content stays open: its owner closes it.
func (t *Torrent) Close() {
	t.once.Do(func() {
		t.s.mu.Lock()
		for k, other := range t.s.torrents {
			if other == t {
				delete(t.s.torrents, k)
			}
		}
		t.s.mu.Unlock()
		close(t.quit)
	})
	<-t.ended
}

// handshake is what we say first in the swarm with that key.
func (t *Torrent) handshake(key metainfo.Hash) wire.Handshake {
	h := wire.Handshake{InfoHash: key, PeerID: t.s.cfg.PeerID}
	h.SetExtensions()
	h.SetFast()
	info := t.info.Load()
	if t.opt.DHTPort != 0 && !t.opt.Private && (info == nil || !info.Private) {
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
	if h.InfoHash != key && !t.hasKey(h.InfoHash) {
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
	from := origin(c)
	ev := swarm.PeerJoined{
		Addr: from, Origin: from,
		ID: h.PeerID, Outgoing: outgoing,
		Fast: h.HasFast(), Extended: h.HasExtensions(), V2: h.HasV2(), DHT: h.HasDHT(),
		WebSeed: c.Kind() == transport.HTTP, URL: c.RemoteAddr(),
	}
	if c.Kind() == transport.WebRTC {
		ev.Addr = netip.AddrPort{} // nobody could dial it
	}
	if !t.call(func() {
		cn := newConn(t, torrent.PeerKey(t.nextPeer.Add(1)), h.PeerID, c)
		t.conns[cn.key] = cn
		ev.Peer = cn.key
		t.carryOut(t.m.Step(time.Now(), ev))
		if t.conns[cn.key] == cn {
			t.s.wg.Go(cn.readLoop)
			t.s.wg.Go(cn.writeLoop)
		}
	}) {
		c.Close()
	}
}
