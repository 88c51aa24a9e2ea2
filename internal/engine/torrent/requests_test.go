package torrent_test

import (
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// longTorrent has n pieces of four blocks.
func longTorrent(t *testing.T, n int) *metainfo.Torrent {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "long", PieceLength: 4 * torrent.BlockSize, V1: true,
		Files: []metainfo.BuildFile{{Path: []string{"long"}, Length: int64(n) * 4 * torrent.BlockSize}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		b.SetPiece(i, metainfo.PieceHashes{V1: metainfo.Hash{byte(i), byte(i >> 8), 1}})
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

// stream lets a peer answer its requests in order at a rate, for a time, and
// returns the longest queue it was given.
func (r *rig) stream(key torrent.PeerKey, queue *[]wire.Message, every, d time.Duration) (longest int) {
	r.T.Helper()
	for end := r.Now.Add(d); r.Now.Before(end); {
		*queue = append(*queue, r.take(key, wire.Request)...)
		longest = max(longest, len(*queue))
		r.Wait(every)
		if len(*queue) > 0 {
			q := (*queue)[0]
			*queue = (*queue)[1:]
			r.answer(key, q)
		}
		for _, v := range did[torrent.Verify](r) {
			r.Step(torrent.PieceStored{Index: v.Index})
		}
	}
	return longest
}

func TestQueueFollowsTheRate(t *testing.T) {
	tor := longTorrent(t, 2000)
	for _, tt := range []struct {
		name   string
		every  time.Duration
		lo, hi int
	}{
		{"16 KB/s", time.Second, 1, 6},
		{"160 KB/s", 100 * time.Millisecond, 10, 40},
		{"1.6 MB/s", 10 * time.Millisecond, 100, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, tor, nil)
			key := r.seed()
			var queue []wire.Message
			r.stream(key, &queue, tt.every, 20*time.Second)
			if n := r.stream(key, &queue, tt.every, 5*time.Second); n < tt.lo || n > tt.hi {
				t.Fatalf("%d requests outstanding, want %d to %d", n, tt.lo, tt.hi)
			}
		})
	}
}

func TestQueueHonoursWhatThePeerAccepts(t *testing.T) {
	r := start(t, longTorrent(t, 500), nil)
	key := r.join(joined{})
	h := wire.ExtHandshake{ReqQ: 5}
	r.recv(key, enginetest.Extended(wire.ExtHandshakeID, h.Append(nil)), wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	var queue []wire.Message
	if n := r.stream(key, &queue, time.Millisecond, time.Second); n > 5 {
		t.Fatalf("%d requests to a peer that accepts 5", n)
	}
}

func TestQueueIsRefilledOnEveryBlock(t *testing.T) {
	r := start(t, longTorrent(t, 500), nil)
	key := r.seed()
	queue := r.take(key, wire.Request)
	r.Now = r.Now.Add(50 * time.Millisecond)
	r.answer(key, queue[0])
	if len(r.take(key, wire.Request)) == 0 {
		t.Fatal("no request follows a block")
	}
}

func TestNothingIsRequestedWhileChoked(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.join(joined{})
	r.recv(key, wire.Message{ID: wire.HaveAll})
	r.Wait(time.Minute)
	if n := len(r.take(key, wire.Request)); n != 0 {
		t.Fatalf("%d requests", n)
	}
	r.recv(key, wire.Message{ID: wire.AllowedFast, Index: 6})
	for _, q := range r.take(key, wire.Request) {
		if q.Index != 6 {
			t.Fatalf("requests piece %d, only 6 is allowed", q.Index)
		}
	}
}

func TestSilentPeerLosesItsBlocksToOthers(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	slow := r.seed()
	asked := r.take(slow, wire.Request)
	quick := r.seed()
	var queue []wire.Message
	r.stream(quick, &queue, 20*time.Millisecond, 30*time.Second)
	if !r.m.Complete() {
		t.Fatalf("stalls with %+v after a silent peer", r.m.Stats(r.Now))
	}
	if len(asked) == 0 {
		t.Fatal("the slow peer was never asked")
	}
}

// A peer that wakes up is not asked again for what is still on its list.
func TestPeerThatWakesUpIsNotAskedTwice(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	asked := r.take(key, wire.Request)
	r.Wait(20 * time.Second)
	r.take(key)
	outstanding := asked[1:]
	r.answer(key, asked[0])
	for _, q := range r.take(key, wire.Request) {
		if slices.ContainsFunc(outstanding, func(o wire.Message) bool { return o.Index == q.Index && o.Begin == q.Begin }) {
			t.Fatalf("piece %d at %d is asked for again", q.Index, q.Begin)
		}
	}
}

// Choke without the fast extension voids requests; with it each is answered.
func TestChokeVoidsRequestsWithoutTheFastExtension(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.join(joined{noFast: true})
	r.recv(key, wire.Message{ID: wire.Bitfield, Payload: []byte{0xff, 0xc0}}, wire.Message{ID: wire.Unchoke})
	first := r.take(key, wire.Request)
	r.recv(key, wire.Message{ID: wire.Choke}, wire.Message{ID: wire.Unchoke})
	if again := r.take(key, wire.Request); len(again) != len(first) || len(first) == 0 {
		t.Fatalf("%d requests, then %d", len(first), len(again))
	}
}

func TestRejectWhileUnchokedIsNotAskedForAgain(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	for range 50 {
		for _, q := range r.take(key, wire.Request) {
			r.recv(key, block(wire.Reject, q.Index, q.Begin, q.Length))
		}
	}
	if n := len(r.take(key, wire.Request)); n != 0 {
		t.Fatalf("still asks for %d blocks", n)
	}
}

// The reject that answers a cancel must not be taken for the answer to a later
// request of the same block.
func TestRejectOfACancelledRequestIsNotHeldAgainstThePeer(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	asked := r.take(key, wire.Request)
	r.Step(torrent.Paused{On: true})
	if n := len(r.take(key, wire.Cancel)); n != len(asked) {
		t.Fatalf("%d of %d requests cancelled", n, len(asked))
	}
	r.Step(torrent.Paused{On: false})
	for _, q := range asked {
		r.recv(key, block(wire.Reject, q.Index, q.Begin, q.Length))
	}
	var queue []wire.Message
	r.stream(key, &queue, time.Millisecond, 5*time.Second)
	if !r.m.Complete() {
		t.Fatalf("stalls: %+v", r.m.Stats(r.Now))
	}
}

func TestEndGameAsksForLateBlocksOnlyAndCancelsTheOther(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	slow := r.seed()
	stuck := r.take(slow, wire.Request)
	quick := r.seed()
	var queue []wire.Message
	for range 100 {
		queue = append(queue, r.take(quick, wire.Request)...)
		for _, q := range queue {
			if slices.ContainsFunc(stuck, func(s wire.Message) bool { return s.Index == q.Index && s.Begin == q.Begin }) &&
				r.m.Stats(r.Now).Have < 4 {
				t.Fatal("a duplicate while something is unrequested")
			}
		}
		r.Now = r.Now.Add(10 * time.Millisecond)
		if len(queue) > 0 {
			r.answer(quick, queue[0])
			queue = queue[1:]
		}
		for _, v := range did[torrent.Verify](r) {
			r.Step(torrent.PieceStored{Index: v.Index})
		}
	}
	r.stream(quick, &queue, 10*time.Millisecond, 8*time.Second)
	if !r.m.Complete() {
		t.Fatalf("waits for the slow peer: %+v", r.m.Stats(r.Now))
	}
	if n := len(r.take(slow, wire.Cancel)); n != len(stuck) {
		t.Fatalf("%d of %d requests withdrawn from the slow peer", n, len(stuck))
	}
}

func TestPausedMachineNeitherAsksNorServes(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	r.take(key)
	r.Step(torrent.Paused{On: true})
	r.recv(key, wire.Message{ID: wire.Have, Index: 3}, wire.Message{ID: wire.Interested})
	r.Wait(30 * time.Second)
	if n := len(r.take(key, wire.Request, wire.Unchoke)); n != 0 {
		t.Fatalf("%d requests and unchokes while paused", n)
	}
	r.Step(torrent.Paused{On: false})
	var asks, serves bool
	for _, m := range r.take(key, wire.Request, wire.Unchoke) {
		asks = asks || m.ID == wire.Request
		serves = serves || m.ID == wire.Unchoke
	}
	if !asks || !serves {
		t.Fatalf("asks %v, serves %v after the pause", asks, serves)
	}
}

func TestInterestIsTakenUpAgainAfterAPause(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.join(joined{})
	r.recv(key, wire.Message{ID: wire.HaveNone})
	r.Step(torrent.Paused{On: true})
	r.recv(key, wire.Message{ID: wire.Have, Index: 3})
	r.Step(torrent.Paused{On: false})
	if len(r.take(key, wire.Interested)) != 1 {
		t.Fatal("not interested in what came during the pause")
	}
}

func TestFullStoreStopsFetchingUntilResume(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	var v []torrent.Verify
	for len(v) == 0 {
		r.answer(key, r.take(key, wire.Request)...)
		v = did[torrent.Verify](r)
	}
	for _, v := range v {
		r.Step(torrent.StoreFailed{Index: v.Index})
	}
	r.take(key)
	r.Wait(20 * time.Second)
	if n := len(r.take(key, wire.Request)); n != 0 {
		t.Fatalf("%d requests with a full store", n)
	}
	if len(r.Closed) != 0 {
		t.Fatal("the peer is punished for our store")
	}
	r.Step(torrent.Paused{On: false})
	var queue []wire.Message
	r.stream(key, &queue, time.Millisecond, 5*time.Second)
	if !r.m.Complete() {
		t.Fatalf("stalls: %+v", r.m.Stats(r.Now))
	}
}

func TestThinLineWithManyPeersKeepsTheQueueShort(t *testing.T) {
	r := start(t, longTorrent(t, 500), nil)
	for range 40 {
		r.seed()
	}
	total := 0
	for key := range r.Sent {
		total += len(r.take(key, wire.Request))
	}
	if total > 80 {
		t.Fatalf("%d requests before anything is known of the line", total)
	}
}

// A block that crosses its cancel has claimed its place in the buffer: no other
// copy can be put there, so it must count.
func TestBlockThatCrossesItsCancelCounts(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	old := r.join(joined{noFast: true})
	r.recv(old, wire.Message{ID: wire.Bitfield, Payload: []byte{0xff, 0xc0}}, wire.Message{ID: wire.Unchoke})
	asked := r.take(old, wire.Request)
	r.recv(old, wire.Message{ID: wire.Choke})
	r.answer(old, asked[0])
	if got := r.m.Stats(r.Now); got.Wasted != 0 || got.Downloaded != torrent.BlockSize {
		t.Fatalf("counted as %+v", got)
	}
	next := r.seed()
	for _, q := range r.take(next, wire.Request) {
		if q.Index == asked[0].Index && q.Begin == asked[0].Begin {
			t.Fatal("asked for again")
		}
	}
}

// The same for blocks of a peer that was closed before they were looked at.
func TestBlocksBehindABreachCount(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	asked := r.take(key, wire.Request)
	r.recv(key, wire.Message{ID: wire.Have, Index: 99}, block(wire.Piece, asked[0].Index, asked[0].Begin, asked[0].Length))
	if _, gone := r.Closed[key]; !gone {
		t.Fatal("not closed")
	}
	r.answer(key, asked[1])
	if got := r.m.Stats(r.Now).Downloaded; got != 2*torrent.BlockSize {
		t.Fatalf("%d bytes count, two blocks lie in buffers", got)
	}
}

// Should a driver let a block of the wrong length into a buffer, the piece is
// begun again.
func TestSpoiledBufferIsThrownAway(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	asked := r.take(key, wire.Request)
	before := r.buffers[int(asked[0].Index)]
	friend := r.join(joined{})
	r.recv(friend, wire.Message{ID: wire.HaveAll})
	r.recv(key, block(wire.Piece, asked[0].Index, asked[0].Begin, 1))
	if c := r.Closed[key]; !enginetest.IsBreach(c.Err) {
		t.Fatalf("closed %v", r.Closed)
	}
	r.recv(friend, wire.Message{ID: wire.Unchoke})
	var queue []wire.Message
	r.stream(friend, &queue, time.Millisecond, 3*time.Second)
	if after, open := r.buffers[int(asked[0].Index)]; open && after == before {
		t.Fatal("goes on with the spoiled buffer")
	}
	if !r.m.Complete() {
		t.Fatalf("stalls: %+v", r.m.Stats(r.Now))
	}
}

// A peer that rejects a request may be busy. With nobody else to ask it is asked
// again after a while, and no more after the third time.
func TestRejectedPieceIsAskedForAgainLater(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	var first wire.Message
	times := 0
	refuse := func(d time.Duration) {
		for end := r.Now.Add(d); r.Now.Before(end); r.Wait(100 * time.Millisecond) {
			for _, q := range r.take(key, wire.Request) {
				if first.Length == 0 {
					first = q
				}
				if q.Index == first.Index {
					times++
					r.recv(key, block(wire.Reject, q.Index, q.Begin, q.Length))
					continue
				}
				r.answer(key, q)
			}
			for _, v := range did[torrent.Verify](r) {
				r.Step(torrent.PieceStored{Index: v.Index})
			}
		}
	}
	refuse(4 * time.Second)
	if have := r.m.Stats(r.Now).Have; have != numPieces-1 || times > 2 {
		t.Fatalf("has %d pieces, asked %d times for a block that was rejected", have, times)
	}
	refuse(time.Minute)
	if times < 3 || times > 6 { // three times for one or both blocks
		t.Fatalf("asked %d times in a minute", times)
	}
	for range 3 {
		r.Wait(time.Minute)
		r.recv(key, wire.Message{KeepAlive: true})
	}
	if n := len(r.take(key, wire.Request)); n != 0 {
		t.Fatalf("%d requests after three refusals", n)
	}
}

func TestDownloadEndsThoughTheOnlySeedRejectedSomething(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	for _, q := range r.take(key, wire.Request) {
		r.recv(key, block(wire.Reject, q.Index, q.Begin, q.Length))
	}
	var queue []wire.Message
	r.stream(key, &queue, 10*time.Millisecond, 10*time.Second)
	if !r.m.Complete() {
		t.Fatalf("stops short: %+v", r.m.Stats(r.Now))
	}
}

// A choke without BEP 6 voids the requests; to cancel each is noise.
func TestChokeIsNotAnsweredWithCancels(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.join(joined{noFast: true})
	r.recv(key, wire.Message{ID: wire.Bitfield, Payload: []byte{0xff, 0xc0}}, wire.Message{ID: wire.Unchoke})
	if len(r.take(key, wire.Request)) == 0 {
		t.Fatal("nothing requested")
	}
	r.recv(key, wire.Message{ID: wire.Choke})
	if n := len(r.take(key, wire.Cancel)); n != 0 {
		t.Fatalf("%d cancels", n)
	}
	if v := did[torrent.Void](r); len(v) != 1 || v[0].Peer != key {
		t.Fatalf("the driver still expects answers: %v", v)
	}
}
