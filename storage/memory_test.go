package storage

import (
	"errors"
	"testing"
)

func TestMemoryKeepsWhatWasWritten(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			s := mixed(t, v.v1, v.v2)
			m := NewMemory(s.Info, MemoryOptions{})
			s.fill(t, m)
			s.wantSpace(t, m)
		})
	}
}

func TestMemoryTakesPiecesFromTheBudgetWhenTheyAreWritten(t *testing.T) {
	s := makeSample(t, true, false, "f:100000") // 7 pieces, the last of 1,696 bytes
	budget := NewBudget(3*pieceLen - 1)
	m := NewMemory(s.Info, MemoryOptions{Budget: budget})
	s.fill(t, m, 6, 0)
	if want := int64(1696 + pieceLen); budget.Used() != want {
		t.Errorf("used %d, want %d", budget.Used(), want)
	}
	s.fill(t, m, 0) // again: no new memory
	s.fill(t, m, 1)
	_, err := m.WriteAt(s.piece(2), 2*pieceLen)
	if !errors.Is(err, ErrNoSpace) {
		t.Fatalf("over budget: %v", err)
	}
	p := make([]byte, pieceLen)
	if _, err := m.ReadAt(p, 0); err != nil {
		t.Errorf("a piece from before is lost: %v", err)
	}
	m.Drop(0)
	s.fill(t, m, 2)
	if _, err := m.ReadAt(p, 0); !errors.Is(err, ErrMissing) {
		t.Errorf("dropped piece: %v", err)
	}
	m.Close()
	m.Close()
	if budget.Used() != 0 {
		t.Errorf("%d bytes still taken after Close", budget.Used())
	}
	if _, err := m.WriteAt(p, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
}

func TestMemoryRefusesRangesOutside(t *testing.T) {
	s := makeSample(t, true, false, "f:100000")
	m := NewMemory(s.Info, MemoryOptions{})
	for _, off := range []int64{-1, 99_999, 100_001, 1 << 62} {
		if _, err := m.WriteAt([]byte("xy"), off); !errors.Is(err, ErrRange) {
			t.Errorf("write at %d: %v", off, err)
		}
		if _, err := m.ReadAt([]byte("xy"), off); !errors.Is(err, ErrRange) {
			t.Errorf("read at %d: %v", off, err)
		}
	}
	if _, err := m.WriteAt(nil, 100_000); err != nil {
		t.Errorf("nothing at the end: %v", err)
	}
}
