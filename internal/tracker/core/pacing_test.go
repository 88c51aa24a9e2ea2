package core

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// When more comes and goes for minutes than is wanted, by whatever door, all are asked to come less often,
// within the time after which peers are forgotten; when it is over, as often as before.
func TestIntervalsGrowUnderLoad(t *testing.T) {
	for _, door := range []stats.Door{stats.WebSocket, stats.HTTP, stats.UDP} {
		now := time.Unix(1e9, 0)
		cfg := config()
		cfg.AnnouncesPerSecond, cfg.Now = 100, func() time.Time { return now }
		cfg.PingInterval = time.Hour // only this test measures
		c := start(t, cfg)
		n := c.cfg.Counters.New()
		pass := func(d time.Duration, perSecond uint64) {
			for range d / (10 * time.Second) {
				now = now.Add(10 * time.Second)
				if door == stats.WebSocket {
					n.MessagesIn.Add(5 * perSecond)
					n.MessagesOut.Add(5 * perSecond)
				} else {
					n.Announces[door].Add(10 * perSecond)
				}
				c.measure()
			}
		}
		check := func(when string, ws, tcp time.Duration) {
			t.Helper()
			for range 100 {
				for _, i := range []struct {
					got  int64
					want time.Duration
				}{{c.intervalWS(), ws}, {c.IntervalTCP(swarm.None, 5), tcp}} {
					if got := time.Duration(i.got) * time.Second; got < i.want*9/10-time.Second || got > i.want*11/10 {
						t.Fatalf("%v, %s: %v, want about %v", door, when, got, i.want)
					}
				}
				if tcp := time.Duration(c.IntervalTCP(swarm.None, 5)) * time.Second; tcp+5*time.Minute > tcpTimeout(cfg.Interval) {
					t.Fatalf("%v, %s: a peer is forgotten %v after it was to announce", door, when, tcpTimeout(cfg.Interval)-tcp)
				}
			}
		}
		c.measure()
		pass(10*time.Minute, 1700)
		check("what is wanted", cfg.WSInterval, cfg.Interval)
		pass(time.Hour, 1800)
		check("too much", 4*cfg.WSInterval, cfg.Interval*3/2)
		pass(time.Hour, 100)
		check("it is over", cfg.WSInterval, cfg.Interval)
	}
}

// Nobody is told an interval that it may not keep to.
func TestIntervalIsNotBelowTheLeast(t *testing.T) {
	cfg := config()
	cfg.Interval, cfg.MinInterval = time.Minute, time.Minute
	c := start(t, cfg)
	for range 100 {
		if got := c.IntervalTCP(swarm.None, 5); got < 60 || got > 66 {
			t.Fatalf("an interval of %d s, the least is 60", got)
		}
	}
}
