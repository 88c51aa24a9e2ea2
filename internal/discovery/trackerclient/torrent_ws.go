package trackerclient

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/offers"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/schedule"
	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/transport/webrtc"
)

const (
	// firstOffers is how many offers an announce carries as long as the size of the
	// swarm is unknown: more would mostly be made for nobody.
	firstOffers = 2
	// hurry is when a second announce follows if the swarm turns out larger.
	hurry = time.Second
	// offerWait is how long an announce waits for its offers.
	offerWait = 3 * time.Second
	// makeTimeout bounds the making of an offer or an answer.
	makeTimeout = 10 * time.Second
	// openTimeout bounds the opening of a channel after that.
	openTimeout = 40 * time.Second
)

// A wsTracker is this torrent at one WebSocket tracker.
type wsTracker struct {
	url  string
	sock *socket
	m    *schedule.Machine

	due       *schedule.Announce // waits for servers, then for its offers
	waitUntil time.Time
	waits     bool // the socket wakes it when servers are known
	offering  bool // it waits for offers
	want      int  // offers it should carry

	asksICE bool // the announce under way asks for STUN and TURN servers
	bare    bool // it carries no offers, because better ones can be made after its reply
	sent    int  // offers that the last announce carried
	others  int  // peers in the swarm besides us; -1 = unknown
	lacking int  // those of them that are not complete
	heard   bool // the tracker has answered once on this connection

	held      time.Time // until when an announce waits for room for its offers
	short     bool      // it has waited in vain
	trackerID string
}

// An openOffer waits for its answer.
type openOffer struct {
	p   rtcPending
	sdp signal.SDP
}

// A relayID names an offer of somebody else.
type relayID struct{ peer, offer [20]byte }

func (t *torrent) startWS(urls []string) {
	if t.c.rtc == nil {
		return
	}
	if t.rtcState == nil {
		t.ctx, t.end = context.WithCancel(t.c.ctx)
		t.rtcState = &rtcState{
			pool: offers.New(offers.Config{MaxAge: t.c.cfg.OfferAge, ReuseAge: t.c.cfg.OfferAge - 15*time.Second}, t.c.rng),
			open: make(map[offers.ID]*openOffer), answering: make(map[[20]byte]answers),
		}
	}
	seen := make(map[string]bool)
	for _, w := range t.ws {
		seen[w.url] = true
	}
	for _, url := range urls {
		if seen[url] {
			continue
		}
		seen[url] = true
		w := &wsTracker{url: url, others: -1, m: schedule.New(schedule.Config{
			DefaultInterval: 2 * time.Minute, MinInterval: min(15*time.Second, t.c.cfg.MaxInterval), MaxInterval: t.c.cfg.MaxInterval,
			RetryMin: t.c.cfg.retryMin, RetryMax: max(t.c.cfg.MaxRetry, t.c.cfg.retryMin), ReplyTimeout: 30 * time.Second,
		}, [][]string{{url}}, t.c.rng)}
		w.m.Offline()
		t.ws = append(t.ws, w)
		w.sock = t.c.join(t, w)
	}
	t.prepare()
}

// online and offline are posted by the socket.

func (t *torrent) online(now time.Time, w *wsTracker) {
	w.due, w.others, w.waits, w.heard = nil, -1, false, false
	t.pool.Age(now.Add(-soonStale))
	w.m.Online(now)
}

func (t *torrent) offline(w *wsTracker, err error, next time.Time) {
	w.due = nil
	w.m.Offline()
	if !t.stopping {
		t.c.cfg.Sink.TrackerStatus(t.a.Key, w.url, Status{Seeders: -1, Leechers: -1, Err: err, NextAnnounce: next})
	}
}

func (t *torrent) stepWS(now time.Time, w *wsTracker) {
	if w.due == nil {
		due, ok := w.m.Next(now)
		if !ok {
			return
		}
		w.due, w.waitUntil, w.offering, w.bare = &due, now.Add(offerWait), false, false
	}
	if !w.offering {
		state := w.sock.awaitServers(t, w)
		switch {
		case state == serversUnasked, t.c.cfg.frugal && !w.heard:
			w.bare, w.want = true, 0
			t.sendAnnounce(now, w)
			return
		case state == serversAsked && now.Before(w.waitUntil):
			return
		}
		w.offering, w.waitUntil = true, now.Add(offerWait)
		w.want = t.offersFor(w)
		t.adopt(now, w.want)
		for range t.pool.Want(now, w.want) {
			go t.makeOffer(t.renewed)
		}
	}
	if (t.pool.Ready(now, w.want) || !now.Before(w.waitUntil)) && !t.held(now, w) {
		t.sendAnnounce(now, w)
	}
}

// offersFor says how many offers an announce should carry.
func (t *torrent) offersFor(w *wsTracker) int {
	if t.a.WantPeers == nil {
		return 0
	}
	n := firstOffers
	if w.others >= 0 {
		// Who comes after us brings offers of his own, and whom we have needs none. Two that
		// are complete have nothing to give each other.
		n = w.others
		if t.stats().Left == 0 {
			n = min(n, w.lacking)
		}
		if t.a.Peers != nil {
			n -= t.a.Peers()
		}
	}
	return max(min(n, t.a.WantPeers(), t.c.cfg.MaxOffers), 0)
}

// makeOffer runs on a goroutine of its own. renewed is that of the torrent.
func (t *torrent) makeOffer(renewed int) {
	ctx, cancel := context.WithTimeout(t.ctx, makeTimeout)
	defer cancel()
	p, err := t.c.rtc.Offer(ctx)
	var sdp signal.SDP
	if err == nil {
		sdp = signal.NewSDP(p.SDP())
	}
	posted := t.post(func(t *torrent, now time.Time) {
		current := renewed == t.renewed
		switch {
		case err == nil && (t.stopping || !current):
			p.Close()
		case err == nil:
			t.open[t.pool.Made(now)] = &openOffer{p, sdp}
		case current && errors.Is(err, webrtc.ErrTooMany) && t.c.freeOffer(now):
			go t.makeOffer(renewed)
		case current:
			t.pool.Lost()
			if errors.Is(err, webrtc.ErrTooMany) {
				t.crowded = now.Add(crowdPause)
			}
		}
	})
	if !posted && err == nil {
		p.Close()
	}
}

func (t *torrent) dropOffer(id offers.ID) {
	if o := t.open[id]; o != nil {
		delete(t.open, id)
		o.p.Close()
	}
}

func (t *torrent) message(w *wsTracker, ev schedule.Event) signal.Announce {
	st := t.stats()
	return signal.Announce{
		InfoHash: t.a.Key, PeerID: t.a.PeerID, Event: signal.Event(ev.String()),
		Uploaded: st.Uploaded, Downloaded: st.Downloaded, Left: st.Left, TrackerID: w.trackerID,
		Key: t.c.keyText(),
	}
}

func (t *torrent) sendAnnounce(now time.Time, w *wsTracker) {
	a := t.message(w, w.due.Event)
	w.due, w.held = nil, time.Time{}
	for _, id := range t.pool.Take(now, w.want, nil) {
		a.Offers = append(a.Offers, signal.Offer{SDP: t.open[id].sdp, ID: id, HasID: true})
	}
	a.NumWant = len(a.Offers)
	w.sent = len(a.Offers)
	a.WantsICE = w.sock.needsServers(now)
	w.asksICE = a.WantsICE
	w.sock.ask(a.Append(nil))
}

// relay takes what a tracker sent for this torrent. m aliases memory that is not
// used again.
func (t *torrent) relay(now time.Time, w *wsTracker, m *signal.Reply) {
	switch {
	case t.stopping:
	case m.FailureReason != "":
		if w.asksICE {
			w.sock.askAgain()
		}
		w.m.Failed(now, 0)
		t.status(w.m, w.url, Status{Seeders: -1, Leechers: -1, Err: refusal(m.FailureReason, 0)})
	case len(m.Offer) > 0:
		t.takeOffer(w, m)
	case len(m.Answer) > 0:
		t.takeAnswer(now, m)
	default:
		t.takeReply(now, w, m)
	}
}

func (t *torrent) takeReply(now time.Time, w *wsTracker, m *signal.Reply) {
	if m.TrackerID != "" {
		w.trackerID = m.TrackerID
	}
	first := w.others < 0
	w.heard = true
	if m.Complete >= 0 && m.Incomplete >= 0 {
		w.others = max(m.Complete+m.Incomplete-1, 0)
		w.lacking = m.Incomplete
		if t.stats().Left != 0 {
			w.lacking-- // that is us
		}
	}
	if w.asksICE {
		w.asksICE = false
		if w.sock.takeServers(t, m.ICEServers) {
			t.offerAnew(now)
		}
	}
	w.m.Succeeded(now, seconds(int64(m.Interval)), seconds(int64(m.MinInterval)))
	switch {
	case w.short:
		w.short = false
		w.m.Update(now)
	case w.bare:
		w.bare = false
		if w.others != 0 && t.offersFor(w) > 0 {
			w.m.Hurry(now, t.c.turn(now))
		}
	case first && w.others > w.sent && t.offersFor(w) > w.sent:
		w.m.Hurry(now, hurry)
	}
	t.status(w.m, w.url, Status{Seeders: m.Complete, Leechers: m.Incomplete, Warning: printable(m.WarningMessage)})
}

// takeOffer answers somebody's offer.
func (t *torrent) takeOffer(w *wsTracker, m *signal.Reply) {
	id := relayID{m.PeerID, m.OfferID}
	sdp := m.Offer.String()
	under, twice := t.answering[id.peer]
	now := answers{count: under.count + 1, relay: strings.Contains(sdp, " typ relay")}
	if m.PeerID == t.a.PeerID || twice && (under.relay || !now.relay) || len(t.answering) >= t.c.cfg.MaxAnswers || t.seen(id) {
		return
	}
	t.answering[id.peer] = now
	go func() {
		defer t.post(func(t *torrent, _ time.Time) { t.answered(id.peer) })
		// It may be offered again when there is room, or the connection that there was is lost.
		again := func() { t.post(func(t *torrent, _ time.Time) { t.forget(id) }) }
		// Whom we are connected to, we need no further connection to.
		if m, ok := t.c.cfg.Sink.(Meeter); ok && m.Met(t.ctx, t.a.Key, id.peer) {
			again()
			return
		}
		ctx, cancel := context.WithTimeout(t.ctx, makeTimeout)
		p, err := t.c.rtc.Answer(ctx, sdp)
		cancel()
		if err != nil {
			again()
			return
		}
		a := signal.Announce{
			InfoHash: t.a.Key, PeerID: t.a.PeerID, ToPeerID: id.peer, OfferID: id.offer,
			HasAnswer: true, Answer: signal.NewSDP(p.SDP()),
		}
		w.sock.send(a.Append(nil), nil)
		t.connect(p, false)
	}()
}

// answers are the offers of one peer that are being answered: one, or besides it one more
// that leads over a relay where the first did not.
type answers struct {
	count int
	relay bool
}

// answered is called when a connection has come of an offer, or will not.
func (t *torrent) answered(peer [20]byte) {
	a := t.answering[peer]
	if a.count--; a.count > 0 {
		t.answering[peer] = a
	} else {
		delete(t.answering, peer)
	}
}

// seen remembers an offer. Several trackers may bring the same one.
func (t *torrent) seen(id relayID) bool {
	for i := range t.recent {
		if t.recent[i] == id {
			return true
		}
	}
	t.recent[t.recentAt] = id
	t.recentAt = (t.recentAt + 1) % len(t.recent)
	return false
}

// forget has an offer heard as if for the first time.
func (t *torrent) forget(id relayID) {
	for i := range t.recent {
		if t.recent[i] == id {
			t.recent[i] = relayID{}
		}
	}
}

// takeAnswer completes one of our offers.
func (t *torrent) takeAnswer(now time.Time, m *signal.Reply) {
	if !t.pool.Answered(now, m.OfferID) {
		t.dropOffer(m.OfferID)
		return
	}
	p := t.open[m.OfferID].p
	delete(t.open, m.OfferID)
	sdp := m.Answer.String()
	go func() {
		if p.Accept(sdp) != nil {
			p.Close()
			return
		}
		t.connect(p, true)
	}()
}

// connect waits for the channel to open and gives it to the Sink. It runs on a
// goroutine of its own.
func (t *torrent) connect(p rtcPending, outgoing bool) {
	ctx, cancel := context.WithTimeout(t.ctx, openTimeout)
	defer cancel()
	c, err := p.Conn(ctx)
	switch {
	case err != nil:
		p.Close()
	case t.ctx.Err() != nil:
		c.Close()
	default:
		t.c.cfg.Sink.ConnReady(t.a.Key, c, outgoing)
	}
}

// stopWS tells the trackers; some never answer that, so it counts as told when it
// is written.
func (t *torrent) stopWS(wg *sync.WaitGroup) {
	for _, w := range t.ws {
		if len(w.m.Stop()) == 0 {
			continue
		}
		a := t.message(w, schedule.Stopped)
		wg.Add(1)
		w.sock.send(a.Append(nil), wg.Done)
	}
}
