package core

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// messagesPerAnnounce is what an announce of a tab comes to: itself, the reply, and five offers, each of
// them answered, that come in with it and go out one by one. One of HTTP or UDP is a message.
const messagesPerAnnounce = 17

// pacing says when peers shall announce again.
type pacing struct {
	wsPacer, tcpPacer swarm.Pacer

	load    swarm.Load    // the goroutine's that expires
	stretch atomic.Uint64 // what it says, a float64
}

func (p *pacing) pace(ws, tcp time.Duration, announcesPerSecond int) {
	p.wsPacer = swarm.Pacer{Base: ws, PerSecond: announcesPerSecond, Most: 4 * ws}
	// A peer that listens on TCP is forgotten by its silence, so it is not asked for much less.
	p.tcpPacer = swarm.Pacer{Base: tcp, Most: tcp + tcp/2}
	p.load.PerSecond = messagesPerAnnounce * announcesPerSecond
	p.stretch.Store(math.Float64bits(1))
}

// tcpTimeout is after how much silence a peer that listens on TCP is forgotten: two intervals with the
// tenth that a Pacer adds, and a minute. That is enough for one interval of those that are asked for
// under load, too.
func tcpTimeout(interval time.Duration) time.Duration { return 2*(interval+interval/10) + time.Minute }

// measure looks how much comes and goes. It is called every few seconds.
func (t *Core) measure() {
	n := t.cfg.Counters.Sum()
	t.stretch.Store(math.Float64bits(t.load.Update(t.cfg.Now(), n.MessagesIn+n.MessagesOut+n.Announces[stats.HTTP]+n.Announces[stats.UDP])))
}

// intervalWS is when a WebSocket peer shall announce again, in seconds.
func (t *Core) intervalWS() int64 {
	p := t.wsPacer.Stretched(math.Float64frombits(t.stretch.Load()))
	return seconds(p.Interval(t.ledger.Total(), rand.Uint32()))
}

// IntervalTCP is when a peer that listens on TCP shall announce again, in seconds: never before
// Config.MinInterval. The first on a node asks before the other nodes can have told their peers, so it
// asks again soon.
func (t *Core) IntervalTCP(event swarm.Event, peers int) int64 {
	least := seconds(t.cfg.MinInterval)
	if t.cfg.Peering != nil && event == swarm.Started && peers == 0 {
		return least
	}
	p := t.tcpPacer.Stretched(math.Float64frombits(t.stretch.Load()))
	return max(seconds(p.Interval(0, rand.Uint32())), least)
}

func seconds(d time.Duration) int64 { return max(int64(d/time.Second), 1) }
