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
