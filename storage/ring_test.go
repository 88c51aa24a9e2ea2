package storage

import (
	"bytes"
	"errors"
	"testing"
)

var _ Store = (*Ring)(nil)

func TestRingKeepsTheLatestPieces(t *testing.T) {
	const length, pieces = 1000, 4
	r := NewRing("live", length, pieces, RingOptions{})
	piece := func(i int) []byte { return noise(length, uint64(i)) }
	for i := range 30 {
		// In two halves, as they may come.
		for _, at := range []int{0, length / 2} {
			if _, err := r.WriteAt(piece(i)[at:at+length/2], int64(i*length+at)); err != nil {
				t.Fatalf("piece %d: %v", i, err)
			}
		}
		if want := max(0, i-pieces+1); r.First() != want {
			t.Fatalf("after piece %d the first is %d, want %d", i, r.First(), want)
		}
		for k := range i + 2 {
			got := make([]byte, length)
			_, err := r.ReadAt(got, int64(k*length))
			there := k <= i && k > i-pieces
			if there && (err != nil || !bytes.Equal(got, piece(k))) {
				t.Fatalf("piece %d after %d: %v", k, i, err)
			}
			if !there && !errors.Is(err, ErrMissing) {
				t.Fatalf("piece %d after %d: %v", k, i, err)
			}
		}
	}
	if _, err := r.WriteAt(piece(1), length); !errors.Is(err, ErrRange) {
		t.Errorf("a piece that is gone was written: %v", err)
	}
	// Across the border of two pieces.
	got := make([]byte, length)
	if _, err := r.ReadAt(got, 27*length+length/2); err != nil ||
		!bytes.Equal(got, append(piece(27)[length/2:], piece(28)[:length/2]...)) {
		t.Errorf("across a border: %v", err)
	}
}

func TestRingReadsNothingOfTheForegoingPiece(t *testing.T) {
	r := NewRing("live", 100, 2, RingOptions{})
	if _, err := r.WriteAt(make([]byte, 200), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := r.WriteAt(make([]byte, 10), 200); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadAt(make([]byte, 11), 200); !errors.Is(err, ErrMissing) {
		t.Errorf("more was read than written: %v", err)
	}
	if _, err := r.WriteAt(make([]byte, 10), 220); !errors.Is(err, ErrRange) {
		t.Errorf("a gap was written: %v", err)
	}
	if _, err := r.ReadAt(make([]byte, 1), -1); !errors.Is(err, ErrRange) {
		t.Errorf("before the beginning: %v", err)
	}
}

func TestRingKeepsToItsBudget(t *testing.T) {
	b := NewBudget(2500)
	r := NewRing("live", 1000, 4, RingOptions{Budget: b})
	if n, err := r.WriteAt(make([]byte, 4000), 0); n != 2000 || !errors.Is(err, ErrNoSpace) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if b.Used() != 2000 {
		t.Errorf("%d bytes are taken", b.Used())
	}
	r.Close()
	if b.Used() != 0 {
		t.Errorf("%d bytes are taken after Close", b.Used())
	}
	if _, err := r.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := r.WriteAt(make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
}
