package torrent_test

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

func (r *rig) webSeed() torrent.PeerKey {
	r.T.Helper()
	r.Last++
	r.Step(swarm.PeerJoined{Peer: r.Last, WebSeed: true, URL: "https://example.org/clip"})
	return r.Last
}

// A web seed is asked for blocks like anybody, and is told nothing else.
func TestWebSeedIsAPeerThatHearsRequestsOnly(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.webSeed()
	if len(r.Sent[key]) != 0 {
		t.Fatalf("sent %v", r.Sent[key])
	}
	r.recv(key, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	for range 100 {
		reqs := r.Sent[key]
		r.Sent[key] = nil
		for _, m := range reqs {
			if m.KeepAlive || m.ID != wire.Request {
				t.Fatalf("sent %v", m)
			}
		}
		r.answer(key, reqs...)
		for _, v := range did[torrent.Verify](r) {
			r.Step(torrent.PieceStored{Index: v.Index})
		}
		r.Wait(time.Second)
	}
	if !r.m.Complete() {
		t.Fatalf("not complete: %+v", r.m.Stats(r.Now))
	}
}

// It learns from answers what it has (404), and may have to wait (429).
func TestWebSeedMayTakeBackWhatItSaid(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.webSeed()
	r.recv(key, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	reqs := r.take(key, wire.Request)
	for _, q := range reqs {
		r.recv(key, wire.Message{ID: wire.Reject, Index: q.Index, Begin: q.Begin, Length: q.Length})
	}
	r.recv(key, wire.Message{ID: wire.Bitfield, Payload: []byte{0x80, 0}})
	for _, q := range r.take(key, wire.Request) { // on their way before
		r.recv(key, wire.Message{ID: wire.Reject, Index: q.Index, Begin: q.Begin, Length: q.Length})
	}
	for range 10 {
		for _, m := range r.take(key, wire.Request) {
			if m.Index != 0 {
				t.Fatalf("asked for piece %d, which it has not", m.Index)
			}
		}
		r.Wait(time.Second)
	}
	r.recv(key, wire.Message{ID: wire.Choke})
	r.Sent[key] = nil
	r.Wait(time.Minute)
	if len(r.take(key, wire.Request)) != 0 {
		t.Fatal("asked while it wants to be left alone")
	}
	for range 100_000 {
		r.recv(key, wire.Message{ID: wire.Choke})
	}
	if len(r.Closed) != 0 {
		t.Fatal("our own driver floods nobody")
	}
}

func TestWebSeedThatLiesIsDropped(t *testing.T) {
	r := start(t, testTorrent(t, true, false), nil)
	key := r.webSeed()
	r.recv(key, wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke})
	for range 10 {
		r.answer(key, r.take(key, wire.Request)...)
		for _, v := range did[torrent.Verify](r) {
			if _, gone := r.Closed[key]; !gone {
				r.Step(torrent.PieceForged{Index: v.Index, Sums: make([][20]byte, 2)})
			}
		}
	}
	if c := r.Closed[key]; c.Err != torrent.ErrBadData || !c.Ban {
		t.Fatalf("closed %v", r.Closed)
	}
}

// Of a full swarm's peers those go that neither want nor bring anything.
func TestUselessPeerMakesRoomForANewcomer(t *testing.T) {
	r := start(t, testTorrent(t, true, false), func(c *torrent.Config) { c.MaxPeers = 3 })
	brings, wants := r.seed(), r.reader(joined{})
	useless := r.join(joined{})
	r.Wait(61 * time.Second)
	young := r.join(joined{})
	if r.Closed[useless].Err != swarm.ErrEvicted || len(r.Closed) != 1 {
		t.Fatalf("closed %v; %d brings, %d wants, %d is new", r.Closed, brings, wants, young)
	}
}

// The driver refuses frames that no honest peer sends in this torrent.
func TestLimitsFollowTheTorrent(t *testing.T) {
	r := start(t, testTorrent(t, true, false), func(c *torrent.Config) {
		c.Extensions = []swarm.Extension{{Name: "sh_large", MaxSize: 700 << 10}}
	})
	l := r.m.Limits()
	if l.MaxBitfield != 2 || l.MaxPayload < 700<<10 || l.MaxPayload > 1<<20 {
		t.Fatalf("%+v", l)
	}
	r = start(t, testTorrent(t, true, false), magnet)
	if l := r.m.Limits(); l.MaxBitfield != 0 || l.MaxPayload > 512<<10 {
		t.Fatalf("before the info dictionary: %+v", l)
	}
}
