package trackerclient

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/offers"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/schedule"
)

// A torrent is one announcement. All its state is owned by the Client's loop; others
// post functions to it.
type torrent struct {
	c   *Client
	a   Announcement
	ctx context.Context // ends with the announcement; nil without WebSocket trackers
	end context.CancelFunc

	ws   []*wsTracker
	tcp  *schedule.Machine  // nil without HTTP and UDP trackers
	quit context.CancelFunc // ends the TCP announce that is under way; may be nil
	ids  map[string]string  // tracker ids by URL
	*rtcState

	at   int // in the agenda; -1 = not there
	next time.Time

	stopping bool
	stopped  chan struct{} // closed when the trackers have been told
	done     chan struct{} // closed when it was abandoned

	// Guarded by c.mailMu.
	waiting int // letters
	ended   bool
}

// rtcState is what a torrent needs for WebSocket trackers.
type rtcState struct {
	pool      *offers.Pool
	renewed   int // how often pool was renewed
	open      map[offers.ID]*openOffer
	answering map[[20]byte]answers // by peer
	recent    [64]relayID          // the offers of others that were seen last
	recentAt  int
	lostAt    time.Time // see Handle.Lost
	crowded   time.Time // until then there is no room for a further offer
}

func newTorrent(c *Client, a Announcement) *torrent {
	return &torrent{c: c, a: a, at: -1, stopped: make(chan struct{}), done: make(chan struct{})}
}

// begin is the first that the loop does for a torrent.
func (t *torrent) begin(now time.Time) {
	t.next = now
	t.c.due.Push(t)
	var ws []string
	var tiers [][]string
	for _, tier := range t.a.Trackers {
		var rest []string
		for _, url := range tier {
			switch scheme(url) {
			case "ws", "wss":
				ws = append(ws, url)
			case "http", "https", "udp":
				rest = append(rest, url)
			default:
				t.unsupported(url)
			}
		}
		if len(rest) > 0 {
			tiers = append(tiers, rest)
		}
	}
	if len(tiers) > 0 {
		t.startTCP(tiers)
	}
	if len(ws) > 0 {
		t.startWS(ws)
	}
}

func scheme(url string) string {
	s, _, ok := strings.Cut(url, "://")
	if !ok {
		return ""
	}
	return strings.ToLower(s)
}

func (t *torrent) unsupported(url string) {
	t.c.cfg.Sink.TrackerStatus(t.a.Key, url, Status{Seeders: -1, Leechers: -1, Err: ErrUnsupported})
}

// step does what is due.
func (t *torrent) step(now time.Time) {
	if t.stopping {
		return
	}
	if t.tcp != nil {
		t.stepTCP(now)
	}
	if t.rtcState == nil {
		return
	}
	for _, id := range t.pool.Expire(now, nil) {
		t.dropOffer(id)
	}
	for _, w := range t.ws {
		t.stepWS(now, w)
	}
}

// deadline returns when something is due next.
func (t *torrent) deadline(now time.Time) time.Time {
	next := now.Add(24 * time.Hour)
	earlier := func(at time.Time, ok bool) {
		if ok && at.Before(next) {
			next = at
		}
	}
	if t.stopping {
		return next
	}
	if t.tcp != nil {
		earlier(t.tcp.Deadline())
	}
	if t.rtcState != nil {
		earlier(t.pool.Deadline())
	}
	for _, w := range t.ws {
		if w.due != nil {
			earlier(w.waitUntil, true)
		} else {
			earlier(w.m.Deadline())
		}
	}
	if !next.After(now) {
		next = now.Add(time.Millisecond) // something else than time is waited for
	}
	return next
}

func (t *torrent) complete(now time.Time) {
	if t.tcp != nil {
		t.tcp.Complete(now)
	}
	for _, w := range t.ws {
		w.m.Complete(now)
	}
}

func (t *torrent) update(now time.Time) {
	if t.tcp != nil {
		t.tcp.Update(now)
	}
	for _, w := range t.ws {
		w.m.Update(now)
	}
}

// lostPause is between two announces about peers that were lost: a crowd that comes and goes
// is no reason to hurry.
const lostPause = 4 * time.Second

func (t *torrent) lost(now time.Time) {
	if t.rtcState == nil || now.Sub(t.lostAt) < lostPause {
		t.update(now)
		return
	}
	t.lostAt = now
	for _, w := range t.ws {
		w.m.Hurry(now, 0)
	}
}

func (t *torrent) stats() Stats {
	if t.a.Stats == nil {
		return Stats{Left: -1}
	}
	return t.a.Stats()
}

// stop tells the trackers, and closes t.stopped when all are told. What fails, fails.
func (t *torrent) stop(ctx context.Context) {
	if t.stopping {
		return
	}
	t.stopping = true
	var wg sync.WaitGroup
	if t.tcp != nil {
		if t.quit != nil {
			t.quit() // a start must not overtake the stop
		}
		t.stopTCP(ctx, &wg)
	}
	t.stopWS(&wg)
	go func() {
		wg.Wait()
		close(t.stopped)
	}()
}

// abandon gives up everything that is still open. It is the last that happens to a
// torrent, and may be called more than once.
func (t *torrent) abandon() {
	t.c.mailMu.Lock()
	was := t.ended
	t.ended = true
	t.c.mailMu.Unlock()
	if was {
		return
	}
	if t.at >= 0 {
		t.c.due.Remove(t)
	}
	t.stopping = true
	if t.quit != nil {
		t.quit()
	}
	if t.rtcState != nil {
		t.end()
		for id := range t.open {
			t.dropOffer(id)
		}
	}
	for _, w := range t.ws {
		w.sock.leave(t)
	}
	close(t.done)
}

// status reports an outcome to the Sink.
func (t *torrent) status(m *schedule.Machine, url string, st Status) {
	if t.stopping {
		return
	}
	if at, ok := m.Deadline(); ok {
		st.NextAnnounce = at
	}
	st.Interval = m.Interval()
	t.c.cfg.Sink.TrackerStatus(t.a.Key, url, st)
}

// seconds turns what a tracker says into a duration without overflow.
func seconds(n int64) time.Duration {
	const most = 30 * 24 * 3600
	return time.Duration(max(min(n, most), 0)) * time.Second
}
