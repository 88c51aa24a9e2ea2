package torrent_test

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
	"pgregory.net/rapid"
)

// live says that the content grows, from a piece on.
func live(first int) func(*torrent.Config) {
	return func(c *torrent.Config) {
		c.Info, c.Layers = nil, nil
		c.Live = &torrent.Live{First: first, PieceLength: pieceLength}
	}
}

// livePieces are n pieces of two blocks.
func livePieces(n int) []torrent.Piece {
	list := make([]torrent.Piece, n)
	for i := range list {
		list[i] = torrent.Piece{Size: pieceLength, V2: &metainfo.Hash256{1}}
	}
	return list
}

// source connects a peer that lets us download.
func (r *rig) source(pieces ...int) torrent.PeerKey {
	r.T.Helper()
	key := r.join(joined{})
	r.recv(key, wire.Message{ID: wire.HaveNone}, wire.Message{ID: wire.Unchoke})
	for _, i := range pieces {
		r.recv(key, wire.Message{ID: wire.Have, Index: uint32(i)})
	}
	return key
}

func liveRig(t *testing.T, first int) *rig {
	return start(t, testTorrent(t, true, false), live(first))
}

// What each piece must hash to came with it.
func TestAGrownPieceIsCheckedAgainstItsOwnHash(t *testing.T) {
	r := liveRig(t, 7)
	v1, root := metainfo.Hash{1}, metainfo.Hash256{2}
	r.Step(torrent.Grown{Pieces: []torrent.Piece{{Size: 100, V1: &v1}, {Size: torrent.BlockSize + 1, V2: &root}}})
	p := r.source(7, 8)
	r.answer(p, r.take(p, wire.Request)...)
	for _, v := range did[torrent.Verify](r) {
		switch {
		case v.Index == 7 && (v.V2 != nil || v.V1 == nil || *v.V1 != v1), v.Index == 8 && (v.V1 != nil || v.V2 == nil || *v.V2 != root):
			t.Errorf("piece %d is checked against %v and %v", v.Index, v.V1, v.V2)
		}
		r.Step(torrent.PieceStored{Index: v.Index})
	}
	if s := r.m.Stats(r.Now); s.Have != 2 || s.Missing != 0 || s.Downloaded != 100+torrent.BlockSize+1 {
		t.Errorf("%+v", s)
	}
	if r.m.Complete() || len(did[torrent.Finished](r)) > 0 {
		t.Error("content that grows was called complete")
	}
}

// A piece that a peer announced before we knew of it is asked for once we do.
func TestAPeerMayBeAhead(t *testing.T) {
	r := liveRig(t, 0)
	p := r.source(0, 3, 5000, 1<<30)
	if reqs := r.take(p, wire.Request); len(reqs) > 0 {
		t.Fatalf("asks for what nobody knows: %v", reqs)
	}
	r.Step(torrent.Grown{Pieces: livePieces(4)})
	reqs := r.take(p, wire.Request)
	if len(reqs) != 4 || slices.ContainsFunc(reqs, func(m wire.Message) bool { return m.Index != 0 && m.Index != 3 }) {
		t.Fatalf("asks for %v", reqs)
	}
	if c, gone := r.Closed[p]; gone {
		t.Fatalf("closed: %v", c.Err)
	}
}

// However far content has grown or jumped, peers may be ahead of us.
func TestAPeerMayBeAheadAnywhere(t *testing.T) {
	for name, evs := range map[string][]torrent.Event{
		"grown":  {torrent.Grown{Pieces: livePieces(9000)}},
		"jumped": {torrent.Expired{First: 9000}},
	} {
		r := liveRig(t, 0)
		p := r.source()
		r.Step(evs...)
		r.recv(p, wire.Message{ID: wire.Have, Index: 9000})
		r.Step(torrent.Grown{Pieces: livePieces(1)})
		if reqs := r.take(p, wire.Request); len(reqs) != 2 || reqs[0].Index != 9000 {
			t.Errorf("%s: asks for %v", name, reqs)
		}
	}
}

// All that a peer may say of content that grows are haves.
func TestNobodyHasAllOfContentThatGrows(t *testing.T) {
	for _, msg := range []wire.Message{{ID: wire.HaveAll}, {ID: wire.Bitfield, Payload: []byte{0xff}}} {
		r := liveRig(t, 0)
		r.Step(torrent.Grown{Pieces: livePieces(8)})
		p := r.join(joined{})
		r.recv(p, msg)
		if c, gone := r.Closed[p]; !gone || !enginetest.IsBreach(c.Err) {
			t.Errorf("message %d is taken: %v", msg.ID, c.Err)
		}
	}
	// Nor does having all of the window at a moment make it a seed, to be closed.
	r := liveRig(t, 0)
	r.Step(torrent.Grown{Pieces: livePieces(2), Stored: true})
	p := r.source(0, 1)
	if c, gone := r.Closed[p]; gone || r.m.Stats(r.Now).Seeds > 0 {
		t.Errorf("a viewer that has everything so far counts as a seed: %v", c.Err)
	}
}

// Requests for what expires are withdrawn and its blocks thrown away; the rest goes
// on.
func TestExpiredPiecesAreAbandoned(t *testing.T) {
	r := liveRig(t, 0)
	r.Step(torrent.Grown{Pieces: livePieces(3)}, torrent.ReaderMoved{Reader: 1, Last: 10, Urgent: time.Second, Spacing: time.Second})
	p := r.source(0, 1, 2)
	reqs := r.take(p, wire.Request)
	if len(reqs) != 6 {
		t.Fatalf("asks for %v", reqs)
	}
	r.answer(p, reqs[0])
	r.Effects = nil
	r.Step(torrent.Expired{First: 2})
	cancels := r.take(p, wire.Cancel)
	if len(cancels) != 3 || slices.ContainsFunc(cancels, func(m wire.Message) bool { return m.Index >= 2 }) {
		t.Errorf("cancels %v", cancels)
	}
	told := slices.Clone(r.Effects)
	if d := did[torrent.DropPiece](r); len(d) != 2 {
		t.Errorf("drops %v", d)
	}
	if !slices.ContainsFunc(told, func(e torrent.Effect) bool { return e == torrent.ReaderExpired{Reader: 1, First: 2} }) {
		t.Errorf("the reader is not told: %v", told)
	}
	if s := r.m.Stats(r.Now); s.Missing != 1 || s.OpenPieces != 1 || s.Requested != 2 {
		t.Errorf("%+v", s)
	}
	// Late blocks of it, and haves, do not count.
	r.recv(p, wire.Message{ID: wire.Piece, Index: 1, Length: torrent.BlockSize}, wire.Message{ID: wire.Have, Index: 1})
	r.answer(p, reqs[4:]...)
	r.Step(torrent.PieceStored{Index: 2})
	if s := r.m.Stats(r.Now); s.Have != 1 || s.Missing != 0 || r.m.PeerStats(r.Now)[0].Interested {
		t.Errorf("%+v", s)
	}
}

// The store may have let go of a piece already when it is to be written: that is
// nothing to stop for.
func TestAPieceMayExpireWhileItIsChecked(t *testing.T) {
	for name, result := range map[string]torrent.Event{
		"stored": torrent.PieceStored{Index: 0}, "refused": torrent.StoreFailed{Index: 0},
		"forged": torrent.PieceForged{Index: 0, Sums: make([][20]byte, 2)},
	} {
		t.Run(name, func(t *testing.T) {
			r := liveRig(t, 0)
			r.Step(torrent.Grown{Pieces: livePieces(1)})
			p, q := r.source(0), r.source()
			r.answer(p, r.take(p, wire.Request)...)
			r.Effects = nil
			r.Step(torrent.Expired{First: 1})
			if d := did[torrent.DropPiece](r); len(d) > 0 {
				t.Fatal("the buffer was taken away while it was hashed")
			}
			r.Step(result)
			if d := did[torrent.DropPiece](r); len(d) != 1 {
				t.Error("the buffer is kept")
			}
			if list := did[torrent.Have](r); len(list) > 0 || r.m.Stats(r.Now).Have > 0 {
				t.Errorf("it counts as stored: %v", list)
			}
			r.Step(torrent.Grown{Pieces: livePieces(1)})
			r.recv(q, wire.Message{ID: wire.Have, Index: 1})
			if reqs := r.take(q, wire.Request); len(reqs) != 2 {
				t.Errorf("does not go on: asks for %v", reqs)
			}
		})
	}
}

// What a peer asked for and waits for is refused; what is under way goes on.
func TestExpiredPiecesAreRefused(t *testing.T) {
	for _, fast := range []bool{true, false} {
		r := start(t, testTorrent(t, true, false), func(c *torrent.Config) { live(0)(c); c.UploadWindow = torrent.BlockSize })
		r.Step(torrent.Grown{Pieces: livePieces(2), Stored: true})
		p := r.reader(joined{noFast: !fast})
		r.Wait(time.Second)
		for b := range 2 {
			r.recv(p, wire.Message{ID: wire.Request, Index: 0, Begin: uint32(b) * torrent.BlockSize, Length: torrent.BlockSize})
		}
		r.recv(p, wire.Message{ID: wire.Request, Index: 1, Length: torrent.BlockSize})
		if ups := did[*torrent.Upload](r); len(ups) != 1 {
			t.Fatalf("%d uploads", len(ups))
		}
		r.take(p)
		r.Step(torrent.Expired{First: 1})
		r.recv(p, wire.Message{ID: wire.Request, Index: 0, Length: torrent.BlockSize})
		rejects := r.take(p, wire.Reject)
		switch {
		case fast && (len(rejects) != 2 || rejects[0].Begin != torrent.BlockSize || rejects[1].Begin != 0):
			t.Errorf("rejects %v", rejects)
		case !fast && len(rejects) > 0:
			t.Errorf("rejects %v to a peer that knows no reject", rejects)
		}
		r.Step(torrent.Sent{Peer: p, Bytes: torrent.BlockSize, Blocks: 1})
		if ups := did[*torrent.Upload](r); len(ups) != 1 || ups[0].Index != 1 {
			t.Errorf("uploads %v", ups)
		}
		if c, gone := r.Closed[p]; gone {
			t.Errorf("closed: %v", c.Err)
		}
	}
}

// A reader's window may reach beyond the end: it is followed there.
func TestAReaderFollowsTheEnd(t *testing.T) {
	r := liveRig(t, 0)
	r.Step(torrent.ReaderMoved{Reader: 1, First: 1, Last: 1 << 40, Urgent: time.Second, Spacing: time.Second})
	r.Step(torrent.Grown{Pieces: livePieces(4)})
	r.Step(torrent.Grown{Pieces: livePieces(4)})
	p := r.source()
	var haves []wire.Message
	for i := range uint32(8) {
		haves = append(haves, wire.Message{ID: wire.Have, Index: i})
	}
	r.recv(p, haves...)
	var order []int
	for range 8 {
		reqs := r.take(p, wire.Request)
		for _, q := range reqs {
			if !slices.Contains(order, int(q.Index)) {
				order = append(order, int(q.Index))
			}
		}
		r.answer(p, reqs...)
	}
	if !slices.Equal(order, []int{1, 2, 3, 4, 5, 6, 7, 0}) {
		t.Errorf("fetches in the order %v", order)
	}
	// One that is moved to where nothing is any more is told at once.
	r.Effects = nil
	r.Step(torrent.Expired{First: 6}, torrent.ReaderMoved{Reader: 2, First: 2, Last: 9})
	told := did[torrent.ReaderExpired](r)
	if !slices.Equal(told, []torrent.ReaderExpired{{Reader: 1, First: 6}, {Reader: 2, First: 6}}) {
		t.Errorf("readers are told %v", told)
	}
}

// Pieces that somebody had before us are as rare as they are.
func TestAPieceKnownAheadIsCounted(t *testing.T) {
	const more, rare = 40, 23
	r := liveRig(t, 0)
	r.Step(torrent.Grown{Pieces: livePieces(8), Stored: true})
	p, q := r.source(), r.join(joined{})
	for i := range uint32(more) {
		r.recv(p, wire.Message{ID: wire.Have, Index: 8 + i})
		if i != rare {
			r.recv(q, wire.Message{ID: wire.Have, Index: 8 + i})
		}
	}
	r.Step(torrent.Grown{Pieces: livePieces(more)})
	if reqs := r.take(p, wire.Request); len(reqs) == 0 || reqs[0].Index != 8+rare {
		t.Errorf("asks for %v", reqs)
	}
}

// A piece is due when it was, even if those before it in the window have expired.
func TestExpiryMovesNoDeadline(t *testing.T) {
	r := liveRig(t, 0)
	r.Step(
		torrent.Grown{Pieces: livePieces(20)},
		torrent.ReaderMoved{Reader: 1, Last: 6, Urgent: time.Second, Spacing: 10 * time.Second},
		torrent.ReaderMoved{Reader: 2, First: 8, Last: 9, Urgent: 20 * time.Second, Spacing: time.Second},
		torrent.Expired{First: 5},
	)
	p := r.join(joined{})
	r.recv(p, wire.Message{ID: wire.Have, Index: 5}, wire.Message{ID: wire.Have, Index: 8}, wire.Message{ID: wire.Unchoke})
	reqs := r.take(p, wire.Request)
	if len(reqs) != 4 || reqs[0].Index != 8 || reqs[2].Index != 5 {
		t.Errorf("asks for %v", reqs)
	}
}

// Nothing is remembered of a piece that has expired: who sent forged blocks of it,
// who refused it, who may ask for it or asked for it.
func TestNothingIsKeptOfExpiredPieces(t *testing.T) {
	r := start(t, testTorrent(t, true, false), func(c *torrent.Config) { live(0)(c); c.UploadWindow = 1 })
	r.Step(torrent.Grown{Pieces: livePieces(4)}, torrent.Grown{Pieces: livePieces(1), Stored: true})
	p, q := r.source(), r.source()
	if n := r.m.Limits().MaxBitfield; n != 1 {
		t.Errorf("bitfields of %d bytes are welcome", n)
	}
	forge := func(i uint32) {
		r.recv(p, wire.Message{ID: wire.Have, Index: i})
		r.recv(q, wire.Message{ID: wire.Have, Index: i})
		// Two senders, so that nobody is banned for it.
		r.recv(p, wire.Message{ID: wire.Piece, Index: i, Length: torrent.BlockSize})
		r.recv(q, wire.Message{ID: wire.Piece, Index: i, Begin: torrent.BlockSize, Length: torrent.BlockSize})
		if v := did[torrent.Verify](r); len(v) != 1 || v[0].Index != int(i) {
			t.Fatalf("verifies %v", v)
		}
	}
	forge(0)
	r.Step(torrent.PieceForged{Index: 0, Sums: make([][20]byte, 2)})
	forge(1)
	r.recv(p, wire.Message{ID: wire.Have, Index: 2}, wire.Message{ID: wire.AllowedFast, Index: 3}, wire.Message{ID: wire.Interested})
	r.recv(p, wire.Message{ID: wire.Reject, Index: 2, Length: torrent.BlockSize})
	r.Wait(time.Second)
	for b := range uint32(2) {
		r.recv(p, wire.Message{ID: wire.Request, Index: 4, Begin: b * torrent.BlockSize, Length: torrent.BlockSize})
	}
	if n := r.m.Kept(); n < 5+1+1+1+1 {
		t.Fatalf("%d things are remembered before", n)
	}
	r.Step(torrent.Expired{First: 5})
	r.Step(torrent.PieceForged{Index: 1, Sums: make([][20]byte, 2)})
	if n := r.m.Kept(); n > 0 {
		t.Errorf("%d things are remembered", n)
	}
	for _, key := range []torrent.PeerKey{p, q} {
		if c, gone := r.Closed[key]; gone {
			t.Errorf("closed: %v", c.Err)
		}
	}
}

// Interest follows what peers have within the window, whatever happens.
func TestInterestFollowsTheWindow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := liveRig(t, 0)
		first, end := 0, 0
		have := map[int]bool{}
		peers := map[torrent.PeerKey]map[int]bool{}
		for range 3 {
			peers[r.source()] = map[int]bool{}
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			key := torrent.PeerKey(rapid.IntRange(1, 3).Draw(rt, "peer"))
			i := rapid.IntRange(max(0, first-3), end+6).Draw(rt, "piece")
			switch rapid.IntRange(0, 5).Draw(rt, "op") {
			case 0:
				n := rapid.IntRange(1, 5).Draw(rt, "more")
				r.Step(torrent.Grown{Pieces: livePieces(n)})
				end += n
			case 1:
				r.Step(torrent.Expired{First: i})
				first, end = max(first, i), max(end, i)
			case 2, 3:
				r.recv(key, wire.Message{ID: wire.Have, Index: uint32(i)})
				if i >= first {
					peers[key][i] = true
				}
			case 4:
				r.recv(key, enginetest.Extended(dontHaveID, wire.AppendDontHave(nil, uint32(i))))
				delete(peers[key], i)
			case 5:
				r.answer(key, r.take(key, wire.Request)...)
				for _, v := range did[torrent.Verify](r) {
					r.Step(torrent.PieceStored{Index: v.Index})
					have[v.Index] = true
				}
			}
			missing := 0
			for k := first; k < end; k++ {
				if !have[k] {
					missing++
				}
			}
			if s := r.m.Stats(r.Now); s.Missing != missing || s.Have != end-first-missing || s.Pieces != end-first {
				rt.Fatalf("%d to %d: %+v, want %d missing", first, end, s, missing)
			}
			for _, p := range r.m.PeerStats(r.Now) {
				want := false
				for k := range peers[p.Peer] {
					want = want || first <= k && k < end && !have[k]
				}
				if p.Interested != want {
					rt.Fatalf("%d to %d: interested in peer %d %v, want %v", first, end, p.Peer, p.Interested, want)
				}
			}
			for key, c := range r.Closed {
				rt.Fatalf("peer %d closed: %v", key, c.Err)
			}
		}
	})
}

// A stream of 100,000 pieces is watched through a window of 64: every piece comes
// before it is due, in the order of the deadlines, and neither memory nor work
// depends on how long it goes on.
func TestAnEndlessStreamIsFollowed(t *testing.T) {
	const pieces, window, behind, ahead = 100_000, 64, 32, 8
	r := liveRig(t, 0)
	var peers []torrent.PeerKey
	for range 3 {
		peers = append(peers, r.source())
	}
	next, early, late := 0, 0, 0
	took := func() (n int) {
		for _, p := range peers {
			reqs := r.take(p, wire.Request)
			n += len(reqs)
			r.answer(p, reqs...)
		}
		for _, v := range did[torrent.Verify](r) {
			r.Step(torrent.PieceStored{Index: v.Index})
			if v.Index < next {
				early++
			}
			next = max(next, v.Index)
		}
		return n
	}
	work, memory := [2]int{}, [2]float64{}
	for i := range pieces {
		r.Step(
			torrent.Grown{Pieces: livePieces(1)},
			torrent.Expired{First: i + 1 - window},
			torrent.ReaderMoved{Reader: 1, First: max(0, i-behind), Last: i + ahead, Urgent: time.Second, Spacing: time.Second},
		)
		// One or two of the peers have it at once, all of them a little later.
		for k, p := range peers {
			if k != i%3 {
				r.recv(p, wire.Message{ID: wire.Have, Index: uint32(i)})
			} else if i > 0 {
				r.recv(p, wire.Message{ID: wire.Have, Index: uint32(i - 1)})
			}
		}
		for took() > 0 {
		}
		r.Now = r.Now.Add(time.Second)
		s := r.m.Stats(r.Now)
		if s.OpenPieces > window || s.Pieces > window {
			t.Fatalf("piece %d: %+v", i, s)
		}
		late += s.Missing
		switch i {
		case 1000:
			work[0], memory[0] = r.m.Work(), heap()
		case 2000:
			work[0] = r.m.Work() - work[0]
		case pieces - 1001:
			work[1] = r.m.Work()
		case pieces - 1:
			work[1], memory[1] = r.m.Work()-work[1], heap()
		}
	}
	s := r.m.Stats(r.Now)
	t.Logf("%d pieces, %d out of order, %d seconds of waiting; %d and %d looks for a thousand; %.1f and %.1f kB", s.Downloaded/pieceLength, early, late, work[0], work[1], memory[0], memory[1])
	if s.Downloaded != pieces*pieceLength || s.Wasted > 0 || late > 0 || early > 0 {
		t.Errorf("%d bytes of %d, %d wasted, %d out of order, %d late", s.Downloaded, pieces*pieceLength, s.Wasted, early, late)
	}
	if work[1] > work[0]+work[0]/2 {
		t.Errorf("%d looks for a thousand pieces at the beginning, %d at the end", work[0], work[1])
	}
	if memory[1] > memory[0]+24 { // a bit for each piece and peer would be 37
		t.Errorf("%.1f kB at the beginning, %.1f at the end", memory[0], memory[1])
	}
}

// heap is how many kilobytes are in use.
func heap() float64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return float64(s.HeapAlloc) / 1e3
}
