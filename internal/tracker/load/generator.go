package load

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A generator is one run.
type generator struct {
	Options
	targets []*target
	base    time.Time // stamps count from here
	counts  counters
	errs    errorCounts
	closing atomic.Bool // connections that end are no errors any more

	// from and to bound the measurement, in microseconds since base.
	from, to atomic.Int64

	mu     sync.Mutex
	conns  map[*conn]struct{}
	swarms []*group
	ended  sync.WaitGroup // readers

	empty, full usage // of the trackers, before and with the connections
	window      window
	opening     time.Duration // processor time of the trackers while the connections were opened

	attack  *Attack // of a hostile profile
	beside  *Report // of other honest peers
	cluster *Cluster
}

// A window is what was counted and used during the measurement.
type window struct {
	duration time.Duration
	in, out  int64
	bytesIn  int64
	bytesOut int64
	cpu      time.Duration
}

// A group is the connections of one swarm.
type group struct {
	hash   []byte // JSON without quotes
	joined atomic.Int64
}

func newGenerator(o Options) *generator {
	g := &generator{Options: o, base: time.Now(), conns: make(map[*conn]struct{})}
	g.from.Store(1 << 62)
	g.to.Store(1 << 62)
	return g
}

// now returns the microseconds since the run began.
func (g *generator) now() int64 { return int64(time.Since(g.base) / time.Microsecond) }

func (g *generator) measured(micros int64) bool {
	return micros >= g.from.Load() && micros < g.to.Load()
}

func (g *generator) logf(format string, args ...any) { g.Log(fmt.Sprintf(format, args...)) }

// fail counts an error, unless everything is being closed anyway.
func (g *generator) fail(doing string, err error) {
	if !g.closing.Load() {
		g.errs.add(kindOf(doing, err))
	}
}

// group returns swarm n.
func (g *generator) group(n int) *group {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.swarms) <= n {
		g.swarms = append(g.swarms, &group{hash: infoHash(g.Seed, len(g.swarms))})
	}
	return g.swarms[n]
}

// snapshot returns the sums so far, for the difference of two.
func (g *generator) snapshot() window {
	return window{
		duration: time.Since(g.base),
		in:       g.counts.in.Load(), out: g.counts.out.Load(),
		bytesIn: g.counts.bytesIn.Load(), bytesOut: g.counts.bytesOut.Load(),
		cpu: g.usage().cpu,
	}
}

func (w window) since(old window) window {
	return window{w.duration - old.duration, w.in - old.in, w.out - old.out, w.bytesIn - old.bytesIn, w.bytesOut - old.bytesOut, w.cpu - old.cpu}
}

// closeAll ends all connections and waits for their readers.
func (g *generator) closeAll() {
	g.closing.Store(true)
	g.mu.Lock()
	for c := range g.conns {
		c.nc.Close()
	}
	g.mu.Unlock()
	g.ended.Wait()
}
