package torrent_test

// The sentences of BEP 3 about whom we choke.

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

func fourSlots(c *torrent.Config) { c.UploadSlots, c.MaxSlots = 4, 4 }

// slots notes who is unchoked.
type slots map[torrent.PeerKey]bool

// update takes what was said since the last look. It returns who was choked and unchoked.
func (s slots) update(r *rig, keys []torrent.PeerKey) (choked, unchoked []torrent.PeerKey) {
	for _, key := range keys {
		for _, m := range r.take(key, wire.Choke, wire.Unchoke) {
			if m.ID == wire.Unchoke {
				s[key] = true
				unchoked = append(unchoked, key)
			} else {
				delete(s, key)
				choked = append(choked, key)
			}
		}
	}
	return choked, unchoked
}

// "It does reciprocation and number of uploads capping by unchoking the four peers which it has the
// best download rates from and are interested."
//
// One of the four slots is the optimistic one; with an upload that fills all of them there are more.
func TestBEP3ThoseWhoGiveAreUnchoked(t *testing.T) {
	r := start(t, longTorrent(t, 500), fourSlots)
	var keys []torrent.PeerKey
	for range 8 {
		key := r.seed()
		r.recv(key, wire.Message{ID: wire.Interested})
		keys = append(keys, key)
	}
	who := slots{}
	queue := map[torrent.PeerKey][]wire.Message{}
	for range 25 {
		for at, key := range keys {
			for _, m := range r.take(key, wire.Request, wire.Choke, wire.Unchoke) {
				switch m.ID {
				case wire.Request:
					queue[key] = append(queue[key], m)
				case wire.Unchoke:
					who[key] = true
				case wire.Choke:
					delete(who, key)
				}
			}
			if q := queue[key]; at >= 5 && len(q) > 0 { // the last three give
				r.answer(key, q[0])
				queue[key] = q[1:]
			}
		}
		r.Wait(time.Second)
	}
	if len(who) != 4 || !who[keys[5]] || !who[keys[6]] || !who[keys[7]] {
		t.Fatalf("unchoked: %v", who)
	}
}

// "Peers which have a better upload rate but aren't interested get unchoked and if they become
// interested the worst uploader gets choked."
//
// We unchoke nobody who does not ask: a slot would be held by who does not use it. It gets its slot
// with the next decision, within ten seconds.
func TestBEP3GiverThatBecomesInterestedGetsASlot(t *testing.T) {
	r := start(t, longTorrent(t, 500), fourSlots)
	giver := r.seed()
	var keys []torrent.PeerKey
	for range 6 {
		keys = append(keys, r.reader(joined{}))
	}
	var queue []wire.Message
	r.stream(giver, &queue, 100*time.Millisecond, 12*time.Second)
	if got := r.take(giver, wire.Unchoke); len(got) != 0 {
		t.Fatal("unchoked without asking")
	}
	who := slots{}
	if who.update(r, keys); len(who) != 4 {
		t.Fatalf("%d peers unchoked", len(who))
	}
	r.recv(giver, wire.Message{ID: wire.Interested})
	r.Wait(10 * time.Second)
	if len(r.take(giver, wire.Unchoke)) != 1 {
		t.Fatal("the giver has no slot")
	}
	if who.update(r, keys); len(who) != 3 {
		t.Fatalf("%d others are unchoked", len(who))
	}
}

// "The currently deployed choking algorithm avoids fibrillation by only changing who's choked once
// every ten seconds." "If a downloader has a complete file, it uses its upload rate rather than its
// download rate to decide who to unchoke." "Which peer is optimistically unchoked rotates every
// 30 seconds."
func TestBEP3SlotsOfASeed(t *testing.T) {
	r := start(t, testTorrent(t, true, false), func(c *torrent.Config) { seeded(c); fourSlots(c) })
	began := r.Now
	var keys []torrent.PeerKey
	for range 10 {
		keys = append(keys, r.reader(joined{}))
	}
	who := slots{}
	who.update(r, keys)
	takers := keys[:3] // in three of the four slots from the start
	var changed time.Time
	turns := map[torrent.PeerKey]bool{}
	for range 600 {
		for _, key := range takers {
			r.recv(key, block(wire.Request, 0, 0, torrent.BlockSize))
			r.Step(torrent.Sent{Peer: key, Bytes: torrent.BlockSize, Blocks: 1})
		}
		for _, key := range keys[3:] {
			r.recv(key, wire.Message{KeepAlive: true})
		}
		r.Wait(time.Second)
		choked, unchoked := who.update(r, keys)
		if len(choked) == 0 && len(unchoked) == 0 {
			continue
		}
		if since := r.Now.Sub(began); since%(10*time.Second) != 0 {
			t.Fatalf("chokes %v after %v", choked, since)
		}
		if r.Now.Sub(began) < time.Minute {
			continue // rates and the first turn begin
		}
		for _, key := range takers {
			if !who[key] {
				t.Fatalf("after %v one that takes is choked", r.Now.Sub(began))
			}
		}
		if !changed.IsZero() && r.Now.Sub(changed) != 30*time.Second {
			t.Fatalf("the optimistic slot moves after %v", r.Now.Sub(changed))
		}
		changed = r.Now
		turns[unchoked[0]] = true
	}
	if len(turns) < 5 {
		t.Fatalf("%d of 7 had their turn in ten minutes", len(turns))
	}
}
