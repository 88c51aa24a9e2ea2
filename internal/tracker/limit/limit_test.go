package limit

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

const second = int64(time.Second)

// start is a time like those of real clocks.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

func TestBurstThenRate(t *testing.T) {
	pace := Rate{PerSecond: 2, Burst: 5}.Pace()
	var b Bucket
	for i := range 5 {
		if !b.Allow(pace, start, 1) {
			t.Fatalf("the burst ended after %d of 5", i)
		}
	}
	if b.Allow(pace, start, 1) {
		t.Fatal("a sixth at once was allowed")
	}
	if b.Allow(pace, start+second/2-1, 1) {
		t.Fatal("allowed before half a second")
	}
	if !b.Allow(pace, start+second/2, 1) {
		t.Fatal("refused after half a second")
	}
	if b.Allow(pace, start+100*second, 6) {
		t.Fatal("more than the burst was saved up")
	}
	if !b.Allow(pace, start+100*second, 5) {
		t.Fatal("after a pause the burst is not whole")
	}
}

func TestRefusedCostsNothing(t *testing.T) {
	pace := Rate{PerSecond: 1, Burst: 1}.Pace()
	var b Bucket
	b.Allow(pace, start, 1)
	for i := range int64(1000) {
		if b.Allow(pace, start+i, 1) {
			t.Fatal("allowed too early")
		}
	}
	if !b.Allow(pace, start+second, 1) {
		t.Fatal("refusals pushed the allowance away")
	}
}

func TestNoBound(t *testing.T) {
	for _, r := range []Rate{{}, {Burst: 3}, {PerSecond: -1}, {PerSecond: math.NaN()}, {PerSecond: 1e10}, {PerSecond: math.Inf(1)}} {
		if r.Pace().Bounded() || New(r, 10) != nil {
			t.Errorf("%+v bounds", r)
		}
	}
	var none *Table
	if !none.Allow(start, 1, 1<<30) {
		t.Error("a nil Table refused")
	}
	var b Bucket
	if !b.Allow(Pace{}, start, 1<<30) {
		t.Error("the zero Pace refused")
	}
}

func TestBurstByDefault(t *testing.T) {
	for _, c := range []struct {
		rate Rate
		want int
	}{{Rate{PerSecond: 0.1}, 1}, {Rate{PerSecond: 2.5}, 3}, {Rate{PerSecond: 10, Burst: -4}, 10}, {Rate{PerSecond: 10, Burst: 7}, 7}} {
		var b Bucket
		n := 0
		for b.Allow(c.rate.Pace(), start, 1) {
			n++
		}
		if n != c.want {
			t.Errorf("%+v allows %d at once, want %d", c.rate, n, c.want)
		}
	}
}

func TestExtremeRatesDoNotOverflow(t *testing.T) {
	for _, r := range []Rate{{PerSecond: 1e-300, Burst: math.MaxInt}, {PerSecond: 1e-9, Burst: 1 << 40}, {PerSecond: 1e9, Burst: math.MaxInt}, {PerSecond: 1e-300}} {
		var b Bucket
		if !b.Allow(r.Pace(), start, 1) {
			t.Errorf("%+v refuses the first", r)
		}
		if b.Allow(r.Pace(), start, math.MaxInt) {
			t.Errorf("%+v allows everything", r)
		}
	}
}

func TestClockSetBack(t *testing.T) {
	pace := Rate{PerSecond: 1, Burst: 3}.Pace()
	var b Bucket
	for b.Allow(pace, start, 1) {
	}
	back := start - 3600*second
	if b.Allow(pace, back, 1) {
		t.Fatal("the setting back was a gift")
	}
	if !b.Allow(pace, back+second, 1) {
		t.Fatal("closed for an hour because the clock was set back")
	}
}

// In any window, no more than the burst and what the rate gives in that time passes; and
// what waits for long enough always passes.
func TestNeverMoreThanTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{PerSecond: rapid.Float64Range(0.01, 1000).Draw(t, "rate"), Burst: rapid.IntRange(1, 50).Draw(t, "burst")}
		pace := r.Pace()
		var b Bucket
		now, taken := start, 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.Int64Range(0, int64(3e9/r.PerSecond)).Draw(t, "pause")
			n := rapid.IntRange(1, 5).Draw(t, "n")
			if b.Allow(pace, now, n) {
				taken += n
			}
			if bound := float64(r.Burst) + float64(now-start)/float64(pace.step); float64(taken) > bound+1e-6 {
				t.Fatalf("%d taken, bound is %f", taken, bound)
			}
		}
		now += pace.window
		if !b.Allow(pace, now, r.Burst) {
			t.Fatal("not whole after the window")
		}
	})
}

// Neighbouring keys, as the addresses of one network are, stand in sets of their own
// whatever the seed. A table at half of its capacity forgets few of them.
func TestKeysAreSeparate(t *testing.T) {
	for range 1000 {
		tab := New(Rate{PerSecond: 1, Burst: 2}, 1000)
		for key := range uint64(500) {
			if !tab.Allow(start, key, 2) {
				t.Fatalf("key %d was refused its burst", key)
			}
		}
		forgotten := 0
		for key := range uint64(500) {
			if tab.Allow(start, key, 1) {
				forgotten++
			}
		}
		if forgotten > 60 { // of 5,000 seeds none came above 25
			t.Fatalf("%d of 500 keys forgotten at capacity 1000, seeds %x", forgotten, tab.seed)
		}
	}
}

// A key at its limit stays there, however many others pass by.
func TestFloodOfKeysFreesNobody(t *testing.T) {
	tab := New(Rate{PerSecond: 1, Burst: 10}, 1024)
	const heavy = 12345
	for tab.Allow(start, heavy, 1) {
	}
	for key := range uint64(1_000_000) {
		tab.Allow(start, 1<<40+key, 1)
	}
	if tab.Allow(start, heavy, 1) {
		t.Error("a flood of other keys made the table forget the heavy one")
	}
	if n := len(tab.sets) * ways; n > 2048 {
		t.Errorf("the table grew to %d entries", n)
	}
}

func TestSmallCapacities(t *testing.T) {
	for capacity := -1; capacity < 40; capacity++ {
		tab := New(Rate{PerSecond: 1, Burst: 1}, capacity)
		if n := len(tab.sets) * ways; n < capacity || n > 2*max(capacity, ways) {
			t.Errorf("capacity %d made %d entries", capacity, n)
		}
		if !tab.Allow(start, 7, 1) || tab.Allow(start, 7, 1) {
			t.Errorf("capacity %d: the first must pass, the second not", capacity)
		}
	}
}

func TestManyGoroutines(t *testing.T) {
	tab := New(Rate{PerSecond: 1, Burst: 100}, 1<<10)
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			for range 10_000 {
				if tab.Allow(start, r.Uint64N(10), 1) {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := allowed.Load(); n != 1000 {
		t.Errorf("%d allowed, want 10 keys with 100 each", n)
	}
}

func TestAllowDoesNotAllocate(t *testing.T) {
	tab := New(Rate{PerSecond: 1, Burst: 1}, 1<<12)
	a := netip.MustParseAddr("2001:db8::1")
	key := uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		key++
		tab.Allow(start, netaddr.Key(a)^key, 1)
		tab.Allow(start, netaddr.PrefixKey(a), 1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTable(b *testing.B) {
	for _, c := range []struct {
		name string
		keys uint64
	}{{"100 keys", 100}, {"1M keys", 1 << 20}} {
		b.Run(c.name, func(b *testing.B) {
			tab := New(Rate{PerSecond: 100, Burst: 1000}, 1<<20)
			r := rand.New(rand.NewPCG(1, 2))
			now := start
			b.ReportAllocs()
			for b.Loop() {
				now += 100
				tab.Allow(now, r.Uint64N(c.keys), 1)
			}
		})
	}
}
