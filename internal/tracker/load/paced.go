package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"
)

// rampWorkers open connections at the same time.
const rampWorkers = 32

// leecher says in an announce that something is missing.
const leecher = `"left":1`

// drainTime is how long nothing may come of what is missing after the measurement.
const drainTime = 2 * time.Second

// ramp opens all connections and lets each announce once, one after another in a swarm, so that it is
// known how many offers find a peer. It fails if nobody gets in.
func (g *generator) ramp(ctx context.Context, tmpl *template) ([]*conn, error) {
	return g.open(ctx, g.SwarmSize, func(n int) *conn {
		c, err := g.connect(ctx, g.targets[n%len(g.targets)], n, tmpl, g.group(n/g.SwarmSize))
		if err != nil {
			return nil
		}
		if err := c.join(); err != nil {
			g.fail("first announce", err)
			c.close()
			return nil
		}
		g.ended.Add(1)
		go c.read()
		return c
	})
}

// open calls enter for each connection, one after another within every run of size. It fails if
// none succeeds.
func (g *generator) open(ctx context.Context, size int, enter func(n int) *conn) ([]*conn, error) {
	start := time.Now()
	g.empty = g.usage()
	work := make(chan int)
	all := make([]*conn, g.Conns)
	var wg sync.WaitGroup
	for range min(rampWorkers, g.Conns) {
		wg.Go(func() {
			for from := range work {
				for n := from; n < min(from+size, g.Conns) && ctx.Err() == nil; n++ {
					all[n] = enter(n)
				}
			}
		})
	}
	last := start
	for from := 0; from < g.Conns && ctx.Err() == nil; from += size {
		select {
		case work <- from:
		case <-ctx.Done():
		}
		if time.Since(last) > 2*time.Second {
			last = time.Now()
			g.logf("%d connections are open", g.counts.connected.Load())
		}
	}
	close(work)
	wg.Wait()
	all = slices.DeleteFunc(all, func(c *conn) bool { return c == nil })
	if len(all) == 0 {
		err := context.Cause(ctx)
		for kind := range g.errs.all() {
			err = errors.New(kind)
		}
		return nil, fmt.Errorf("no connection to %s: %w", g.targets[0].addr, err)
	}
	g.opening = g.usage().cpu - g.empty.cpu
	g.logf("%d connections opened in %.1f s", len(all), time.Since(start).Seconds())
	return all, nil
}

func runIdle(ctx context.Context, g *generator) error {
	g.from.Store(0)
	_, err := g.ramp(ctx, newTemplate(g.Options, leecher))
	if err != nil {
		return err
	}
	defer g.closeAll()
	begin := g.snapshot()
	g.logf("idle for %s", g.Duration)
	sleep(ctx, g.Duration)
	g.window = g.snapshot().since(begin)
	g.full = g.usage()
	return nil
}

func runPaced(ctx context.Context, g *generator) error { return g.paced(ctx, nil) }

// paced lets every connection announce once in each interval. beside, if not nil, runs during
// that time and for the warmup before.
func (g *generator) paced(ctx context.Context, beside func(ctx context.Context)) error {
	conns, err := g.ramp(ctx, newTemplate(g.Options, leecher))
	if err != nil {
		return err
	}
	defer g.closeAll()
	if g.Interval <= 0 {
		return fmt.Errorf("the interval is %s", g.Interval)
	}
	// Neighbours in a swarm announce at unrelated times.
	r := rand.New(rand.NewPCG(g.Seed, 3))
	r.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
	pacing, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	pacers := min(2*runtime.GOMAXPROCS(0), len(conns))
	for p := range pacers {
		wg.Go(func() { g.pace(pacing, conns, p, pacers) })
	}
	if beside != nil {
		wg.Go(func() { beside(pacing) })
	}
	g.measure(ctx)
	stop()
	wg.Wait()
	g.drain(ctx)
	return nil
}

// drain waits until everything of the measurement has come, or nothing does any more.
func (g *generator) drain(ctx context.Context) {
	c := &g.counts
	missing := func() int64 {
		return c.announces.Load() - c.replies.Load() + c.deliverable.Load() - c.delivered.Load() + c.answers.Load() - c.answered.Load()
	}
	least, since := missing(), time.Now()
	for least > 0 && time.Since(since) < drainTime && sleep(ctx, 10*time.Millisecond) {
		if n := missing(); n < least {
			least, since = n, time.Now()
		}
	}
}

// measure waits for the warmup, then takes the measurement.
func (g *generator) measure(ctx context.Context) {
	sleep(ctx, g.Warmup)
	g.logf("measuring for %s", g.Duration)
	begin := g.snapshot()
	g.from.Store(g.now())
	sleep(ctx, g.Duration)
	g.to.Store(g.now())
	g.window = g.snapshot().since(begin)
	g.full = g.usage()
}

// pace lets every pacers-th connection from the p-th on announce in each interval.
func (g *generator) pace(ctx context.Context, conns []*conn, p, pacers int) {
	start := time.Now()
	for round := 0; ; round++ {
		for i := p; i < len(conns); i += pacers {
			due := time.Duration((float64(round) + float64(i)/float64(len(conns))) * float64(g.Interval))
			if wait := due - time.Since(start); wait > time.Millisecond && !sleep(ctx, wait) || ctx.Err() != nil {
				return
			}
			if conns[i].ended.Load() {
				continue
			}
			if err := conns[i].announce(); err != nil {
				g.fail("announce", err)
				conns[i].close()
			}
		}
	}
}

// sleep reports false when ctx ended it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
