package trackerclient

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/offers"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/schedule"
)

// A torrent is one announcement. All its state is owned by the goroutine of run,
// except the mailbox; other goroutines post functions to it.
type torrent struct {
	c   *Client
	a   Announcement
	rng *rand.Rand
	ctx context.Context // ends with the announcement, or when the Client is closed
	end context.CancelFunc

	ws   []*wsTracker
	tcp  *schedule.Machine
	quit context.CancelFunc // ends the TCP announce that is running
	ids  map[string]string  // tracker ids by URL
	pool *offers.Pool
	open map[offers.ID]*openOffer

	answering map[[20]byte]struct{} // peers whose offers are being answered
	recent    [64]relayID           // the offers of others that were seen last
	recentAt  int

	stopping bool
	stopped  chan struct{} // closed when the trackers have been told
	done     chan struct{} // closed when run has returned

	mu    sync.Mutex
	mail  []func(t *torrent, now time.Time)
	wake  chan struct{}
	ended bool
}

func newTorrent(c *Client, a Announcement) *torrent {
	t := &torrent{
		c: c, a: a, rng: c.source(), ids: make(map[string]string), open: make(map[offers.ID]*openOffer),
		answering: make(map[[20]byte]struct{}),
		stopped:   make(chan struct{}), done: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	t.ctx, t.end = context.WithCancel(c.ctx)
	t.pool = offers.New(offers.Config{MaxAge: 50 * time.Second, ReuseAge: 35 * time.Second}, t.rng)

	var ws []string
	var tiers [][]string
	for _, tier := range a.Trackers {
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
		tiers = append(tiers, rest)
	}
	t.startTCP(tiers)
	t.startWS(ws)
	return t
}

func scheme(url string) string {
	s, _, ok := strings.Cut(url, "://")
	if !ok {
		return ""
	}
	return strings.ToLower(s)
}

func (t *torrent) unsupported(url string) {
	t.post(func(t *torrent, _ time.Time) {
		t.c.cfg.Sink.TrackerStatus(t.a.Key, url, Status{Seeders: -1, Leechers: -1, Err: ErrUnsupported})
	})
}

// What a tracker sends in floods is dropped when so much waits for a torrent:
// offers first, so that the reply behind them is still heard.
const (
	maxOffersWaiting = 64
	maxWaiting       = 256
)

// post has f called by the torrent's goroutine. It reports false when that has
// ended.
func (t *torrent) post(f func(t *torrent, now time.Time)) bool { return t.postUpTo(1<<30, f) }

// postUpTo is post, unless so much waits already: for what trackers may send in floods.
func (t *torrent) postUpTo(limit int, f func(t *torrent, now time.Time)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || len(t.mail) >= limit {
		return false
	}
	t.mail = append(t.mail, f)
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return true
}

func (t *torrent) run() {
	defer close(t.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for t.ctx.Err() == nil {
		select {
		case <-t.ctx.Done():
		case <-t.wake:
		case <-timer.C:
		}
		now := time.Now()
		t.drain(now, false)
		if !t.stopping {
			t.step(now)
		}
		timer.Reset(t.sleep(now))
	}
	t.drain(time.Now(), true)
	t.abandon()
}

// drain calls what was posted, the last time with ended.
func (t *torrent) drain(now time.Time, ended bool) {
	t.mu.Lock()
	mail := t.mail
	t.mail = nil
	t.ended = ended
	t.mu.Unlock()
	for _, f := range mail {
		f(t, now)
	}
}

// step does what is due.
func (t *torrent) step(now time.Time) {
	for _, id := range t.pool.Expire(now, nil) {
		t.dropOffer(id)
	}
	t.stepTCP(now)
	for _, w := range t.ws {
		t.stepWS(now, w)
	}
}

// sleep returns how long nothing is due.
func (t *torrent) sleep(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	earlier := func(at time.Time, ok bool) {
		if ok && at.Before(next) {
			next = at
		}
	}
	if t.stopping {
		return time.Hour
	}
	earlier(t.pool.Deadline())
	earlier(t.tcp.Deadline())
	for _, w := range t.ws {
		if w.due != nil {
			earlier(w.waitUntil, true)
		} else {
			earlier(w.m.Deadline())
		}
	}
	return max(next.Sub(now), 0)
}

func (t *torrent) complete(now time.Time) {
	t.tcp.Complete(now)
	for _, w := range t.ws {
		w.m.Complete(now)
	}
}

func (t *torrent) update(now time.Time) {
	t.tcp.Update(now)
	for _, w := range t.ws {
		w.m.Update(now)
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
	t.quit() // a start must not overtake the stop
	var wg sync.WaitGroup
	t.stopTCP(ctx, &wg)
	t.stopWS(&wg)
	go func() {
		wg.Wait()
		close(t.stopped)
	}()
}

// abandon gives up everything that is still open, at the end of run.
func (t *torrent) abandon() {
	t.end()
	for id := range t.open {
		t.dropOffer(id)
	}
	for _, w := range t.ws {
		w.sock.leave(t)
	}
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
