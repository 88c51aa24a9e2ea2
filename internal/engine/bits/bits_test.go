package bits

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSetMirrorsBitfieldLayout(t *testing.T) {
	s := New(10)
	if !s.Set(0) || !s.Set(9) || s.Set(9) {
		t.Fatal("Set must report whether the bit was clear")
	}
	if got := s.Bytes(); got[0] != 0x80 || got[1] != 0x40 {
		t.Fatalf("bytes %x, want 8040", got)
	}
	if s.Count() != 2 || s.Has(10) || s.Has(-1) || s.Set(10) {
		t.Fatal("out of range bits must not exist")
	}
	if !s.Clear(0) || s.Clear(0) || s.Count() != 1 {
		t.Fatal("Clear must count")
	}
	s.Fill()
	if !s.All() || s.Bytes()[1] != 0xc0 {
		t.Fatalf("Fill leaves spare bits clear, got %x", s.Bytes())
	}
}

func TestFromBytesRefusesWrongLengthAndSpareBits(t *testing.T) {
	if _, ok := FromBytes([]byte{0xff}, 9); ok {
		t.Fatal("short bitfield accepted")
	}
	if _, ok := FromBytes([]byte{0xff, 0x81}, 9); ok {
		t.Fatal("spare bit accepted")
	}
	s, ok := FromBytes([]byte{0xff, 0x80}, 9)
	if !ok || !s.All() {
		t.Fatal("full bitfield refused")
	}
}

// A set does what a map of its bits does, wherever its window is.
func TestWindowAgreesWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.IntRange(0, 500).Draw(t, "first")
		end := first + rapid.IntRange(0, 300).Draw(t, "room")
		s, want := Window(first, end), map[int]bool{}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			i := rapid.IntRange(max(0, first-70), end+70).Draw(t, "bit")
			in := first <= i && i < end
			switch rapid.IntRange(0, 5).Draw(t, "op") {
			case 0, 1:
				if got := s.Set(i); got != (in && !want[i]) {
					t.Fatalf("Set(%d) is %v in %d to %d", i, got, first, end)
				}
				if in {
					want[i] = true
				}
			case 2:
				if got := s.Clear(i); got != want[i] {
					t.Fatalf("Clear(%d) is %v", i, got)
				}
				delete(want, i)
			case 3:
				n := rapid.IntRange(0, 200).Draw(t, "more")
				s.Grow(n)
				end += n
			case 4:
				s.Retire(i)
				first, end = max(first, i), max(end, i)
				maps.DeleteFunc(want, func(k int, _ bool) bool { return k < first })
			case 5:
				s.Fill()
				for k := first; k < end; k++ {
					want[k] = true
				}
			}
			agrees(t, s, first, end, want)
			agrees(t, s.Clone(), first, end, want)
		}
	})
}

func agrees(t *rapid.T, s Set, first, end int, want map[int]bool) {
	if s.First() != first || s.End() != end || s.Len() != end-first || s.Count() != len(want) || s.All() != (len(want) == end-first) {
		t.Fatalf("%d to %d, %d of %d, all %v; want %d to %d, %d", s.First(), s.End(), s.Count(), s.Len(), s.All(), first, end, len(want))
	}
	for i := first - 70; i < end+70; i++ {
		if s.Has(i) != want[i] {
			t.Fatalf("bit %d is %v", i, s.Has(i))
		}
		if i >= 0 && s.Word(i/64)>>(63-i%64)&1 == 1 != want[i] {
			t.Fatalf("bit %d is %v in its word", i, s.Has(i))
		}
	}
	var got []int
	for i := s.Next(-1); i >= 0; i = s.Next(i + 1) {
		got = append(got, i)
	}
	if !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Fatalf("one after the other they are %v, want %v", got, want)
	}
	if from, to := s.Words(); s.Len() > 0 && (from != first/64 || to != (end+63)/64) {
		t.Fatalf("words %d to %d for bits %d to %d", from, to, first, end)
	}
}

// However long content goes on, a window of it takes the memory of a window.
func TestWindowTakesTheMemoryOfItsLength(t *testing.T) {
	const room = 640
	s := New(room)
	for i := range 100_000 {
		s.Set(i)
		s.Grow(1)
		s.Retire(i + 1)
		if n := cap(s.Bytes()); n > 4*room/8 {
			t.Fatalf("%d bytes for %d bits after %d", n, room, i)
		}
	}
}

func TestWordsAreTheBitsInTheirOrder(t *testing.T) {
	for _, n := range []int{0, 1, 8, 63, 64, 65, 127, 128, 130} {
		s := New(n)
		first, end := s.Words()
		if s.Len() != n || first != 0 || end != (n+63)/64 {
			t.Fatalf("%d bits in words %d to %d, wanted %d", s.Len(), first, end, n)
		}
		for i := 0; i < n; i += 3 {
			s.Set(i)
		}
		for i := range 64 * end {
			bit := s.Word(i/64)<<(i%64)>>63 == 1
			if bit != (i < n && i%3 == 0) {
				t.Errorf("bit %d of %d is %v in its word", i, n, bit)
			}
		}
	}
}

func TestACloneIsIndependent(t *testing.T) {
	s := New(70)
	s.Set(3)
	c := s.Clone()
	c.Set(69)
	s.Clear(3)
	if !c.Has(3) || !c.Has(69) || c.Count() != 2 || c.Len() != 70 || s.Has(69) || s.Count() != 0 {
		t.Errorf("%d bits in the copy, %d in the original", c.Count(), s.Count())
	}
}

// A set does what a list of bools does, whichever bits are set and cleared.
func TestASetIsAListOfBools(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 7, 8, 9, 64, 100} {
		s, list := New(n), make([]bool, n)
		for range 1000 {
			i := rng.IntN(n)
			if rng.IntN(2) == 0 {
				if s.Set(i) == list[i] {
					t.Fatalf("Set(%d) of %d says that it was clear: %v", i, n, list[i])
				}
				list[i] = true
			} else {
				if s.Clear(i) != list[i] {
					t.Fatalf("Clear(%d) of %d says that it was set: %v", i, n, !list[i])
				}
				list[i] = false
			}
			count := 0
			for k, on := range list {
				if s.Has(k) != on {
					t.Fatalf("bit %d of %d is %v", k, n, !on)
				}
				if on {
					count++
				}
			}
			if s.Count() != count || s.All() != (count == n) {
				t.Fatalf("%d bits of %d, all: %v", s.Count(), count, s.All())
			}
			again, ok := FromBytes(s.Bytes(), n)
			if !ok || again.Count() != count {
				t.Fatalf("read again: %v, %d bits", ok, again.Count())
			}
		}
	}
}
