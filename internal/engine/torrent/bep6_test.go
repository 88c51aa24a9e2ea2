package torrent_test

// The sentences of BEP 6 that a peer can hold us to.

import (
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/enginetest"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// narrow is a seed that gives the driver one block at a time.
func narrow(c *torrent.Config) {
	seeded(c)
	c.UploadWindow = 1
}

// oneBlockOf is a request for the first block of a piece.
func oneBlockOf(i uint32) wire.Message { return block(wire.Request, i, 0, torrent.BlockSize) }

// "The extension is enabled only if both ends of the connection set this bit."
func TestBEP6IsNotSpokenWithoutTheBit(t *testing.T) {
	for name, change := range map[string]func(*torrent.Config){"nothing": nil, "some": has(2), "all": narrow, "magnet": magnet} {
		r := start(t, testTorrent(t, true, false), change)
		key := r.join(joined{noFast: true})
		for range 10 {
			r.recv(key, wire.Message{ID: wire.Interested})
			if name != "magnet" {
				r.recv(key, oneBlockOf(2), oneBlockOf(3), block(wire.Cancel, 3, 0, torrent.BlockSize))
			}
			r.recv(key, wire.Message{ID: wire.NotInterested})
		}
		r.Wait(time.Minute)
		if got := r.take(key, wire.HaveAll, wire.HaveNone, wire.Suggest, wire.Reject, wire.AllowedFast); len(got) != 0 {
			t.Errorf("%s: says %v", name, got)
		}
	}
}

// "Now, every request is guaranteed to result in EXACTLY ONE response which is either the
// corresponding reject or corresponding piece message." "Even when a request is cancelled, the peer
// receiving the cancel should respond with either the corresponding reject or the corresponding piece:
// requests that are being processed are allowed to complete."
func TestBEP6EveryRequestHasOneResponse(t *testing.T) {
	cancel := func(i uint32) wire.Message { return block(wire.Cancel, i, 0, torrent.BlockSize) }
	for name, tt := range map[string]struct {
		choked bool
		change func(*torrent.Config)
		does   func(r *rig, key torrent.PeerKey)
		pieces int // of the three requests
	}{
		"served":             {does: func(*rig, torrent.PeerKey) {}, pieces: 3},
		"choked":             {choked: true, does: func(*rig, torrent.PeerKey) {}},
		"not there":          {change: has(0, 2), does: func(*rig, torrent.PeerKey) {}, pieces: 2},
		"cancelled":          {does: func(r *rig, key torrent.PeerKey) { r.recv(key, cancel(1)) }, pieces: 2},
		"cancelled twice":    {does: func(r *rig, key torrent.PeerKey) { r.recv(key, cancel(1), cancel(1)) }, pieces: 2},
		"cancelled too late": {does: func(r *rig, key torrent.PeerKey) { r.recv(key, cancel(0)) }, pieces: 3},
		"then choked":        {does: func(r *rig, key torrent.PeerKey) { r.Step(torrent.DownloadOnly{On: true}) }, pieces: 1},
		"paused":             {does: func(r *rig, key torrent.PeerKey) { r.Step(torrent.Paused{On: true}) }, pieces: 1},
		"unreadable": {does: func(r *rig, key torrent.PeerKey) {
			did[*torrent.Upload](r)
			r.Step(torrent.ReadFailed{Peer: key, Index: 0, Length: torrent.BlockSize})
		}, pieces: 2},
		"no longer interested": {does: func(r *rig, key torrent.PeerKey) { r.recv(key, wire.Message{ID: wire.NotInterested}) }, pieces: 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, testTorrent(t, true, false), func(c *torrent.Config) {
				if narrow(c); tt.change != nil {
					tt.change(c)
				}
			})
			key := r.join(joined{})
			if !tt.choked {
				r.recv(key, wire.Message{ID: wire.Interested})
			}
			r.recv(key, oneBlockOf(0), oneBlockOf(1), oneBlockOf(2))
			tt.does(r, key)
			answers := map[uint32]int{}
			pieces := 0
			for {
				up := did[*torrent.Upload](r)
				if len(up) == 0 {
					break
				}
				for _, u := range up {
					answers[u.Index]++
					pieces++
					r.Step(torrent.Sent{Peer: key, Bytes: torrent.BlockSize, Blocks: 1})
				}
			}
			for _, m := range r.take(key, wire.Reject) {
				if m.Begin != 0 || m.Length != torrent.BlockSize {
					t.Fatalf("rejects %+v", m)
				}
				answers[m.Index]++
			}
			if answers[0] != 1 || answers[1] != 1 || answers[2] != 1 || pieces != tt.pieces {
				t.Fatalf("%d pieces; responses %v", pieces, answers)
			}
		})
	}
}

// "Choke no longer implicitly rejects all pending requests, thus eliminating some race conditions
// which could cause pieces to be needlessly requested multiple times."
func TestBEP6ChokeDoesNotVoidRequests(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.seed()
	asked := r.take(key, wire.Request)
	r.recv(key, wire.Message{ID: wire.Choke}, wire.Message{ID: wire.Unchoke})
	for _, q := range r.take(key, wire.Request) {
		if slices.ContainsFunc(asked, func(o wire.Message) bool { return o.Index == q.Index && o.Begin == q.Begin }) {
			t.Fatalf("asks again for %+v", q)
		}
	}
	r.recv(key, wire.Message{ID: wire.Choke})
	r.answer(key, asked...)
	if down, _, _ := r.m.Totals(); down != int64(len(asked)*torrent.BlockSize) || len(r.Closed) != 0 {
		t.Fatalf("takes %d bytes of %d blocks that were under way", down, len(asked))
	}
}

// "Additionally, if a peer receives a piece that was never requested, the peer MUST close the
// connection." BEP 52 says the same.
//
// We forgive 64: a block may cross our cancel, and real clients answer twice after a choke. Its bytes
// count for nothing.
func TestBEP6UnrequestedPiecesCloseTheConnection(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.join(joined{})
	for n := 0; ; n++ {
		if c, gone := r.Closed[key]; gone {
			if n < 10 || !enginetest.IsBreach(c.Err) {
				t.Fatalf("closed after %d blocks: %v", n, c.Err)
			}
			break
		}
		if n > 100 {
			t.Fatal("takes what it never requested without end")
		}
		r.recv(key, block(wire.Piece, 0, 0, torrent.BlockSize))
	}
	if down, _, _ := r.m.Totals(); down != 0 {
		t.Fatalf("%d bytes count", down)
	}
}

// "Exactly one of Have All, Have None, or Have Bitfield MUST appear and only immediately after the
// handshake."
//
// Before it is the extension handshake alone, which BEP 10 wants there too.
func TestBEP6OneOfHaveAllNoneOrBitfield(t *testing.T) {
	opening := []wire.ID{wire.HaveAll, wire.HaveNone, wire.Bitfield}
	for name, tt := range map[string]struct {
		change func(*torrent.Config)
		want   wire.ID
	}{
		"nothing": {nil, wire.HaveNone}, "some": {has(2), wire.Bitfield}, "all": {seeded, wire.HaveAll}, "magnet": {magnet, wire.HaveNone},
	} {
		r := start(t, testTorrent(t, true, false), func(c *torrent.Config) {
			c.DHTPort = 6881
			if tt.change != nil {
				tt.change(c)
			}
		})
		key := r.join(joined{silent: true, dht: true, addr: "192.0.2.1:6881"})
		said := r.Sent[key]
		if said[0].ID != wire.Extended || said[1].ID != tt.want {
			t.Errorf("%s: begins with %v and %v", name, said[0].ID, said[1].ID)
		}
		r.Wait(time.Minute)
		if n := len(r.take(key, opening...)); n != 1 {
			t.Errorf("%s: %d of them", name, n)
		}
	}
}

// "When the fast extension is disabled, if a peer receives Have All or Have None then the peer MUST
// close the connection." The same sentence stands beside each of the five messages.
func TestBEP6MessagesWithoutTheBitCloseTheConnection(t *testing.T) {
	for _, m := range []wire.Message{
		{ID: wire.HaveAll}, {ID: wire.HaveNone}, {ID: wire.Suggest, Index: 1}, block(wire.Reject, 1, 0, torrent.BlockSize), {ID: wire.AllowedFast, Index: 1},
	} {
		r := start(t, testTorrent(t, true, false), nil)
		old, young := r.join(joined{noFast: true}), r.join(joined{})
		r.recv(old, m)
		r.recv(young, m)
		if _, gone := r.Closed[young]; !enginetest.IsBreach(r.Closed[old].Err) || gone {
			t.Errorf("message %d closes %v", m.ID, r.Closed)
		}
	}
}

// "Suggest Piece is an advisory message meaning 'you might like to download this piece.'" "A peer MAY
// send more than one suggest piece message at any given time."
//
// We do not take the advice: the rarest pieces do more for the swarm.
func TestBEP6SuggestionsAreHarmless(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.join(joined{})
	for i := range uint32(numPieces) {
		r.recv(key, wire.Message{ID: wire.Suggest, Index: i})
	}
	r.recv(key, wire.Message{ID: wire.Unchoke})
	if len(r.Closed) != 0 || len(r.take(key, wire.Interested, wire.Request)) != 0 {
		t.Fatal("a suggestion is taken for a have")
	}
}

// "Reject Request notifies a requesting peer that its request will not be satisfied."
func TestBEP6RejectedBlockIsAskedOfAnother(t *testing.T) {
	r := start(t, testTorrent(t, true, false), has(0, 1, 2, 3, 4, 5, 6, 7, 8))
	key := r.seed()
	asked := r.take(key, wire.Request)
	other := r.seed()
	if len(asked) != 2 || len(r.take(other, wire.Request)) != 0 {
		t.Fatal("two blocks are missing")
	}
	r.recv(key, wire.Message{ID: wire.Choke})
	for _, q := range asked {
		r.recv(key, block(wire.Reject, q.Index, q.Begin, q.Length))
	}
	if got := r.take(other, wire.Request); len(got) != 2 {
		t.Fatalf("asks the other for %v", got)
	}
}

// "If a peer receives a reject for a request that was never sent then the peer SHOULD close the
// connection."
//
// We ignore a few: it may answer a cancel that we have forgotten. They cost us nothing, and a flood of
// them ends the connection.
func TestBEP6RejectOfWhatWasNotRequested(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.join(joined{})
	stray := block(wire.Reject, 1, 0, torrent.BlockSize)
	if r.recv(key, stray); len(r.Closed) != 0 {
		t.Fatal("closed for one")
	}
	for n := 0; len(r.Closed) == 0; n++ {
		if r.recv(key, times(100, stray)...); n > 100 {
			t.Fatal("ten thousand are let through")
		}
	}
}

// "If a peer sends a choke, it MUST reject all requests from the peer to whom the choke was sent"; "A
// peer SHOULD choke first and then reject requests so that the peer receiving the choke does not
// re-request the pieces."
func TestBEP6ChokeComesBeforeItsRejects(t *testing.T) {
	r := start(t, testTorrent(t, true, false), narrow)
	key := r.reader(joined{})
	r.recv(key, oneBlockOf(0), oneBlockOf(1), oneBlockOf(2))
	r.take(key)
	r.Step(torrent.DownloadOnly{On: true})
	said := r.take(key, wire.Choke, wire.Reject)
	if len(said) != 3 || said[0].ID != wire.Choke || said[1].Index != 1 || said[2].Index != 2 {
		t.Fatalf("says %v; the first block is under way", said)
	}
}

// "If a peer receives a request from a peer its choking, the peer receiving the request SHOULD send a
// reject". "If a peer receives an excessive number of requests from a peer it is choking, the peer
// receiving the requests MAY close the connection rather than reject the request. However, consider
// that it can take several seconds for buffers to drain and messages to propagate once a peer is choked."
func TestBEP6RequestsWhileChoked(t *testing.T) {
	r := start(t, testTorrent(t, true, false), seeded)
	key := r.join(joined{})
	const underWay = 500 // a long queue that crosses our choke
	r.recv(key, times(underWay, oneBlockOf(1))...)
	if n := len(r.take(key, wire.Reject)); n != underWay || len(r.Closed) != 0 {
		t.Fatalf("%d rejects; closed %v", n, r.Closed)
	}
	r.recv(key, times(20*underWay, oneBlockOf(1))...)
	if !enginetest.IsBreach(r.Closed[key].Err) {
		t.Fatal("ten thousand are answered")
	}
}

// "Allowed Fast is an advisory message which means 'if you ask for this piece, I'll give it to you even
// if you're choked.'" "a peer MAY send Allowed Fast messages at any time."
func TestBEP6AllowedPiecesAreRequestedWhileChoked(t *testing.T) {
	allowed := wire.Message{ID: wire.AllowedFast, Index: 6}
	for name, msgs := range map[string][]wire.Message{
		"after the bitfield": {{ID: wire.HaveAll}, allowed}, "before a have": {{ID: wire.HaveNone}, allowed, {ID: wire.Have, Index: 6}},
		"first of all": {allowed, {ID: wire.HaveAll}},
	} {
		r := start(t, testTorrent(t, true, false), nil)
		key := r.join(joined{})
		r.recv(key, msgs...)
		if got := r.take(key, wire.Request); len(got) != 2 || got[0].Index != 6 || got[1].Index != 6 {
			t.Errorf("%s: asks for %v", name, got)
		}
	}
}

// "The message sender MAY list pieces that the message sender does not have. The receiver MUST NOT
// interpret an Allowed Fast message as meaning that the message sender has the piece."
func TestBEP6AllowedFastIsNoHave(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.join(joined{})
	r.recv(key, wire.Message{ID: wire.HaveNone}, wire.Message{ID: wire.AllowedFast, Index: 6}, wire.Message{ID: wire.Unchoke})
	if got := r.take(key, wire.Request, wire.Interested); len(got) != 0 || len(r.Closed) != 0 {
		t.Fatalf("says %v", got)
	}
}

// "A peer SHOULD send Allowed Fast messages to any starting peer unless the local peer lacks
// sufficient resources."
//
// We send none: with upload slots that follow the line a newcomer is unchoked at once, and who
// lives on allowed pieces alone would get them from every peer without giving.
func TestBEP6NewcomerIsUnchokedAtOnceInstead(t *testing.T) {
	r := start(t, testTorrent(t, true, false), seeded)
	key := r.join(joined{addr: "192.0.2.1:6881"})
	r.recv(key, wire.Message{ID: wire.HaveNone}, wire.Message{ID: wire.Interested})
	if got := r.take(key, wire.AllowedFast, wire.Unchoke); len(got) != 1 || got[0].ID != wire.Unchoke {
		t.Fatalf("says %v", got)
	}
}

// "Have All" and "Have None" take the place of the bitfield at the start: neither may
// follow the other, itself or a bitfield. (A bitfield that comes late is borne.)
func TestBEP6_WhatAPeerHasIsSaidOnce(t *testing.T) {
	all, none := wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.HaveNone}
	set := wire.Message{ID: wire.Bitfield, Payload: []byte{0xff, 0xc0}}
	for _, first := range []wire.Message{all, none, set} {
		for _, second := range []wire.Message{all, none} {
			r := start(t, testTorrent(t, true, false), nil)
			key := r.join(joined{})
			r.recv(key, first)
			if _, gone := r.Closed[key]; gone {
				t.Fatalf("%v alone ends the connection", first.ID)
			}
			r.recv(key, second)
			if c := r.Closed[key]; !enginetest.IsBreach(c.Err) {
				t.Errorf("%v after %v is taken", second.ID, first.ID)
			}
		}
	}
}
