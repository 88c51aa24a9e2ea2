package driver

import (
	"slices"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// Source is a peer that is no stream, as a web seed is. It is asked for blocks
// and answers through its Feed. The torrent's loop calls its methods, so none may
// wait.
type Source interface {
	// Request asks for a block. The answer is Put or Reject.
	Request(index, begin, length uint32)
	// Cancel withdraws a request. Reject answers it, if Put has not yet.
	Cancel(index, begin, length uint32)
	// Close says that nothing is wanted any more; bad, that what came was forged.
	// The source leaves its feed once it has ended whatever may still call Put.
	Close(bad bool)
}

// Feed carries what a Source brings to its torrent. Its methods may be called by
// any goroutine; all but Leave and Pay return at once.
type Feed struct {
	key  torrent.PeerKey
	t    *Torrent
	src  Source
	addr string
	wake chan struct{}
	quit chan struct{}
	once sync.Once

	mu     sync.Mutex
	bad    bool
	expect map[blockKey]*pieceBuffer // requests not answered by a block and not cancelled
	items  []torrent.Item            // for the torrent, in order
}

// AddSource makes a source a peer of the torrent, choked and without pieces until
// its feed says otherwise. The info dictionary must be known. It returns nil when
// the torrent has ended or is paused.
func (t *Torrent) AddSource(addr string, src Source) *Feed {
	f := &Feed{
		key: torrent.PeerKey(t.nextPeer.Add(1)), t: t, src: src, addr: addr,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), expect: map[blockKey]*pieceBuffer{},
	}
	added := false
	t.call(func() {
		if t.stopping {
			return
		}
		added = true
		t.s.places.add(t.live)
		t.live++
		t.conns[f.key] = f
		t.carryOut(t.m.Step(time.Now(), swarm.PeerJoined{Peer: f.key, WebSeed: true, URL: addr}))
		t.s.wg.Go(f.run)
	})
	if !added {
		return nil
	}
	return f
}

// Has says which pieces the source has.
func (f *Feed) Has(pieces *bits.Set) {
	f.note(wire.Message{ID: wire.Bitfield, Payload: slices.Clone(pieces.Bytes())}, 0)
}

// Choke says that the source cannot be asked for now, or can again. It rejects
// each block that it still owes.
func (f *Feed) Choke(on bool) {
	id := wire.Unchoke
	if on {
		id = wire.Choke
	}
	f.note(wire.Message{ID: id}, 0)
}

// Reject says that a block will not come.
func (f *Feed) Reject(index, begin, length uint32) {
	f.note(wire.Message{ID: wire.Reject, Index: index, Begin: begin, Length: length}, 0)
}

// Put brings a block. Nothing keeps data.
func (f *Feed) Put(index, begin uint32, data []byte) {
	key := blockKey{index, begin}
	f.mu.Lock()
	b := f.expect[key]
	delete(f.expect, key)
	f.mu.Unlock()
	if b == nil {
		return // cancelled
	}
	var number uint32
	if b.write(begin, data) {
		number = b.number
	}
	f.note(wire.Message{ID: wire.Piece, Index: index, Begin: begin, Length: uint32(len(data))}, number)
}

// Leave ends the feed. What was put must still be told: no other copy of those
// blocks can be put in their place any more.
func (f *Feed) Leave() {
	f.close()
	f.flush()
	f.t.call(func() {
		delete(f.t.conns, f.key)
		f.t.carryOut(f.t.m.Step(time.Now(), swarm.PeerLeft{Peer: f.key}))
	})
}

func (f *Feed) note(m wire.Message, buffer uint32) {
	f.mu.Lock()
	f.items = append(f.items, torrent.Item{Message: m, Buffer: buffer})
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run posts what is noted.
func (f *Feed) run() {
	for {
		select {
		case <-f.wake:
			f.flush()
		case <-f.quit:
			return
		}
	}
}

func (f *Feed) flush() {
	f.mu.Lock()
	items := f.items
	f.items = nil
	f.mu.Unlock()
	if len(items) > 0 {
		f.t.post(swarm.Received{Peer: f.key, Items: items})
	}
}

func (f *Feed) send(msgs []wire.Message) {
	for i := range msgs {
		m := &msgs[i]
		key := blockKey{m.Index, m.Begin}
		f.mu.Lock()
		if m.ID == wire.Cancel {
			delete(f.expect, key)
		} else {
			f.expect[key] = f.t.buffers[int(m.Index)]
		}
		f.mu.Unlock()
		if m.ID == wire.Cancel {
			f.src.Cancel(m.Index, m.Begin, m.Length)
		} else {
			f.src.Request(m.Index, m.Begin, m.Length)
		}
	}
}

func (f *Feed) upload(torrent.Upload) {} // it asks for nothing

func (f *Feed) ban() {
	f.mu.Lock()
	f.bad = true
	f.mu.Unlock()
}

func (f *Feed) close() {
	f.once.Do(func() {
		f.mu.Lock()
		bad := f.bad
		f.mu.Unlock()
		close(f.quit)
		f.src.Close(bad)
	})
}

func (f *Feed) remote() (transport.Kind, string) { return transport.HTTP, f.addr }
