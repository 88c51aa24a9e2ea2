package sim

import (
	"flag"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The figures of this file are those of docs/benchmarks.md when they are made with
//
//	go test ./internal/sim -run 'TestPlayback|TestSwarmBeside' -figures -v
//
// Without the flag the scenarios are the same, but fewer or smaller.
var figures = flag.Bool("figures", false, "run as many and as large swarms as the published figures need")

func sized(quick, full int) int {
	if *figures {
		return full
	}
	return quick
}

const mbit = 1_000_000 / 8 // bytes a second

// quantile returns the element below which the share q of a list lies.
func quantile(list []time.Duration, q float64) time.Duration {
	slices.Sort(list)
	return list[min(len(list)-1, int(q*float64(len(list))))]
}

// viewing is what one person who watches and seeks met with.
type viewing struct {
	waits            []time.Duration // for the first picture, and after each seek
	stalled, watched time.Duration
	received, wasted int64
}

// watch plays a film of 8 Mbit/s from 20 peers of 2 Mbit/s each: a cold start, then
// seeks to places chosen at random, ten seconds of playing after each.
func watch(seed uint64, tor *Torrent, seeks int) (v viewing, err error) {
	const scene = 10 * time.Second
	net := New(Config{Seed: seed, Torrent: tor, Loss: 0.01})
	rng := net.Rand()
	for range 20 {
		net.Add(NodeConfig{Seed: true, Up: 2 * mbit, Latency: between(rng, 15*time.Millisecond, 100*time.Millisecond)}).Join()
	}
	x := net.Add(NodeConfig{Down: 100 * mbit, Latency: time.Millisecond})
	x.Join()
	every := time.Duration(tor.Info.PieceLength) * time.Second / (8 * mbit)
	p := &player{x: x, every: every, reads: true}
	p.seek(0)
	for k := range seeks + 1 {
		began := net.Now()
		if k > 0 {
			p.seek(rng.IntN(tor.Info.NumPieces() - 30))
		}
		stalled := p.stalled
		if err := net.Run(began+time.Minute, func() bool { return p.started > 0 && net.Now()-p.started >= scene }); err != nil {
			return v, err
		}
		v.waits = append(v.waits, p.started-began)
		v.stalled += p.stalled - stalled
		v.watched += scene
	}
	v.received, v.wasted = x.Received, x.Wasted()
	return v, nil
}

func TestPlayback(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 1800, PieceLength: 1 << 20})
	seeds := sized(3, 100)
	list := make([]viewing, seeds)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 2)
	for seed := range seeds {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			var err error
			if list[seed], err = watch(uint64(seed), tor, 20); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var waits []time.Duration
	var stalled, watched time.Duration
	var received, wasted int64
	for _, v := range list {
		waits = append(waits, v.waits...)
		stalled, watched = stalled+v.stalled, watched+v.watched
		received, wasted = received+v.received, wasted+v.wasted
	}
	half, most := quantile(waits, 0.5), quantile(waits, 0.95)
	still := 100 * float64(stalled) / float64(watched)
	vain := 100 * float64(wasted) / float64(received)
	t.Logf("figure: picture-in-the-median %.2f s <= 1.5", half.Seconds())
	t.Logf("figure: picture-at-the-95th %.2f s <= 3", most.Seconds())
	t.Logf("figure: stalled %.2f %% <= 0.5", still)
	t.Logf("figure: in-vain %.2f %% <= 2", vain)
	t.Logf("%d seeds: picture after %v in the median, %v at the 95th; stalled %.2f %%, in vain %.2f %%", seeds, half, most, still, vain)
	if half > 1500*time.Millisecond || most > 3*time.Second {
		t.Errorf("picture after %v in the median, %v at the 95th", half, most)
	}
	if still > 0.5 {
		t.Errorf("stalled %.2f %% of the time", still)
	}
	if vain > 2 {
		t.Errorf("%.2f %% of the bytes in vain", vain)
	}
}

// among is a swarm of one seed and leechers of the same lines, joined by others.
type among struct {
	leechers, others int
	other            func(*NodeConfig) // makes one of the others
	options          TorrentOptions
}

const (
	seedUp      = 2 << 20
	leecherUp   = 256 << 10
	leecherDown = 1 << 20
)

// run returns when the average and the last of the honest leechers were complete.
func (a among) run(t *testing.T, seed uint64) (mean, last time.Duration) {
	t.Helper()
	tor := newTorrent(t, a.options)
	net := New(Config{Seed: seed, Torrent: tor, Loss: 0.01})
	rng := net.Rand()
	add := func(c NodeConfig) *Node {
		c.Latency = between(rng, 10*time.Millisecond, 100*time.Millisecond)
		x := net.Add(c)
		net.At(between(rng, 0, time.Second), x.Join)
		return x
	}
	add(NodeConfig{Seed: true, Up: seedUp})
	var honest []*Node
	for range a.leechers {
		honest = append(honest, add(NodeConfig{Up: leecherUp, Down: leecherDown}))
	}
	for range a.others {
		c := NodeConfig{Up: leecherUp, Down: leecherDown}
		a.other(&c)
		add(c)
	}
	done := func() bool { return !slices.ContainsFunc(honest, func(x *Node) bool { return x.Done == 0 }) }
	asked := 0
	if err := net.Run(2*time.Hour, func() bool { asked++; return asked%4096 == 0 && done() }); err != nil {
		t.Fatal(err)
	}
	for _, x := range honest {
		mean += x.Done / time.Duration(len(honest))
		last = max(last, x.Done)
	}
	return mean, last
}

// A swarm can be no faster than its uplinks together, nor than the seed, nor than
// a downlink (the fluid bound).
func TestSwarmBesideTheFluidBound(t *testing.T) {
	a := among{leechers: sized(50, 1000), options: TorrentOptions{V1: true, Pieces: sized(128, 256), PieceLength: 128 << 10}}
	size := float64(a.options.Pieces) * float64(a.options.PieceLength)
	n := float64(a.leechers)
	bound := time.Duration(max(size/seedUp, size/leecherDown, n*size/(seedUp+n*leecherUp)) * float64(time.Second))
	_, last := a.run(t, 1)
	ratio := float64(last) / float64(bound)
	t.Logf("figure: the-last-against-the-fluid-bound %.2f x <= 1.25", ratio)
	t.Logf("%d leechers: the last after %v, the bound is %v: %.2f", a.leechers, last, bound, ratio)
	if ratio > 1.25 {
		t.Errorf("the last is complete after %.2f times the bound", ratio)
	}
}

// Polluters, three of ten, hardly slow down those who are not. Free riders take what
// the seed cannot tell from others gives them, and the optimistic slots.
func TestSwarmBesideThoseWhoGiveNothing(t *testing.T) {
	n := sized(30, 200)
	pollute := func(c *NodeConfig) { c.Malice = &Malice{Claims: true, Garbage: 1} }
	for _, tt := range []struct {
		name  string
		among among
		most  float64
	}{
		{"free riders", among{other: func(c *NodeConfig) { c.Selfish = true }, options: TorrentOptions{V1: true}}, 1.3},
		{"polluters, v1", among{other: pollute, options: TorrentOptions{V1: true}}, 1.1},
		{"polluters, v2", among{other: pollute, options: TorrentOptions{V2: true}}, 1.1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.among
			a.options.Pieces, a.options.PieceLength = sized(128, 256), 128<<10
			a.leechers = n * 7 / 10
			alone, _ := a.run(t, 1)
			a.others = n * 3 / 10
			beside, _ := a.run(t, 1)
			ratio := float64(beside) / float64(alone)
			t.Logf("figure: honest-beside-%s %.2f x <= 1.1", strings.NewReplacer(" ", "-", ",", "").Replace(tt.name), ratio)
			t.Logf("%d leechers: complete after %v on average, %v beside %d others: %.2f", a.leechers, alone, beside, a.others, ratio)
			if ratio > tt.most {
				t.Errorf("%.2f times as long", ratio)
			}
		})
	}
}
