package load

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// Lock-step announces go to torrents whose numbers are drawn from a gamma distribution, so that a
// few are popular and most are not.
const (
	lockstepTorrents = 10_000
	gammaShape       = 0.2
	gammaScale       = 100
	seederShare      = 0.25
	// stall is how long a message is waited for after an answer, which need not
	// have a reply.
	stall = 100 * time.Millisecond
)

// gamma draws from a gamma distribution with a shape below 1 (Marsaglia and Tsang, A Simple
// Method for Generating Gamma Variables, 2000).
func gamma(r *rand.Rand, shape, scale float64) float64 {
	d := shape + 1 - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		u := 1 - r.Float64() // never 0
		if math.Log(u) < x*x/2+d-d*v+d*math.Log(v) {
			return scale * d * v * math.Pow(1-r.Float64(), 1/shape)
		}
	}
}

// runLockstep lets each connection send one message for each that it reads: an answer if
// that was an offer, else an announce. It measures how many messages a tracker gets rid of,
// not what peers would see: what is not read waits.
func runLockstep(ctx context.Context, g *generator) error {
	torrents := make([]*group, lockstepTorrents)
	for i := range torrents {
		torrents[i] = g.group(i)
	}
	templates := []*template{
		newTemplate(g.Options, `"left":50,"event":"started"`),
		newTemplate(g.Options, `"left":0,"event":"completed"`),
	}
	conns, err := g.open(ctx, 1, func(n int) *conn {
		c, _ := g.connect(ctx, g.targets[n%len(g.targets)], n, nil, nil)
		return c
	})
	if err != nil {
		return err
	}
	defer g.closeAll()
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() {
			defer c.close()
			r := rand.New(rand.NewPCG(g.Seed, 10+uint64(c.n)))
			if err := c.lockstep(r, torrents, templates); err != nil && !g.closing.Load() {
				g.counts.lost.Add(1)
				g.fail("connection", err)
			}
		})
	}
	g.measure(ctx)
	g.closeAll()
	wg.Wait()
	return nil
}

func (c *conn) lockstep(r *rand.Rand, torrents []*group, templates []*template) error {
	g := c.g
	var out []byte // an answer
	for timed := false; ; {
		if len(out) == 0 {
			torrent := torrents[min(int(gamma(r, gammaShape, gammaScale)), len(torrents)-1)]
			c.t = templates[0]
			if r.Float64() < seederShare {
				c.t = templates[1]
			}
			now := g.now()
			c.sent = append(c.sent, now)
			if g.measured(now) {
				g.counts.announces.Add(1)
				g.counts.offers.Add(int64(g.Offers))
			}
			out = c.t.appendAnnounce(out, torrent.hash, c.peer, now, c.n)
		} else if !c.frames.ready() {
			c.nc.SetReadDeadline(time.Now().Add(stall))
			timed = true
		}
		if err := c.write(out, 1); err != nil {
			return err
		}
		out = out[:0]
		op, payload, err := c.frames.next(c.nc)
		if timed {
			c.nc.SetReadDeadline(time.Time{})
			timed = false
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return err
		case op == wsframe.Close:
			return closeError(payload)
		case op == wsframe.Ping:
			if err := c.write(appendFrame(nil, wsframe.Pong, payload), 0); err != nil {
				return err
			}
		case op != wsframe.Pong:
			out = c.receive(out, payload)
		}
	}
}
