//go:build unix

package main

import (
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/shoal-p2p/shoal/internal/tracker/load"
	"github.com/shoal-p2p/shoal/test/rig"
)

// When what happens to the cluster, from the beginning of its load on.
const (
	nodeDies  = 20 * time.Second
	natsStops = 60 * time.Second
	natsStart = natsStops + time.Minute
	clusterOn = natsStart + 10*time.Second
)

// cluster: three trackers over a NATS server, one of which is killed; then NATS is away for a minute.
func (b *bench) cluster() {
	port := rig.FreePort(b)
	var c *load.Cluster
	b.round("a cluster of three", func() {
		nats, err := startNATS(port)
		if err != nil {
			b.Fatalf("%v", err)
		}
		var mu sync.Mutex
		b.Cleanup(func() {
			mu.Lock()
			defer mu.Unlock()
			nats.Shutdown()
		})
		bus := url.URL{Scheme: "nats", Host: "127.0.0.1:" + strconv.Itoa(port)}
		var nodes []tracked
		var o load.Options
		for range 3 {
			t := b.shoalTracker("--cluster", bus.String())
			nodes = append(nodes, t)
			o.URLs, o.PIDs = append(o.URLs, t.url()), append(o.PIDs, t.PID())
		}
		for _, event := range []struct {
			after time.Duration
			what  string
			do    func() error
		}{
			{nodeDies, "kill -9 of a tracker", func() error { nodes[2].Kill(); return nil }},
			{natsStops, "NATS stops", func() error { nats.Shutdown(); return nil }},
			{natsStart, "NATS starts", func() (err error) { nats, err = startNATS(port); return err }},
		} {
			timer := time.AfterFunc(event.after, func() {
				mu.Lock()
				defer mu.Unlock()
				b.Logf("    %s", event.what)
				if err := event.do(); err != nil {
					b.Logf("    %s: %v", event.what, err)
				}
			})
			b.Cleanup(func() { timer.Stop() })
		}
		o.Profile, o.Warmup = "cluster", 10*time.Second
		o.Duration = clusterOn - o.Warmup
		c = b.run(o).Cluster
	})
	if c == nil {
		c = &load.Cluster{}
	}
	b.rows = append(b.rows,
		mark(c.InTimeShare >= 0.99, row{what: fmt.Sprintf("cluster of three, %d peers of %d swarms: introduced within 5 s", c.Peers, c.Swarms),
			ours: fmt.Sprintf("%.2f %% (p99 %.0f ms)", 100*c.InTimeShare, c.Meeting.P99), rival: "-", ratio: "-", target: "99 % or more"}),
		mark(c.Lost > 0 && c.Back == c.Lost && c.Again == c.LostWithMate && max(c.BackSeconds, c.AgainSeconds) <= 30, row{
			what: fmt.Sprintf("kill -9 of one: its %d peers are back, those with a mate introduced again", c.Lost),
			ours: fmt.Sprintf("%d, %d of %d in %.1f s", c.Back, c.Again, c.LostWithMate, max(c.BackSeconds, c.AgainSeconds)), rival: "-", ratio: "-", target: "all within 30 s"}),
		mark(c.Peers > 0 && c.FailedAnnounces == 0, row{what: "NATS away for a minute: failed announces",
			ours: strconv.FormatInt(c.FailedAnnounces, 10), rival: "-", ratio: "-", target: "none"}),
	)
}

// startNATS runs a NATS server in this process.
func startNATS(port int) (*server.Server, error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true})
	if err != nil {
		return nil, fmt.Errorf("NATS: %w", err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return s, fmt.Errorf("NATS does not start on port %d", port)
	}
	return s, nil
}
