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
