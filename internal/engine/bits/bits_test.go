package bits

import (
	"math/rand/v2"
	"testing"
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

func TestWordsAreTheBitsInTheirOrder(t *testing.T) {
	for _, n := range []int{0, 1, 8, 63, 64, 65, 127, 128, 130} {
		s := New(n)
		if s.Len() != n || s.Words() != (n+63)/64 {
			t.Fatalf("%d bits in %d words, wanted %d", s.Len(), s.Words(), n)
		}
		for i := 0; i < n; i += 3 {
			s.Set(i)
		}
		for i := range 64 * s.Words() {
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
