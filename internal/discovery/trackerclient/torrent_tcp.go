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
		tiers = nil
	}
	t.quit = func() {}
	t.tcp = schedule.New(schedule.Config{
		DefaultInterval: 30 * time.Minute, MinInterval: min(time.Minute, t.c.cfg.MaxInterval), MaxInterval: t.c.cfg.MaxInterval,
		RetryMin: t.c.cfg.retryMin, RetryMax: time.Hour,
	}, tiers, t.rng)
}

func (t *torrent) stepTCP(now time.Time) {
	due, ok := t.tcp.Next(now)
	if !ok {
		return
	}
	r := tcpRequest{a: &t.a, stats: t.stats(), event: due.Event, trackerID: t.ids[due.URL]}
	ctx, cancel := context.WithCancel(t.ctx)
	t.quit = cancel
	go func() {
		defer cancel()
		reply, err := t.c.tcp.announce(ctx, due.URL, &r)
		t.post(func(t *torrent, now time.Time) { t.tcpDone(now, due.URL, reply, err) })
	}()
}

func (t *torrent) tcpDone(now time.Time, url string, r tcpReply, err error) {
	if t.stopping {
		return
	}
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
	if r.trackerID != "" {
		t.ids[url] = r.trackerID
	}
	t.status(t.tcp, url, Status{Seeders: r.seeders, Leechers: r.leechers, Warning: r.warning})
	if len(r.peers) > 0 {
		t.c.cfg.Sink.PeersFound(t.a.Key, r.peers, url)
	}
}

// stopTCP tells the trackers in parallel, each once.
func (t *torrent) stopTCP(ctx context.Context, wg *sync.WaitGroup) {
	for _, url := range t.tcp.Stop() {
		r := tcpRequest{a: &t.a, stats: t.stats(), event: schedule.Stopped, trackerID: t.ids[url]}
		wg.Add(1)
		go func() {
			defer wg.Done()
			t.c.tcp.announce(ctx, url, &r)
		}()
	}
}
