package picker

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func any(int) bool { return true }

func TestRarestComesFirstAndTiesAreRandom(t *testing.T) {
	firsts := map[int]int{}
	for seed := range uint64(200) {
		p := New(10, rand.New(rand.NewPCG(seed, 1)))
		for i := range 10 {
			p.Add(i)
		}
		for i := range 10 {
			if i < 7 {
				p.Inc(i)
				p.Inc(i)
			}
			p.Inc(i)
		}
		i, ok := p.Rarest(any)
		if !ok || i < 7 {
			t.Fatalf("picked %d with availability %d", i, p.Availability(i))
		}
		firsts[i]++
		if i, _ := p.Commonest(any); i >= 7 {
			t.Fatalf("commonest is %d", i)
		}
	}
	if len(firsts) != 3 {
		t.Fatalf("ties always broken the same way: %v", firsts)
	}
}

// The order must stay what a naive sort would give, whatever happens.
func TestOrderAgreesWithNaiveCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 17
		p := New(n, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2)))
		var avail [n]int
		var in [n]bool
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			i := rapid.IntRange(0, n-1).Draw(t, "piece")
			switch rapid.IntRange(0, 3).Draw(t, "op") {
			case 0:
				p.Add(i)
				in[i] = true
			case 1:
				p.Remove(i)
				in[i] = false
			case 2:
				p.Inc(i)
				avail[i]++
			case 3:
				p.Dec(i)
				avail[i] = max(0, avail[i]-1)
			}
			want := 0
			for k := range n {
				if in[k] {
					want++
				}
				if p.Pickable(k) != in[k] || p.Availability(k) != avail[k] {
					t.Fatalf("piece %d: pickable %v availability %d", k, p.Pickable(k), p.Availability(k))
				}
			}
			if p.Len() != want {
				t.Fatalf("%d pickable, want %d", p.Len(), want)
			}
			for k := 1; k < len(p.order); k++ {
				if avail[p.order[k-1]] > avail[p.order[k]] {
					t.Fatalf("order %v is not by availability %v", p.order, avail)
				}
			}
		}
	})
}

func BenchmarkIncDecWith100kPieces(b *testing.B) {
	const n = 100_000
	p := New(n, rand.New(rand.NewPCG(1, 1)))
	for i := range n {
		p.Add(i)
	}
	i := 0
	for b.Loop() {
		p.Inc(i % n)
		p.Rarest(any)
		p.Dec(i % n)
		i++
	}
}
