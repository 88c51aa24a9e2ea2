package choker

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var t0 = time.Unix(1000, 0)

func TestEveryoneIsServedWhileSlotsAreFree(t *testing.T) {
	c := New(4, 50, rand.New(rand.NewPCG(1, 1)))
	got := c.Rechoke(t0, true, []Candidate{{Key: 1}, {Key: 2}})
	if !slices.Equal(got, []uint32{1, 2}) {
		t.Fatalf("unchoked %v", got)
	}
}

func TestLeechingReciprocatesWithTheFastestGivers(t *testing.T) {
	c := New(4, 4, rand.New(rand.NewPCG(1, 1)))
	var cands []Candidate
	for k := range uint32(20) {
		cands = append(cands, Candidate{Key: k, Down: float64(k) * 1000})
	}
	cands[19].Snubbed = true
	got := c.Rechoke(t0, false, cands)
	if len(got) != 4 || !slices.Equal(got[:3], []uint32{18, 17, 16}) {
		t.Fatalf("unchoked %v, want 18 17 16 plus one optimistic", got)
	}
}

func TestSeedingPrefersPeersThatSpreadFurther(t *testing.T) {
	c := New(2, 2, rand.New(rand.NewPCG(1, 1)))
	got := c.Rechoke(t0, true, []Candidate{
		{Key: 1, Up: 1000, Spreads: 0.01},
		{Key: 2, Up: 900, Spreads: 0.9},
		{Key: 3, Up: 10},
	})
	if got[0] != 2 {
		t.Fatalf("unchoked %v", got)
	}
}

func TestOptimisticSlotStays30SecondsThenMovesToSomeoneElse(t *testing.T) {
	c := New(2, 2, rand.New(rand.NewPCG(1, 1)))
	cands := []Candidate{{Key: 0, Down: 1e6}}
	for k := uint32(1); k < 10; k++ {
		cands = append(cands, Candidate{Key: k})
	}
	seen := map[uint32]bool{}
	last := uint32(99)
	for now := t0; now.Before(t0.Add(20 * time.Minute)); now = now.Add(Interval) {
		got := c.Rechoke(now, false, cands)
		opt := got[len(got)-1]
		if since := now.Sub(t0) % Optimistic; since != 0 && opt != last {
			t.Fatalf("optimistic slot moved after %v", since)
		} else if since == 0 && opt == last {
			t.Fatal("optimistic slot did not rotate")
		}
		for i := range cands {
			cands[i].Unchoked = slices.Contains(got, cands[i].Key)
		}
		last = opt
		seen[opt] = true
	}
	if len(seen) != 9 {
		t.Fatalf("only %d of 9 peers were ever tried", len(seen))
	}
}

func TestSlotsGrowWhileEverySlotMoves(t *testing.T) {
	c := New(2, 10, rand.New(rand.NewPCG(1, 1)))
	var cands []Candidate
	for k := range uint32(30) {
		cands = append(cands, Candidate{Key: k, Up: 1 << 20})
	}
	for range 20 {
		got := c.Rechoke(t0, true, cands)
		for i := range cands {
			cands[i].Unchoked = slices.Contains(got, cands[i].Key)
		}
	}
	if c.Slots() != 10 {
		t.Fatalf("%d slots on an idle pipe, want the maximum", c.Slots())
	}
	for i := range cands {
		cands[i].Up = 100
	}
	c.Rechoke(t0, true, cands)
	if c.Slots() >= 10 {
		t.Fatal("slots did not shrink on a starved pipe")
	}
}

func TestAFreeSlotGoesToTheBestAndNobodyIsChokedForIt(t *testing.T) {
	c := New(4, 4, rand.New(rand.NewPCG(1, 1)))
	cands := []Candidate{{Key: 1, Down: 9, Unchoked: true}, {Key: 2}, {Key: 3, Down: 5}, {Key: 4}}
	if key, ok := c.Next(false, cands); !ok || key != 3 {
		t.Fatalf("unchoked %d", key)
	}
	if _, ok := c.Next(false, cands[:1]); ok {
		t.Fatal("found somebody where all are unchoked")
	}
	seen := map[uint32]bool{}
	for range 100 {
		key, _ := c.Next(false, []Candidate{{Key: 7}, {Key: 8}, {Key: 9}})
		seen[key] = true
	}
	if len(seen) != 3 {
		t.Fatal("equals must take turns")
	}
}

func TestFreeSlots(t *testing.T) {
	c := New(4, 50, rand.New(rand.NewPCG(1, 1)))
	if c.Slots() != 4 || !c.Free(0) || !c.Free(3) || c.Free(4) || c.Free(5) {
		t.Errorf("%d slots; free with 3 in use: %v, with 4: %v", c.Slots(), c.Free(3), c.Free(4))
	}
}

// Who has just come is three times as likely to be tried.
func TestNewcomersAreTriedMoreOften(t *testing.T) {
	c := New(2, 2, rand.New(rand.NewPCG(1, 1)))
	cands := []Candidate{{Key: 1, Down: 1e6}, {Key: 2, New: true}, {Key: 3}, {Key: 4}}
	tried := map[uint32]int{}
	for i := range 4000 {
		now := t0.Add(time.Duration(i) * Optimistic)
		tried[c.Rechoke(now, false, cands)[1]]++
	}
	// Nobody who holds the slot already counts twice, so that three lots of five it is.
	if tried[2] < 2200 || tried[2] > 2600 || tried[3] < 650 || tried[4] < 650 {
		t.Errorf("tried %v times", tried)
	}
}

// Equals do not swap places at each decision, and who is clearly better gets one.
func TestAHolderKeepsItsSlotAmongEquals(t *testing.T) {
	for _, seeding := range []bool{false, true} {
		c := New(2, 2, rand.New(rand.NewPCG(1, 1)))
		cands := []Candidate{{Key: 1, Unchoked: true}, {Key: 2}, {Key: 3}}
		for i := range cands {
			cands[i].Down, cands[i].Up = 1000, 1000
		}
		for i := range 20 {
			if got := c.Rechoke(t0.Add(time.Duration(i)*Interval), seeding, cands); got[0] != 1 {
				t.Fatalf("seeding %v: %v are unchoked", seeding, got)
			}
		}
		cands[1].Down, cands[1].Up = 1090, 1090
		if got := c.Rechoke(t0, seeding, cands); got[0] != 1 {
			t.Errorf("seeding %v: a little better, and it gets the slot: %v", seeding, got)
		}
		cands[1].Down, cands[1].Up = 1110, 1110
		if got := c.Rechoke(t0, seeding, cands); got[0] != 2 {
			t.Errorf("seeding %v: clearly better, and it gets no slot: %v", seeding, got)
		}
	}
}

// A slot closes when all starve each other, but none of the first ones, and not
// for the sake of those that are not served.
func TestSlotsCloseWhileTheyStarveEachOther(t *testing.T) {
	c := New(2, 5, rand.New(rand.NewPCG(1, 1)))
	serve := func(n int, up float64) int {
		var cands []Candidate
		for k := range uint32(10) {
			x := Candidate{Key: k}
			if int(k) < n {
				x.Unchoked, x.Up = true, up
			}
			cands = append(cands, x)
		}
		c.Rechoke(t0, true, cands)
		return c.Slots()
	}
	if n := serve(2, slotBusy-1); n != 2 {
		t.Fatalf("%d slots although not all move", n)
	}
	for want := 3; want <= 5; want++ {
		if n := serve(want-1, slotBusy); n != want {
			t.Fatalf("%d slots while all move, wanted %d", n, want)
		}
	}
	if n := serve(5, slotBusy); n != 5 {
		t.Fatalf("%d slots, more than there may be", n)
	}
	if n := serve(4, 0); n != 5 {
		t.Fatalf("%d slots although one is empty", n)
	}
	if n := serve(5, slotBusy/4); n != 5 {
		t.Fatalf("%d slots although they move a little", n)
	}
	for want := 4; want >= 2; want-- {
		if n := serve(want+1, slotBusy/4-1); n != want {
			t.Fatalf("%d slots while they starve, wanted %d", n, want)
		}
	}
	if n := serve(2, 0); n != 2 {
		t.Fatalf("%d slots, fewer than there were at first", n)
	}
}

// What a peer takes counts more, up to twice, the less it has of the torrent.
func TestSpreadingCountsUpToTwice(t *testing.T) {
	for _, tt := range []struct {
		up, spreads float64
		first       uint32
	}{{900, 0.15, 2}, {900, 0.1, 1}, {510, 1, 2}, {490, 1, 1}} {
		c := New(2, 2, rand.New(rand.NewPCG(1, 1)))
		got := c.Rechoke(t0, true, []Candidate{{Key: 1, Up: 1000}, {Key: 2, Up: tt.up, Spreads: tt.spreads}, {Key: 3}})
		if got[0] != tt.first {
			t.Errorf("%+v: %d is first", tt, got[0])
		}
	}
}
