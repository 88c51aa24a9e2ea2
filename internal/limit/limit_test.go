package limit

import (
	"math/rand/v2"
	"testing"
	"time"
)

var start = time.Unix(1_700_000_000, 0)

// taker takes chunk after chunk, as fast as it may.
type taker struct {
	chunk  int
	at     time.Time // when it may go on
	number int64
	passed int64
}

// run lets takers take until the end and reports each passage.
func run(b *Bucket, takers []*taker, now, end time.Time, passed func(now time.Time, n int)) {
	for {
		var next *taker
		for _, x := range takers {
			if next == nil || x.at.Before(next.at) {
				next = x
			}
		}
		now = next.at
		if !now.Before(end) {
			return
		}
		if d := b.Wait(now, next.number); d > 0 { // the rate changed meanwhile
			next.at = now.Add(d)
			continue
		}
		next.passed += int64(next.chunk)
		passed(now, next.chunk)
		next.number = b.Take(now, next.chunk)
		next.at = now.Add(max(b.Wait(now, next.number), time.Microsecond))
	}
}

func TestRateHoldsAndIsShared(t *testing.T) {
	for _, rate := range []int64{5_000, 100_000, 3 << 20, 200 << 20} {
		for _, n := range []int{1, 3, 40} {
			var b Bucket
			b.SetRate(start, rate)
			chunk := b.Quantum()
			takers := make([]*taker, n)
			for i := range takers {
				takers[i] = &taker{chunk: chunk, at: start}
			}
			var total int64
			run(&b, takers, start, start.Add(10*time.Second), func(now time.Time, k int) {
				total += int64(k)
				t0 := now.Sub(start).Seconds()
				if most := float64(rate)*(t0+burst.Seconds()) + float64(n*chunk); float64(total) > most {
					t.Fatalf("rate %d: %d bytes had passed after %.3f s, more than %.0f", rate, total, t0, most)
				}
			})
			// Each taker has at most one chunk on credit.
			if want := 10 * rate; total < want*97/100 || total > want*103/100+int64(n*chunk) {
				t.Fatalf("rate %d, %d takers: %d bytes in 10 s", rate, n, total)
			}
			for _, x := range takers {
				if x.passed*int64(n) < total*9/10-int64(n*chunk) {
					t.Fatalf("rate %d: one of %d takers got %d of %d bytes", rate, n, x.passed, total)
				}
			}
		}
	}
}

func TestIdleTimeEarnsLessThanASecond(t *testing.T) {
	var b Bucket
	b.SetRate(start, 1_000_000)
	now := start.Add(time.Hour)
	n := b.Take(now, 1_000_000)
	if d := b.Wait(now, n); d < 700*time.Millisecond {
		t.Fatalf("a second's bytes wait only %v after an idle hour", d)
	}
}

func TestChangesHoldForThoseWhoWait(t *testing.T) {
	var b Bucket
	if b.Wait(start, b.Take(start, 1<<40)) != 0 {
		t.Fatal("an unlimited bucket makes wait")
	}
	b.SetRate(start, 1000)
	if d := b.Wait(start, b.Take(start, 0)); d != 0 {
		t.Fatalf("what passed before the limit is counted: %v", d)
	}
	n := b.Take(start, 100_000)
	if d := b.Wait(start, n).Round(time.Second); d != 100*time.Second {
		t.Fatalf("100 kB at 1 kB/s take %v", d)
	}
	now := start.Add(50 * time.Second)
	b.SetRate(now, 10_000)
	if d := b.Wait(now, n).Round(time.Second); d != 5*time.Second {
		t.Fatalf("the other half at 10 kB/s takes %v", d)
	}
	b.SetRate(now, 0)
	if d := b.Wait(now, n); d != 0 {
		t.Fatalf("without a limit it takes %v", d)
	}
	b.SetRate(now, 1000)
	if d := b.Wait(now, b.Take(now, 1000)).Round(time.Second); d != time.Second {
		t.Fatalf("limited again, a second's bytes take %v", d)
	}
}

func TestRandomUseNeverPassesMore(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var b Bucket
	b.SetRate(start, 50_000)
	now := start
	var total int64
	for range 10_000 {
		now = now.Add(time.Duration(rng.IntN(400)) * time.Millisecond)
		n := rng.IntN(16 << 10)
		number := b.Take(now, n)
		now = now.Add(b.Wait(now, number)) // pays before it passes
		total += int64(n)
		if most := 50_000 * (now.Sub(start).Seconds() + burst.Seconds()); float64(total) > most+1 {
			t.Fatalf("%d bytes after %v", total, now.Sub(start))
		}
	}
}
