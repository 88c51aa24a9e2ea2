package trackerclient

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/schedule"
)

// A tcpRequest is an announce to an HTTP or UDP tracker.
type tcpRequest struct {
	a         *Announcement
	stats     Stats
	event     schedule.Event
	trackerID string
}

// A tcpReply is its answer.
type tcpReply struct {
	interval, least   time.Duration
	seeders, leechers int // -1 = unknown
	peers             []netip.AddrPort
	warning           string
	trackerID         string
}

func (t *torrent) startTCP(tiers [][]string) {
	if !tcpSupported {
		for _, tier := range tiers {
			for _, url := range tier {
				t.unsupported(url)
			}
		}
		return
	}
	t.tcp = schedule.New(schedule.Config{
		DefaultInterval: 30 * time.Minute, MinInterval: min(time.Minute, t.c.cfg.MaxInterval), MaxInterval: t.c.cfg.MaxInterval,
		RetryMin: t.c.cfg.retryMin, RetryMax: time.Hour,
	}, tiers, t.c.rng)
}

// stepTCP puts an announce that is due in line.
func (t *torrent) stepTCP(now time.Time) {
	due, ok := t.tcp.Next(now)
	if !ok {
		return
	}
	t.c.line.add(&job{host: hostOf(due.URL), begin: func() func() bool {
		if t.stopping {
			return nil
		}
		r := t.request(due.URL, due.Event)
		ctx, cancel := context.WithCancel(t.c.ctx)
		t.quit = cancel
		return func() bool {
			defer cancel()
			reply, err := t.c.tcp.announce(ctx, due.URL, r)
			t.post(func(t *torrent, now time.Time) { t.tcpDone(now, due.URL, r, reply, err) })
			return errors.Is(err, ErrNoReply)
		}
	}}, false)
}

func (t *torrent) request(url string, event schedule.Event) *tcpRequest {
	return &tcpRequest{a: &t.a, stats: t.stats(), event: event, trackerID: t.ids[url]}
}

func (t *torrent) tcpDone(now time.Time, url string, asked *tcpRequest, r tcpReply, err error) {
	if t.stopping {
		return
	}
	t.quit = nil
	if err != nil {
		var refusal *Refusal
		var retryIn time.Duration
		if errors.As(err, &refusal) {
			retryIn = refusal.RetryIn
		}
		t.tcp.Failed(now, retryIn)
		t.status(t.tcp, url, Status{Seeders: -1, Leechers: -1, Err: err})
		return
	}
	t.tcp.Succeeded(now, r.interval, r.least)
	if r.trackerID != "" && r.trackerID != t.ids[url] {
		if t.ids == nil {
			t.ids = make(map[string]string)
		}
		t.ids[url] = r.trackerID
	}
	t.status(t.tcp, url, Status{Seeders: r.seeders, Leechers: r.leechers, Warning: r.warning})
	// Where nobody lacks anything, a seed has no use for the addresses of the others.
	if len(r.peers) > 0 && (asked.stats.Left != 0 || r.leechers != 0) {
		t.c.cfg.Sink.PeersFound(t.a.Key, r.peers, url)
	}
}

// stopTCP tells the trackers in parallel, each once.
func (t *torrent) stopTCP(ctx context.Context, wg *sync.WaitGroup) {
	for _, url := range t.tcp.Stop() {
		r := t.request(url, schedule.Stopped)
		wg.Add(1)
		t.c.line.add(&job{host: hostOf(url), begin: func() func() bool {
			if ctx.Err() != nil || t.c.ctx.Err() != nil {
				wg.Done()
				return nil
			}
			return func() bool {
				defer wg.Done()
				_, err := t.c.tcp.announce(ctx, url, r)
				return errors.Is(err, ErrNoReply)
			}
		}}, true)
	}
}
