package torrent

import (
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
)

func window(s *readers, id, first, last int, due, spacing time.Duration) {
	r := s.open(id)
	r.first, r.last, r.due, r.spacing = first, last, noon.Add(due), spacing
}

func listed(s *readers) (list []int) {
	for _, d := range s.urgent {
		list = append(list, d.piece)
	}
	return list
}

func TestUrgentPiecesAreInTheOrderOfTheirDeadlines(t *testing.T) {
	var s readers
	have := bits.New(1000)
	have.Set(11)
	window(&s, 1, 10, 14, 0, time.Second)
	window(&s, 2, 500, 502, 1500*time.Millisecond, 2*time.Second)
	window(&s, 3, 13, 15, 0, 10*time.Second) // 13 sooner than the first reader
	s.update(&have)
	if got, want := listed(&s), []int{10, 13, 500, 12, 501, 14, 502, 15}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	if !s.stored(500, &have) || s.stored(11, &have) {
		t.Fatal("piece 500 was urgent, piece 11 was not")
	}
	s.close(1)
	s.update(&have)
	if got, want := listed(&s), []int{13, 501, 14, 502, 15}; len(got) < 5 || !slices.Contains(got, 500) || slices.Contains(got, 12) {
		t.Fatalf("%v, want about %v", got, want)
	}
}

func TestLongWindowIsCutAndFilledUpAgain(t *testing.T) {
	var s readers
	have := bits.New(5000)
	window(&s, 1, 0, 4000, 0, time.Millisecond)
	window(&s, 2, 4500, 4600, 0, time.Millisecond)
	s.update(&have)
	if len(s.urgent) != maxUrgent || !s.cut {
		t.Fatalf("%d urgent pieces, cut %v", len(s.urgent), s.cut)
	}
	if got := listed(&s); !slices.Contains(got, 4550) || !slices.Contains(got, 100) {
		t.Fatal("one window keeps the other out")
	}
	for i := range 3000 {
		have.Set(i)
		s.stored(i, &have)
	}
	if got := listed(&s); !slices.Contains(got, 3000) {
		t.Fatalf("the list is not filled up: %v", got)
	}
}
