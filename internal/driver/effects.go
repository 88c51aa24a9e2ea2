package driver

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/engine/verify"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// carryOut does what the machine decided. The loop calls it.
func (t *Torrent) carryOut(effects []torrent.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case *swarm.Send:
			if c := t.conns[e.Peer]; c != nil {
				c.send(e.Messages)
			}
		case torrent.Void:
			if c, ok := t.conns[e.Peer].(*conn); ok {
				c.expectNothing()
			}
		case *torrent.Upload:
			if c := t.conns[e.Peer]; c != nil {
				c.upload(*e)
			}
		case torrent.OpenPiece:
			t.buffers[e.Index] = newPieceBuffer(t.s.pool, pieceKey{t, e.Index}, e.Size, e.Data, e.Buffer)
		case torrent.DropPiece:
			if b := t.buffers[e.Index]; b != nil {
				delete(t.buffers, e.Index)
				t.noLongerEarly(e.Index)
				b.drop()
			}
		case torrent.Verify:
			t.verifying++
			t.verify(e)
		case torrent.VerifyBlock:
			t.verifyBlock(e)
		case torrent.ClearBlock:
			t.buffers[e.Index].erase(e.Block)
		case torrent.ReadLeaves:
			t.readLeaves(e)
		case swarm.Close:
			if c := t.conns[e.Peer]; c != nil {
				delete(t.conns, e.Peer)
				_, addr := c.remote()
				t.emit(Event{Kind: PeerLeft, Peer: addr, Err: e.Err})
				if e.Ban {
					c.ban()
				}
				c.close()
			}
		case swarm.Dial:
			t.dial(e)
		case swarm.Speaks:
			if e.Name == wire.ExtSwarms {
				t.s.greeted(t, e.Peer)
			}
		case swarm.DHTNode:
			if f := t.s.cfg.DHTNode; f != nil {
				f(e.Addr)
			}
		case swarm.Private:
			t.becomePrivate()
		case torrent.Have:
			t.gotPiece(e.Index)
		case torrent.Learned:
			t.learn(e.Info)
		case torrent.Finished:
			t.settle()
		case torrent.Lost:
			t.lost(e.Index)
		case swarm.GotExt:
			if e.Name == wire.ExtSwarms {
				t.s.told(t, e.Peer, e.Payload)
			} else if t.s.cfg.GotExt != nil {
				t.s.cfg.GotExt(t, e)
			}
		case torrent.Stuck:
			t.fail(e.Err)
		}
	}
}

// verify hashes a complete buffer and stores it if it is genuine.
func (t *Torrent) verify(e torrent.Verify) {
	b := t.buffers[e.Index]
	info := t.info.Load()
	data := b.use()
	sums := func() [][20]byte { return verify.Sums(data[:b.size]) } // of what was fetched
	t.s.wg.Go(func() {
		kept := false
		defer func() { b.done(kept) }()
		t.s.workers <- struct{}{}
		defer func() { <-t.s.workers }()
		piece, ok := verify.Check(data, verify.Want{Info: info, Index: e.Index, V1: e.V1, V2: e.V2}, t.s.cfg.Hasher)
		if !ok {
			t.post(torrent.PieceForged{Index: e.Index, Sums: sums()})
			return
		}
		if err := t.keep(piece, e.V2); err != nil {
			t.fail(err)
			t.post(torrent.StoreFailed{Index: e.Index})
			return
		}
		kept = true
		ev := torrent.PieceStored{Index: e.Index}
		if e.Sums {
			ev.Sums = sums()
		}
		t.post(ev)
	})
}

// keep writes a genuine piece with one positioned write. A store that proves what it
// reads learns the hash by which it is genuine, where there is one of v2.
func (t *Torrent) keep(p verify.Genuine, hash *metainfo.Hash256) error {
	store := *t.store.Load()
	if l, ok := store.(interface{ Learn(int, metainfo.Hash256) }); ok && hash != nil {
		l.Learn(p.Index(), *hash)
	}
	_, err := store.WriteAt(p.Bytes(), int64(p.Index())*t.info.Load().PieceLength)
	return err
}

// readStore reads verified bytes, from memory as long as they are still there. It
// returns how many came before an error.
func (t *Torrent) readStore(p []byte, off int64) (n int, err error) {
	size := t.info.Load().PieceLength
	for {
		at := off % size
		part := p[:min(int64(len(p)), size-at)]
		if !t.s.pool.read(pieceKey{t, int(off / size)}, part, int(at)) {
			break
		}
		n += len(part)
		if p, off = p[len(part):], off+int64(len(part)); len(p) == 0 {
			return n, nil
		}
	}
	k, err := (*t.store.Load()).ReadAt(p, off)
	return n + k, err
}

// inDemand reports whether somebody is likely to ask for what was just verified.
func (t *Torrent) inDemand() bool { return t.peers.Load() > 1 || t.readers.Load() > 0 }

// gotPiece publishes a stored piece to readers.
func (t *Torrent) gotPiece(index int) {
	if t.content.Stored != nil {
		t.content.Stored(index)
	}
	t.gate.mu.Lock()
	t.mu.Lock()
	t.back(index)
	if t.have.Set(index) {
		t.stored.Add(1)
		if wants(t.gate.wishes.levels, index) {
			t.left.Add(-t.info.Load().PieceSize(index))
		}
	}
	t.broadcast()
	t.mu.Unlock()
	t.gate.mu.Unlock()
	t.emit(Event{Kind: PieceStored, Piece: index})
}

// lost withdraws a piece that the store no longer has.
func (t *Torrent) lost(index int) {
	t.mu.Lock()
	fresh := t.have.Clear(index)
	t.broadcast()
	t.mu.Unlock()
	if !fresh {
		return
	}
	t.settle()
	t.emit(Event{Kind: PieceLost, Piece: index})
}

// learn opens the content of a torrent whose info dictionary has just arrived.
// Checking what is there already may take long, so it is done beside the loop.
func (t *Torrent) learn(info *metainfo.Info) {
	if info.Private {
		t.becomePrivate() // the machine says so too, but only once the content is open
	}
	t.s.mu.Lock()
	if !t.s.closed {
		for _, k := range info.SwarmHashes() {
			if t.s.torrents[k] == nil {
				t.s.torrents[k] = t
				t.s.veil.added(k)
			}
		}
	}
	t.s.mu.Unlock()
	t.openSoon(func() { t.openLearned(info) })
}

// openLearned opens the content and gives it to the machine that asked for it.
func (t *Torrent) openLearned(info *metainfo.Info) {
	c, err := t.opt.Open(t.ctx, info)
	if err != nil {
		t.gate.mu.Lock()
		t.gate.failed = func() { t.openLearned(info) }
		t.gate.mu.Unlock()
		t.fail(err)
		return
	}
	t.call(func() {
		t.use(info, c)
		t.holds(c.Have)
		t.gate.mu.Lock()
		wishes := t.gate.wishes.events()
		t.gate.mu.Unlock()
		ready := torrent.ContentReady{Info: info, Layers: t.content.Layers, Have: c.Have}
		t.carryOut(t.m.Step(time.Now(), append([]torrent.Event{ready}, wishes...)...))
		t.welcome()
		t.publish(time.Now())
		t.snapshot(time.Now())
		t.told()
	})
}

// becomePrivate remembers that only the torrent's trackers may name peers
// (BEP 27), and tells whoever asks elsewhere.
func (t *Torrent) becomePrivate() {
	if !t.private.Swap(true) {
		t.emit(Event{Kind: BecamePrivate})
	}
}

// fail remembers why the torrent cannot go on.
func (t *Torrent) fail(err error) {
	t.mu.Lock()
	first := t.err == nil
	if first {
		t.err = err
		t.broadcast()
	}
	t.mu.Unlock()
	if first {
		t.emit(Event{Kind: Failed, Err: err})
	}
}

// Warn notes an error with which the torrent goes on, such as one of reading what
// was stored.
func (t *Torrent) Warn(err error) {
	t.mu.Lock()
	t.warn = err
	t.broadcast()
	t.mu.Unlock()
	t.emit(Event{Kind: Warned, Err: err})
}
