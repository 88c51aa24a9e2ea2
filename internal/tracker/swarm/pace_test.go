package swarm

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestIntervalGrowsWithTheLoad(t *testing.T) {
	p := Pacer{Base: 2 * time.Minute, PerSecond: 5000}
	const middle = 1 << 31
	for peers, want := range map[int]time.Duration{
		0: 2 * time.Minute, 600_000: 2 * time.Minute, 1_200_000: 4 * time.Minute,
		2_400_000: 8 * time.Minute, 100_000_000: 8 * time.Minute,
	} {
		if got := p.Interval(peers, middle).Round(time.Second); got != want {
			t.Errorf("%d peers: %v, want %v", peers, got, want)
		}
	}
	for _, p := range []Pacer{{Base: time.Minute}, {Base: time.Minute, PerSecond: 1, Most: time.Second}} {
		if got := p.Interval(1<<30, middle); got != time.Minute {
			t.Errorf("%+v: %v", p, got)
		}
	}
	if got := (Pacer{}).Interval(7, middle); got != 0 {
		t.Errorf("the zero Pacer: %v", got)
	}
}

// All peers came in one second. Their second announces are in 24, and after a few hours no
// second has twice what it should have.
func TestIntervalSpreadsPeersThatCameTogether(t *testing.T) {
	const peers = 12_000
	p := Pacer{Base: 2 * time.Minute}
	rng := rand.New(rand.NewPCG(1, 2))
	var second, last [140]int
	for range peers {
		at := p.Interval(peers, rng.Uint32())
		if at < 108*time.Second || at > 132*time.Second {
			t.Fatalf("an interval of %v", at)
		}
		second[int(at/time.Second)]++
		for at < 4*time.Hour {
			at += p.Interval(peers, rng.Uint32())
		}
		last[int(at/time.Second)%120]++
	}
	for i, n := range second {
		if n > peers/24*5/4 {
			t.Errorf("%d of %d announce in second %d", n, peers, i)
		}
	}
	for i, n := range last[:120] {
		if n > 2*peers/120 || n < peers/120/2 {
			t.Errorf("second %d has %d announces, %d are its share", i, n, peers/120)
		}
	}
}

func TestStretched(t *testing.T) {
	const middle = 1 << 31
	p := Pacer{Base: 2 * time.Minute, PerSecond: 5000}
	for _, tc := range []struct {
		p     Pacer
		by    float64
		peers int
		want  time.Duration
	}{
		{p, 0, 0, 2 * time.Minute}, {p, 1, 0, 2 * time.Minute}, {p, 1.5, 0, 3 * time.Minute}, {p, 9, 0, 8 * time.Minute},
		{p, 3, 1_200_000, 6 * time.Minute}, {p, 1.5, 1_200_000, 4 * time.Minute}, {p, 2, 1 << 30, 8 * time.Minute},
		{Pacer{Base: 20 * time.Minute, Most: 30 * time.Minute}, 4, 0, 30 * time.Minute},
		{Pacer{Base: time.Minute, Most: time.Second}, 4, 0, time.Minute},
	} {
		if got := tc.p.Stretched(tc.by).Interval(tc.peers, middle).Round(time.Second); got != tc.want {
			t.Errorf("%+v with %d peers, stretched %g times: %v, want %v", tc.p, tc.peers, tc.by, got, tc.want)
		}
	}
}

// Peers that do as they are told bring the load down to what is wanted, where it stays; when most have
// left, the interval is as before.
func TestLoadComesDown(t *testing.T) {
	const (
		base      = 120 // seconds
		perSecond = 1000
		most      = 3 * base * perSecond / 2 // peers: half as many again as may be
	)
	l := Load{PerSecond: perSecond}
	rng := rand.New(rand.NewPCG(3, 4))
	due := make([][]int, 2*4*base) // by second, which peers announce then
	for peer := range most {
		at := rng.IntN(base)
		due[at] = append(due[at], peer)
	}
	now, total, peers := time.Unix(1e9, 0), uint64(0), most
	by, came := 1.0, 0
	var highest float64
	for second := range 3 * 3600 {
		if second == 2*3600 {
			peers = most / 10
		}
		at := second % len(due)
		for _, peer := range due[at] {
			if peer >= peers {
				continue
			}
			total++
			came++
			next := (second + int(Pacer{Base: base * time.Second}.Stretched(by).Interval(peers, rng.Uint32())/time.Second)) % len(due)
			due[next] = append(due[next], peer)
		}
		due[at] = due[at][:0]
		now = now.Add(time.Second)
		if second%10 == 9 {
			by = l.Update(now, total)
			highest = max(highest, by)
		}
		if second%600 != 599 {
			continue
		}
		rate := float64(came) / 600
		came = 0
		switch {
		case second < 600:
		case second < 2*3600 && (rate > 1.02*perSecond || rate < 0.5*perSecond):
			t.Errorf("second %d: %.0f announces a second, stretched %.2f times", second, rate, by)
		}
	}
	if highest > 2.2 {
		t.Errorf("it was stretched %.2f times where 1.5 are enough", highest)
	}
	if by != 1 {
		t.Errorf("an hour after most have left it is stretched %.2f times", by)
	}
}

func TestLoadIsBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	var none Load
	l := Load{PerSecond: 10}
	for i := range 1000 {
		now = now.Add(10 * time.Second)
		if got := none.Update(now, uint64(i)*1e6); got != 1 {
			t.Fatalf("without a bound: %g", got)
		}
		if got := l.Update(now, uint64(i)*1e6); got < 1 || got > 4 {
			t.Fatalf("update %d: %g", i, got)
		}
	}
	high := l.by
	if high != 4 {
		t.Errorf("a flood stretches %g times", high)
	}
	// One that comes too soon, a clock set back and counters that begin anew change nothing.
	l.Update(now.Add(time.Second), 1<<40)
	l.Update(now.Add(-time.Hour), 1<<40)
	if got := l.Update(now, 5); got != high {
		t.Errorf("stretched %g times after that, %g before", got, high)
	}
	if got := l.Update(now.Add(24*time.Hour), 6); got < high*0.9 {
		t.Errorf("one look after a long pause changes it to %g", got)
	}
}

func TestRemoteShare(t *testing.T) {
	for _, tc := range []struct {
		here, want int
		share      float64
	}{{0, 5, 0.2}, {30, 1, 0.2}, {200, 5, 0.1}, {1800, 5, 0.02}, {1_000_000, 5, 0.02}, {1_000_000, 1, 0.02}, {10, 10, 0.2}, {10, 0, 0}} {
		n := 0
		for turn := range uint64(10_000) {
			k := RemoteShare(tc.here, tc.want, turn)
			if k < 0 || k > tc.want {
				t.Fatalf("%d of %d offers", k, tc.want)
			}
			n += k
		}
		if got := float64(n) / 10_000; math.Abs(got-tc.share*float64(tc.want)) > 0.01*float64(tc.want) {
			t.Errorf("%d here, %d offers: %.3f of an announce go to others, want %.3f", tc.here, tc.want, got, tc.share*float64(tc.want))
		}
	}
}
