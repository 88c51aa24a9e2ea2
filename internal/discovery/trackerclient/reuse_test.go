//go:build !js

package trackerclient

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/metainfo"
)

// An offer that nobody took goes out with the next announce too, and with the one after it.
func TestAnOfferThatNobodyTookGoesOutAgain(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), func(c *Config) { c.MaxInterval, c.OfferAge = 20*time.Millisecond, 10*time.Minute })
	n.start(1, 5, 1, e.url)
	c, _ := e.accept(t)
	var first string
	for k := range 5 {
		c.reply("")
		a := c.recv()
		if len(a.Offers) != 1 || k > 0 && string(a.Offers[0].ID[:]) != first {
			t.Fatalf("announce %d: %+v", k, a)
		}
		first = string(a.Offers[0].ID[:])
	}
	if made, _, _ := n.host.counts(); made != 1 {
		t.Errorf("%d offers made", made)
	}
}

// For peers that are connected already nothing is offered, and for those beside them is.
func TestNoOffersForPeersThatAreMet(t *testing.T) {
	for peers, want := range map[int]int{0: 1, 1: 0, 3: 0} {
		e := newEvilTracker(t)
		n := newNode(t, newNet(), func(c *Config) { c.MaxInterval = 20 * time.Millisecond })
		n.c.Start(Announcement{Key: swarmKey, PeerID: [20]byte{1}, Trackers: [][]string{{e.url}},
			WantPeers: func() int { return 5 }, Peers: func() int { return peers }})
		c, _ := e.accept(t)
		c.reply("") // of a swarm of two
		if a := c.recv(); len(a.Offers) != want {
			t.Errorf("connected to %d: %d offers", peers, len(a.Offers))
		}
	}
}

// Where there is room for few offers, a torrent's old one makes room for another torrent's.
func TestOldOffersMakeRoom(t *testing.T) {
	host := &fakeHost{net: newNet(), most: 1}
	c := newClient(Config{Sink: newSink(), rtc: host, OfferAge: 10 * time.Minute, frugal: true}) // without its loop
	torrent := func(key byte) *torrent {
		tor := newTorrent(c, Announcement{Key: metainfo.Hash{key}})
		tor.startWS(nil)
		c.due.Push(tor)
		return tor
	}
	a, b := torrent(1), torrent(2)
	now := time.Now()
	a.pool.Want(now, 1)
	a.makeOffer(0)
	c.deliver(now)
	b.pool.Want(now, 1)
	b.makeOffer(0)
	c.deliver(now.Add(soonStale - time.Second))
	if len(a.open) != 1 || len(b.open) != 0 || !b.pool.Ready(now, 1) {
		t.Fatal("a young offer has to go")
	}
	b.pool.Want(now, 1)
	b.makeOffer(0)
	now = now.Add(soonStale + time.Second)
	eventually(t, "the other has its turn", func() bool {
		c.deliver(now)
		return len(b.open) == 1
	})
	if _, _, live := host.counts(); len(a.open) != 0 || a.pool.Len() != 0 || live != 1 {
		t.Errorf("%d offers of the first are open, %d live", len(a.open), live)
	}
}

// Who has lost a peer does not wait for the interval.
func TestALostPeerIsLookedForAtOnce(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), nil)
	h := n.start(1, 5, 1, e.url)
	c, _ := e.accept(t)
	c.reply("")
	c.recv()
	c.reply("") // come back in an hour
	eventually(t, "it is heard", func() bool { _, reports := n.get(e.url); return reports == 2 })
	h.Lost()
	h.Lost()
	if a := c.recv(); len(a.Offers) != 1 {
		t.Errorf("%+v", a)
	}
}

// In another network the old offers lead nowhere.
func TestOffersAreMadeAnewInAnotherNetwork(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), func(c *Config) { c.relayHurry = 10 * time.Millisecond })
	n.start(1, 5, 1, e.url)
	c, _ := e.accept(t)
	c.reply("")
	first := c.recv()
	c.reply("")
	eventually(t, "it is heard", func() bool { _, reports := n.get(e.url); return reports == 2 })
	n.c.Renew()
	if second := c.recv(); len(second.Offers) != 1 || second.Offers[0].ID == first.Offers[0].ID {
		t.Errorf("%+v", second)
	}
}

// metSink is met until it is told otherwise.
type metSink struct {
	*sink
	met atomic.Bool
}

func (s *metSink) Met(context.Context, metainfo.Hash, [20]byte) bool { return s.met.Load() }

// An offer that was left alone because its peer was connected is taken when it comes again and
// the peer is not.
func TestAnOfferMayComeAgainWhenThePeerIsLost(t *testing.T) {
	e := newEvilTracker(t)
	net := newNet()
	host := &fakeHost{net: net}
	s := &metSink{sink: newSink()}
	s.met.Store(true)
	client := New(Config{Sink: s, rtc: host})
	t.Cleanup(func() { client.Close() })
	client.Start(Announcement{Key: swarmKey, PeerID: [20]byte{1}, Trackers: [][]string{{e.url}}})
	c, _ := e.accept(t)
	p, _ := (&fakeHost{net: net}).Offer(t.Context())
	for range 3 {
		c.send(offerMsg(1, 1, p.SDP()))
	}
	c.reply("")
	eventually(t, "all are heard", func() bool { _, reports := s.get(e.url); return reports == 1 })
	if _, answered, _ := host.counts(); answered != 0 {
		t.Fatal("a peer that is connected is answered")
	}
	s.met.Store(false)
	eventually(t, "it is answered", func() bool {
		c.send(offerMsg(1, 1, p.SDP()))
		_, answered, _ := host.counts()
		return answered == 1
	})
	if a := c.recv(); !strings.HasPrefix(a.Answer.String(), "answer to offer ") {
		t.Errorf("%+v", a)
	}
}

// In a tab, where connections are few, a torrent that has met its peers passes its offer on to
// one that waits for room.
func TestAnOfferPassesOnToAnotherTorrent(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), func(c *Config) { c.frugal = true })
	n.host.most = 1
	keys := []metainfo.Hash{{1}, {2}}
	var peers [2]atomic.Int64
	for k, hash := range keys {
		n.c.Start(Announcement{Key: hash, PeerID: [20]byte{1}, Trackers: [][]string{{e.url}},
			WantPeers: func() int { return 5 }, Peers: func() int { return int(peers[k].Load()) }})
	}
	c, first := e.accept(t)
	reply := func(hash metainfo.Hash) {
		c.send(`{"action":"announce","info_hash":` + idText(hash) + `,"interval":3600,"complete":1,"incomplete":1}`)
	}
	for _, a := range []signal.Announce{first, c.recv()} {
		if len(a.Offers) != 0 {
			t.Errorf("the first announce carries offers: %+v", a)
		}
	}
	reply(keys[0])
	mine := c.recv()
	reply(keys[1])
	if mine.InfoHash != keys[0] || len(mine.Offers) != 1 {
		t.Fatalf("%+v", mine)
	}
	peers[0].Store(1)
	other := c.recv()
	if other.InfoHash != keys[1] || len(other.Offers) != 1 || string(other.Offers[0].SDP) != string(mine.Offers[0].SDP) || other.Offers[0].ID == mine.Offers[0].ID {
		t.Errorf("%+v", other)
	}
	if made, _, live := n.host.counts(); made != 1 || live != 1 {
		t.Errorf("%d offers made, %d live", made, live)
	}
}

// Where there never is room the announce goes out without offers, and the next one soon.
func TestAnAnnounceDoesNotWaitForRoomForEver(t *testing.T) {
	c := newClient(Config{Sink: newSink(), rtc: &fakeHost{net: newNet()}, frugal: true}) // without its loop
	tor := newTorrent(c, Announcement{Key: swarmKey})
	tor.startWS(nil)
	w := &wsTracker{want: 1}
	now := time.Now()
	waits := 0
	for ; waits < 1000; waits++ {
		tor.crowded = now.Add(crowdPause)
		if !tor.held(now, w) {
			break
		}
		now = w.waitUntil
	}
	if most := int(heldMost / crowdPause); waits != most || !w.short {
		t.Errorf("it has waited %d times, want %d", waits, most)
	}
}
