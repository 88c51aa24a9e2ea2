package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// rampWorkers open connections at the same time.
const rampWorkers = 32

// drain is how long offers and answers are waited for after the measurement.
const drain = 2 * time.Second

// ramp opens all connections and lets each announce once, one after another in a swarm, so that it is
// known how many offers find a peer. It fails if nobody gets in.
func (g *generator) ramp(ctx context.Context, tmpl *template) ([]*conn, error) {
	start := time.Now()
	g.empty = g.usage()
	swarms := (g.Conns + g.SwarmSize - 1) / g.SwarmSize
	work := make(chan int)
	all := make([]*conn, g.Conns)
	var wg sync.WaitGroup
	for range min(rampWorkers, swarms) {
		wg.Go(func() {
			for s := range work {
				for n := s * g.SwarmSize; n < min((s+1)*g.SwarmSize, g.Conns) && ctx.Err() == nil; n++ {
					all[n] = g.enter(ctx, n, g.group(s), tmpl)
				}
			}
		})
	}
	last := time.Now()
	for s := range swarms {
		select {
		case work <- s:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		if time.Since(last) > 2*time.Second {
			last = time.Now()
			g.logf("%d connections are open", g.counts.connected.Load())
		}
	}
	close(work)
	wg.Wait()
	open := all[:0]
	for _, c := range all {
		if c != nil {
			open = append(open, c)
		}
	}
	if len(open) == 0 {
		for kind := range g.errs.all() {
			return nil, fmt.Errorf("load: no connection to %s: %s", g.targets[0].addr, kind)
		}
		return nil, fmt.Errorf("load: no connection to %s: %w", g.targets[0].addr, context.Cause(ctx))
	}
	g.logf("%d connections opened in %.1f s", len(open), time.Since(start).Seconds())
	return open, nil
}

// enter opens connection n and announces; nil means it did not work, which is counted.
func (g *generator) enter(ctx context.Context, n int, s *group, tmpl *template) *conn {
	c, err := g.connect(ctx, g.targets[n%len(g.targets)], n, tmpl, s)
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
}

func runIdle(ctx context.Context, g *generator) error {
	g.from.Store(0)
	_, err := g.ramp(ctx, newTemplate(g.Options, "1"))
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

func runPaced(ctx context.Context, g *generator) error {
	conns, err := g.ramp(ctx, newTemplate(g.Options, "1"))
	if err != nil {
		return err
	}
	defer g.closeAll()
	if g.Interval <= 0 {
		return fmt.Errorf("load: the interval is %s", g.Interval)
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
	g.measure(ctx)
	stop()
	wg.Wait()
	sleep(ctx, drain)
	return nil
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
