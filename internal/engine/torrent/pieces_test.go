package torrent

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Unix(1_000_000, 0)

// Whatever is asked, doubted, answered and lost, the counts, the lists and the
// askers of each block are what a naive look at all requests says.
func TestPiecesAgreeWithANaiveCount(t *testing.T) {
	type key struct {
		piece, block int
		peer         PeerKey
	}
	rapid.Check(t, func(t *rapid.T) {
		const n, blocks, peers = 3, 5, 4
		var s pieces
		s.init(1 << 30)
		owners := make([]owner, n)
		asked := map[key]bool{} // to whether it is late
		got := map[[2]int]bool{}
		open := func(i int) {
			var o *owner
			if i > 0 {
				owners[i] = newOwner(PeerKey(i))
				o = &owners[i]
			}
			s.begin(noon, i, blocks*BlockSize-100, blocks*BlockSize, o, i == 2)
		}
		for i := range n {
			open(i)
		}
		for range rapid.IntRange(0, 150).Draw(t, "steps") {
			i := rapid.IntRange(0, n-1).Draw(t, "piece")
			b := rapid.IntRange(0, blocks-1).Draw(t, "block")
			k := key{i, b, PeerKey(rapid.IntRange(1, peers).Draw(t, "peer"))}
			late, is := asked[k]
			pc := s.at[i]
			switch op := rapid.IntRange(0, 6).Draw(t, "op"); {
			case op <= 1 && !is && !got[[2]int{i, b}]:
				s.ask(noon, pc, b, k.peer)
				asked[k] = false
			case op == 2 && is:
				s.unask(pc, b, k.peer, late)
				delete(asked, k)
			case op == 3 && is && !late:
				s.doubt(pc, b)
				asked[k] = true
			case op == 4 && is && late:
				s.believe(pc, b)
				asked[k] = false
			case op == 5 && !got[[2]int{i, b}]:
				s.put(noon, pc, b, k.peer)
				got[[2]int{i, b}] = true
			case op == 6 && got[[2]int{i, b}]:
				s.lose(pc, b)
				delete(got, [2]int{i, b})
			}
			ready := 0
			for i := range n {
				pc := s.at[i]
				free, have, live := 0, 0, 0
				first := -1
				for b := range blocks {
					var who []PeerKey
					alive := 0
					for p := PeerKey(1); p <= peers; p++ {
						if late, is := asked[key{i, b, p}]; is {
							who = append(who, p)
							if !late {
								alive++
							}
						}
					}
					live += alive
					if got[[2]int{i, b}] {
						have++
					} else if alive == 0 {
						free++
						if first < 0 {
							first = b
						}
					}
					var known []PeerKey
					if by := pc.blocks[b].by; by != 0 {
						known = append(known, by)
					}
					for _, a := range pc.also {
						if a.block == b {
							known = append(known, a.peer)
						}
					}
					slices.Sort(known)
					if !slices.Equal(known, who) || int(pc.blocks[b].asked) != len(who) {
						t.Fatalf("block %d of piece %d was asked of %v, known %v (%d)", b, i, who, known, pc.blocks[b].asked)
					}
				}
				if pc.free != free || pc.got != have || pc.live != live {
					t.Fatalf("piece %d: %d free, %d there, %d live; counted %d, %d, %d", i, free, have, live, pc.free, pc.got, pc.live)
				}
				if b, ok := s.nextFree(pc); ok != (free > 0) || ok && b != first {
					t.Fatalf("piece %d: next free block %d, %v; it is %d", i, b, ok, first)
				}
				if free > 0 {
					ready++
				}
			}
			if len(s.shared.list)+len(s.lent.list) != ready || s.ready() != (ready > 0) {
				t.Fatalf("%d pieces have free blocks, %d and %d are listed", ready, len(s.shared.list), len(s.lent.list))
			}
		}
		s.disown(s.at[1])
		if len(owners[1].all.list) != 0 || s.at[1].owner != nil || s.at[1].free > 0 && s.at[1].in[inPool] == 0 {
			t.Fatal("a piece without owner is not shared")
		}
		for i := range n {
			s.end(s.at[i])
		}
		if s.size != 0 || len(s.open.list)+len(s.shared.list)+len(s.lent.list)+len(s.alone.list) != 0 {
			t.Fatalf("%d bytes in closed pieces", s.size)
		}
	})
}

func TestOnlyAPieceThatLiesIsLetGo(t *testing.T) {
	var s pieces
	s.init(2 * BlockSize)
	if !s.room(5 * BlockSize) {
		t.Fatal("the first piece fits always")
	}
	a := s.begin(noon, 0, BlockSize, BlockSize, nil, false)
	b := s.begin(noon.Add(time.Second), 1, BlockSize, BlockSize, nil, false)
	s.ask(noon, a, 0, 1)
	if s.room(1) {
		t.Fatal("there is no room")
	}
	if s.lying(noon.Add(snubAfter)) != nil {
		t.Fatal("one is asked for, the other young")
	}
	looks := s.work
	for range 100 {
		s.lying(noon.Add(snubAfter + time.Millisecond))
	}
	if s.work != looks {
		t.Fatalf("%d looks in a moment in which nothing can have changed", s.work-looks)
	}
	if pc := s.lying(noon.Add(snubAfter + 2*time.Second)); pc != b {
		t.Fatalf("lets go of %v", pc)
	}
}

// Of those that a peer may join it gets the one nearest to completion, and a few
// that it may not join do not hide the others.
func TestJoinPrefersTheNearestToCompletion(t *testing.T) {
	var s pieces
	s.init(1 << 30)
	for i := range 200 {
		s.begin(noon, i, 4*BlockSize, 4*BlockSize, nil, false)
	}
	s.put(noon, s.at[20], 0, 1)
	few := func(pc *piece) bool { return pc.index < 25 && pc.index > 18 }
	for range 10 {
		if pc := s.join(&s.shared, few); pc == nil || !few(pc) {
			t.Fatalf("joins %v", pc)
		}
	}
	for i := 25; i < 200; i++ {
		s.end(s.at[i])
	}
	if pc := s.join(&s.shared, few); pc.index != 20 {
		t.Fatalf("joins piece %d", pc.index)
	}
	if pc := s.join(&s.shared, func(*piece) bool { return false }); pc != nil {
		t.Fatal("joins what it may not")
	}
}
