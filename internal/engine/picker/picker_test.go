package picker

import (
	"math/rand/v2"
	"testing"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"pgregory.net/rapid"
)

// all is a peer that has everything, but is not counted as a seed.
func all(n int) *bits.Set {
	s := bits.New(n)
	s.Fill()
	return &s
}

func TestRarestComesFirstAndTiesAreRandom(t *testing.T) {
	firsts := map[int]int{}
	everything := all(10)
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
		i, ok := p.Rarest(everything, nil)
		if !ok || i < 7 {
			t.Fatalf("picked %d with availability %d", i, p.Availability(i))
		}
		firsts[i]++
		if i, _ := p.Commonest(everything, nil); i >= 7 {
			t.Fatalf("commonest is %d", i)
		}
	}
	if len(firsts) != 3 {
		t.Fatalf("ties always broken the same way: %v", firsts)
	}
}

// naive is what a picker does, done in maps.
type naive struct {
	first, end int
	avail      map[int]int
	in         map[int]bool
	level      map[int]Level
}

func (v *naive) agrees(t *rapid.T, p *Picker) {
	for k := max(0, v.first-10); k < v.end+10; k++ {
		if p.Pickable(k) != v.in[k] || p.Availability(k) != v.avail[k] {
			t.Fatalf("piece %d of %d to %d: pickable %v availability %d", k, v.first, v.end, p.Pickable(k), p.Availability(k))
		}
	}
	if p.Len() != len(v.in) {
		t.Fatalf("%d pickable, want %d", p.Len(), len(v.in))
	}
	for l, o := range p.orders {
		for k, i := range o.list {
			i := int(i)
			if k > 0 && v.avail[int(o.list[k-1])] > v.avail[i] {
				t.Fatalf("order %v is not by availability %v", o.list, v.avail)
			}
			if v.level[i] != Level(l) || !o.set.Has(i) {
				t.Fatalf("piece %d of level %d is in the order of level %d", i, v.level[i], l)
			}
		}
		if o.set.Count() != len(o.list) {
			t.Fatalf("%d pieces of level %d in the set, %d in the order", o.set.Count(), l, len(o.list))
		}
	}
	everything := bits.Window(v.first, v.end)
	everything.Fill()
	for name, pick := range picks {
		if i, ok := pick(p, &everything, nil); ok != (len(v.in) > 0) || ok && !v.in[i] {
			t.Fatalf("%s: %d, %v", name, i, ok)
		}
	}
}

// The order must stay what a naive sort would give, whatever happens, and wherever
// its window is.
func TestOrderAgreesWithNaiveCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.IntRange(0, 100).Draw(t, "first")
		v := naive{first: first, end: first + 17, avail: map[int]int{}, in: map[int]bool{}, level: map[int]Level{}}
		p := Window(v.first, v.end, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2)))
		for i := range v.end {
			v.level[i] = Normal
		}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			i := rapid.IntRange(max(0, v.first-3), v.end+2).Draw(t, "piece")
			known := v.first <= i && i < v.end
			switch op := rapid.IntRange(0, 12).Draw(t, "op"); {
			case op == 0:
				n := rapid.IntRange(0, 70).Draw(t, "more")
				p.Extend(n)
				for k := range n {
					v.level[v.end+k] = Normal
				}
				v.end += n
			case op == 1:
				p.Retire(i)
				for k := v.first; k < i; k++ {
					delete(v.avail, k)
					delete(v.in, k)
				}
				v.first, v.end = max(v.first, i), max(v.end, i)
			case !known:
				p.Add(i)
				p.Remove(i)
				p.Inc(i)
				p.Dec(i)
				p.SetLevel(i, High)
			case op < 5:
				p.Add(i)
				v.in[i] = true
			case op < 7:
				p.Remove(i)
				delete(v.in, i)
			case op < 9:
				p.Inc(i)
				v.avail[i]++
			case op < 11:
				p.Dec(i)
				v.avail[i] = max(0, v.avail[i]-1)
			default:
				v.level[i] = Level(rapid.IntRange(0, int(High)).Draw(t, "level"))
				p.SetLevel(i, v.level[i])
			}
			v.agrees(t, p)
		}
	})
}

// Content may go on for ever: a piece that is added or retired costs as much as the
// first one did, and memory is that of the window.
func TestWindowCostsWhatMoves(t *testing.T) {
	const window = 64
	p := New(window, rand.New(rand.NewPCG(1, 1)))
	has := bits.New(window)
	for i := range 100_000 {
		p.Add(i)
		p.Inc(i)
		has.Set(i)
		before := p.Work()
		if _, ok := p.First(&has, nil); !ok {
			t.Fatalf("nothing to pick at piece %d", i)
		}
		if w := p.Work() - before; w > 4 {
			t.Fatalf("%d looks for the first piece at piece %d", w, i)
		}
		p.Extend(1)
		p.Retire(max(0, i-window))
		has.Grow(1)
		has.Retire(max(0, i-window))
		for name, n := range map[string]int{"pos": cap(p.pos), "avail": cap(p.avail), "list": cap(p.orders[Normal].list)} {
			if n > 8*window {
				t.Fatalf("%s has room for %d at piece %d", name, n, i)
			}
		}
	}
}

func BenchmarkIncDecWith100kPieces(b *testing.B) {
	const n = 100_000
	p := New(n, rand.New(rand.NewPCG(1, 1)))
	for i := range n {
		p.Add(i)
	}
	i := 0
	everything := all(n)
	for b.Loop() {
		p.Inc(i % n)
		p.Rarest(everything, nil)
		p.Dec(i % n)
		i++
	}
}

// picks are the ways to pick.
var picks = map[string]func(*Picker, *bits.Set, func(int) bool) (int, bool){
	"rarest": (*Picker).Rarest, "commonest": (*Picker).Commonest, "random": (*Picker).Random, "first": (*Picker).First,
}

// Whatever a peer has, a piece of it is found if there is one, and only then.
func TestPickFindsWhatThePeerHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3000).Draw(t, "pieces")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		p := New(n, rng)
		has := bits.New(n)
		density, shared := rapid.Float64Range(0, 1).Draw(t, "density"), rapid.IntRange(0, 5).Draw(t, "shared")
		for i := range n {
			p.Add(i)
			for range rng.IntN(4) {
				p.Inc(i)
			}
		}
		for i := range n {
			if rng.Float64() < density {
				p.Remove(i)
				if rng.IntN(2) == 0 {
					has.Set(i)
					p.Inc(i)
				}
			}
		}
		for range shared {
			i := rng.IntN(n)
			p.Add(i)
			if has.Set(i) {
				p.Inc(i)
			}
		}
		barred := rng.IntN(n)
		ok := func(i int) bool { return i != barred }
		can := false
		for i := range n {
			can = can || has.Has(i) && p.Pickable(i) && ok(i)
		}
		for name, pick := range picks {
			i, found := pick(p, &has, ok)
			if found != can || found && (!has.Has(i) || !p.Pickable(i) || !ok(i)) {
				t.Fatalf("%s: piece %d, found %v; there is one: %v", name, i, found, can)
			}
		}
	})
}

// A peer that has few of many pieces, none of them near either end of the order,
// costs no walk through all of them.
func TestPickLooksAtABoundedNumberOfPieces(t *testing.T) {
	const n = 100_000
	p := New(n, rand.New(rand.NewPCG(1, 1)))
	has := bits.New(n)
	for i := range n {
		p.Add(i)
		for range 1 + i/(n/5) {
			p.Inc(i)
		}
	}
	has.Set(n / 2)
	p.Inc(n / 2)
	for name, pick := range picks {
		before := p.Work()
		if i, ok := pick(p, &has, nil); !ok || i != n/2 {
			t.Fatalf("%s: %d, %v", name, i, ok)
		}
		if w := p.Work() - before; w > walkLimit+n/64+sample {
			t.Errorf("%s looks at %d pieces and words", name, w)
		}
	}
}

// A piece of a higher level comes first, however common it is.
func TestHigherLevelComesFirst(t *testing.T) {
	const n = 1000
	p := New(n, rand.New(rand.NewPCG(1, 1)))
	for i := range n {
		p.Add(i)
	}
	p.SetLevel(700, High)
	for i := range 500 {
		p.SetLevel(i, Low)
	}
	for range 5 {
		p.Inc(700)
	}
	everything := all(n)
	for name, pick := range picks {
		if i, _ := pick(p, everything, nil); i != 700 {
			t.Errorf("%s: %d", name, i)
		}
		if i, _ := pick(p, everything, func(i int) bool { return i != 700 }); i < 500 {
			t.Errorf("%s: %d, of the lowest level", name, i)
		}
	}
}

func TestAvailabilityCountsSeedsApart(t *testing.T) {
	p := New(3, rand.New(rand.NewPCG(1, 1)))
	p.Inc(1)
	p.Inc(1)
	p.AddSeed()
	p.AddSeed()
	p.RemoveSeed()
	for i, want := range []int{1, 3, 1} {
		if got := p.Availability(i); got != want {
			t.Errorf("piece %d: %d", i, got)
		}
	}
	p.Dec(1)
	p.Dec(0) // nobody has it but a seed
	if p.Availability(0) != 1 || p.Availability(1) != 2 {
		t.Errorf("after one left: %d, %d", p.Availability(0), p.Availability(1))
	}
}

// Adds tells whether looking again may be worth it.
func TestAddsCountsWhatBecomesPickable(t *testing.T) {
	p := New(3, rand.New(rand.NewPCG(1, 1)))
	p.Add(0)
	p.Add(1)
	p.Add(1) // it is there already
	p.Remove(2)
	if p.Adds() != 2 || p.Len() != 2 || !p.Pickable(0) || !p.Pickable(1) || p.Pickable(2) {
		t.Errorf("%d adds, %d pieces", p.Adds(), p.Len())
	}
	p.Remove(1)
	p.Remove(1)
	p.Add(1)
	if p.Adds() != 3 || p.Len() != 2 {
		t.Errorf("%d adds, %d pieces", p.Adds(), p.Len())
	}
	p.SetLevel(0, Normal) // it has that level
	p.SetLevel(2, High)   // and this one cannot be picked
	if p.Adds() != 3 || p.Pickable(2) {
		t.Errorf("%d adds, piece 2 is pickable: %v", p.Adds(), p.Pickable(2))
	}
}

// What is given away need not be had by anybody else.
func TestScarcestLooksAtWhatNobodyHas(t *testing.T) {
	const n = 1000
	p := New(n, rand.New(rand.NewPCG(1, 1)))
	for i := range n {
		p.Add(i)
		if i != 700 {
			p.Inc(i)
		}
	}
	of := all(n)
	of.Clear(0) // not that of a seed
	if i, ok := p.Scarcest(of); !ok || i != 700 {
		t.Errorf("%d, %v", i, ok)
	}
	of.Clear(700)
	if i, ok := p.Scarcest(of); !ok || i == 0 || i == 700 {
		t.Errorf("without it: %d, %v", i, ok)
	}
	none := bits.New(n)
	if i, ok := p.Scarcest(&none); ok {
		t.Errorf("of nothing: %d", i)
	}
}

// When the order is too long to be walked, what is found among a peer's own pieces is
// rare, or common, too, and nothing that is not accepted.
func TestFarFromTheOrdersEndsTheExtremesAreStillFound(t *testing.T) {
	const n = 20_000
	p := New(n, rand.New(rand.NewPCG(1, 1)))
	has := bits.New(n)
	for i := range n {
		p.Add(i)
		for range 10 {
			p.Inc(i)
		}
	}
	for i := n / 2; i < n/2+100; i++ {
		has.Set(i)
	}
	for i := range n {
		if !has.Has(i) && i < n/2 { // the ends of the order are others'
			p.Dec(i)
		}
		if !has.Has(i) && i > n/2 {
			for range 5 {
				p.Inc(i)
			}
		}
	}
	p.Inc(n/2 + 50)
	p.Inc(n/2 + 51)
	p.Inc(n/2 + 51)
	for i := range 100 {
		if i < 40 {
			p.Inc(n/2 + i)
		}
	}
	ok := func(i int) bool { return i != n/2+51 }
	for range 20 {
		if i, found := p.Commonest(&has, nil); !found || i != n/2+51 {
			t.Fatalf("commonest: %d, %v", i, found)
		}
		if i, found := p.Commonest(&has, ok); !found || !has.Has(i) || i == n/2+51 || p.Availability(i) != 11 {
			t.Fatalf("commonest but one: %d, %v", i, found)
		}
		if i, found := p.Rarest(&has, ok); !found || !has.Has(i) || p.Availability(i) != 10 {
			t.Fatalf("rarest: %d, %v", i, found)
		}
	}
	seen := map[int]bool{}
	for range 300 {
		i, found := p.Random(&has, ok)
		if !found || !has.Has(i) || !ok(i) {
			t.Fatalf("random: %d, %v", i, found)
		}
		seen[i] = true
	}
	if len(seen) < 2 {
		t.Errorf("only %v come out at random", seen)
	}
	if i, found := p.First(&has, func(i int) bool { return i > n/2+3 }); !found || i != n/2+4 {
		t.Errorf("first: %d, %v", i, found)
	}
}

// Levels and availability may change in any order; First goes back to what becomes
// pickable in front.
func TestFirstGoesBack(t *testing.T) {
	const n = 500
	p := New(n, rand.New(rand.NewPCG(1, 1)))
	everything := all(n)
	for i := range n {
		p.Add(i)
	}
	for i := range 400 {
		if got, _ := p.First(everything, nil); got != i {
			t.Fatalf("%d instead of %d", got, i)
		}
		p.Remove(i)
	}
	p.Add(130)
	if got, _ := p.First(everything, nil); got != 130 {
		t.Errorf("%d instead of 130", got)
	}
	p.Remove(130)
	if got, _ := p.First(everything, nil); got != 400 {
		t.Errorf("%d instead of 400", got)
	}
}
