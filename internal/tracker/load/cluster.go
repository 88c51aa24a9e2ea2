package load

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// introduceWithin is how soon a peer should have met one of its swarm.
	introduceWithin = 5 * time.Second
	// replyWithin is when an announce without reply has failed.
	replyWithin = 10 * time.Second
	// A peer that lost its connection comes back after some time between these, so that
	// not all come at once.
	returnFirst, returnLast = time.Second, 5 * time.Second
)

// Cluster says how peers of small swarms met that are spread over several trackers.
type Cluster struct {
	Swarms   int `json:"swarms"`
	Peers    int `json:"peers"`
	WithMate int `json:"peers_with_mate"` // that are not alone in their swarm
	// InTime is how many of these sent an answer to one of their swarm, or got one, at most
	// 5 s after both had announced. Met is how many did ever.
	InTime      int     `json:"introduced_within_5s"`
	Met         int     `json:"introduced"`
	InTimeShare float64 `json:"introduced_within_5s_share"`
	Meeting     Latency `json:"announce_to_introduction"`

	Lost         int `json:"peers_lost"` // whose connection ended, as when a tracker dies
	LostWithMate int `json:"peers_lost_with_mate"`
	// Back is how many announced again with a reply, Again how many of those with a mate
	// met one again. The times count from the loss to the last of them.
	Back         int     `json:"peers_back"`
	Again        int     `json:"peers_introduced_again"`
	BackSeconds  float64 `json:"back_seconds"`
	AgainSeconds float64 `json:"introduced_again_seconds"`

	FailedAnnounces int64 `json:"announces_failed"` // refused, or without reply for 10 s on a connection that lives
}

// swarmSizes draws sizes with a geometric distribution of this mean until they make up n peers.
func swarmSizes(r *rand.Rand, n int, mean float64) []int {
	var sizes []int
	for n > 0 {
		s := 1
		if mean > 1 {
			s += int(math.Log(1-r.Float64()) / math.Log(1-1/mean))
		}
		s = min(s, n)
		sizes = append(sizes, s)
		n -= s
	}
	return sizes
}

// A member is a peer of the cluster profile through all of its connections.
type member struct {
	g     *generator
	n     int
	swarm *clusterSwarm
	tmpl  *template
	conn  atomic.Pointer[conn]
	due   int64 // the next announce, in microseconds

	// In microseconds since base, 0 = not yet:

	began  atomic.Int64 // its first announce that has a reply was sent
	met    atomic.Int64
	lost   atomic.Int64 // its last connection ended
	lostAt atomic.Int64 // the same, kept after it is back
	back   atomic.Int64
	again  atomic.Int64
}

type clusterSwarm struct {
	group   *group
	members []*member
}

// replied notes that an announce sent at this time has its reply.
func (m *member) replied(sent int64) {
	m.began.CompareAndSwap(0, sent)
	if at := m.lost.Swap(0); at != 0 {
		m.lostAt.Store(at)
		m.again.Store(0)
		m.back.Store(m.g.now())
	}
}

// introduced notes that an answer was sent or came.
func (m *member) introduced() {
	now := m.g.now()
	m.met.CompareAndSwap(0, now)
	if m.back.Load() != 0 {
		m.again.CompareAndSwap(0, now)
	}
}

// runCluster spreads peers over all targets as a load balancer would. Each peer whose connection
// ends comes back through another.
func runCluster(ctx context.Context, g *generator) error {
	r := rand.New(rand.NewPCG(g.Seed, 4))
	tmpl := newTemplate(g.Options, leecher)
	var swarms []*clusterSwarm
	var all []*member
	for i, size := range swarmSizes(r, g.Conns, g.SwarmMean) {
		s := &clusterSwarm{group: g.group(i)}
		for range size {
			m := &member{g: g, n: len(all), swarm: s, tmpl: tmpl}
			s.members = append(s.members, m)
			all = append(all, m)
		}
		swarms = append(swarms, s)
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })

	g.empty = g.usage()
	g.logf("%d peers of %d swarms come within %s", len(all), len(swarms), g.Warmup)
	running, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for i, m := range all {
		seed := r.Uint64()
		wg.Go(func() {
			if sleep(running, time.Duration(float64(i)/float64(len(all))*float64(g.Warmup))) {
				m.live(running, rand.New(rand.NewPCG(seed, uint64(i))))
			}
		})
	}
	var failed atomic.Int64
	announcing, silence := context.WithCancel(running)
	wg.Go(func() { g.announceAll(announcing, all, &failed) })
	wg.Go(func() { g.watch(running, all) })
	g.measure(ctx)
	silence()
	g.drain(ctx)
	g.cluster = countCluster(swarms)
	g.cluster.FailedAnnounces = failed.Load() + g.counts.refused.Load()
	stop()
	g.closeAll()
	wg.Wait()
	if g.counts.connected.Load() == 0 {
		for kind := range g.errs.all() {
			return fmt.Errorf("no connection to any of %d trackers: %s", len(g.targets), kind)
		}
	}
	return nil
}

// live keeps the peer connected until ctx ends.
func (m *member) live(ctx context.Context, r *rand.Rand) {
	g := m.g
	for at := r.IntN(len(g.targets)); ctx.Err() == nil; at++ {
		c, err := g.connect(ctx, g.targets[at%len(g.targets)], m.n, m.tmpl, m.swarm.group)
		if err != nil {
			sleep(ctx, time.Second) // the next one may live
			continue
		}
		c.member = m
		if err := c.announce(); err == nil {
			m.conn.Store(c)
			g.ended.Add(1)
			c.read()
		} else {
			c.close()
		}
		m.conn.Store(nil)
		if ctx.Err() == nil {
			m.lost.CompareAndSwap(0, g.now())
			sleep(ctx, returnFirst+time.Duration(r.Int64N(int64(returnLast-returnFirst))))
		}
	}
}

// announceAll lets each connected peer announce at the interval and counts what has no reply.
func (g *generator) announceAll(ctx context.Context, all []*member, failed *atomic.Int64) {
	interval := int64(g.Interval / time.Microsecond)
	for sleep(ctx, 50*time.Millisecond) {
		now := g.now()
		for _, m := range all {
			c := m.conn.Load()
			if c == nil {
				m.due = now + interval
				continue
			}
			if sent := c.waiting.Load(); sent != 0 && now-sent > int64(replyWithin/time.Microsecond) && c.waiting.CompareAndSwap(sent, 0) {
				failed.Add(1)
			}
			if now < m.due {
				continue
			}
			m.due = now + interval
			if err := c.announce(); err != nil {
				g.fail("announce", err)
				c.close()
			}
		}
	}
}

// watch tells when peers are lost, and when all are back.
func (g *generator) watch(ctx context.Context, all []*member) {
	var since time.Time
	most := 0
	for sleep(ctx, 100*time.Millisecond) {
		away := 0
		for _, m := range all {
			if m.lost.Load() != 0 {
				away++
			}
		}
		switch {
		case away > 0 && most == 0:
			since = time.Now()
			g.logf("%.1f s: peers lose their connection", time.Since(g.base).Seconds())
		case away == 0 && most > 0:
			g.logf("%.1f s: all are back; there were up to %d away, for %.1f s", time.Since(g.base).Seconds(), most, time.Since(since).Seconds())
			most = 0
		}
		most = max(most, away)
	}
}

func countCluster(swarms []*clusterSwarm) *Cluster {
	out := &Cluster{Swarms: len(swarms)}
	var meeting histogram
	for _, s := range swarms {
		out.Peers += len(s.members)
		for _, m := range s.members {
			out.addLoss(m, len(s.members) > 1)
			first := firstMate(s, m)
			began := m.began.Load()
			if first == 0 || began == 0 {
				continue
			}
			out.WithMate++
			met := m.met.Load()
			if met == 0 {
				continue
			}
			out.Met++
			took := time.Duration(met-max(began, first)) * time.Microsecond
			meeting.add(took)
			if took <= introduceWithin {
				out.InTime++
			}
		}
	}
	if out.WithMate > 0 {
		out.InTimeShare = float64(out.InTime) / float64(out.WithMate)
	}
	out.Meeting = meeting.latency()
	return out
}

// firstMate returns when the first of the others announced, 0 if none did.
func firstMate(s *clusterSwarm, me *member) int64 {
	var times []int64
	for _, m := range s.members {
		if began := m.began.Load(); m != me && began != 0 {
			times = append(times, began)
		}
	}
	if len(times) == 0 {
		return 0
	}
	return slices.Min(times)
}

func (out *Cluster) addLoss(m *member, hasMate bool) {
	lostAt, back, away := m.lostAt.Load(), m.back.Load(), m.lost.Load() != 0
	if !away && back == 0 {
		return
	}
	out.Lost++
	if hasMate {
		out.LostWithMate++
	}
	if !away {
		out.Back++
		out.BackSeconds = max(out.BackSeconds, float64(back-lostAt)/1e6)
		if again := m.again.Load(); again != 0 && hasMate {
			out.Again++
			out.AgainSeconds = max(out.AgainSeconds, float64(again-lostAt)/1e6)
		}
	}
}

func (c *Cluster) print(p func(name, format string, args ...any)) {
	p("swarms", "%d of %d peers (%.2f each)", c.Swarms, c.Peers, float64(c.Peers)/float64(max(c.Swarms, 1)))
	p("introduced", "%d of %d with a mate within %s (%.2f %%), %d ever", c.InTime, c.WithMate, introduceWithin, 100*c.InTimeShare, c.Met)
	p("announce to introduction", "p50 %.1f ms, p90 %.1f, p99 %.1f, max %.0f", c.Meeting.P50, c.Meeting.P90, c.Meeting.P99, c.Meeting.Max)
	if c.Lost > 0 {
		p("lost connections", "%d peers; %d back, the last after %.1f s; %d of %d with a mate introduced again, the last after %.1f s", c.Lost, c.Back, c.BackSeconds, c.Again, c.LostWithMate, c.AgainSeconds)
	}
	p("failed announces", "%d", c.FailedAnnounces)
}
