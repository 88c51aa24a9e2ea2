package swarm

import (
	"math"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	l := load(0).at(7).plus(3)
	l = l.at(8).plus(1)
	for slot, want := range map[uint32]int{8: 4, 9: 4, 10: 1, 11: 0, 100: 0, 7 + slotMask + 1: 0} {
		if got := l.at(slot).sum(); got != want {
			t.Errorf("slot %d: %d offers wait, want %d", slot, got, want)
		}
	}
	if l.total() != 1 || l.at(9).total() != 0 || l.replied() {
		t.Errorf("%d offers of this slot, %d of the next, an answer %v", l.total(), l.at(9).total(), l.replied())
	}
	l, ok := l.answered()
	if !ok || l.at(10).sum() != 1 || l.sum() != 3 || l.total() != 1 {
		t.Error("the newest was answered first")
	}
	for range 3 {
		if l, ok = l.answered(); !ok {
			t.Error("an offer had no answer")
		}
	}
	if l, ok = l.answered(); ok || l.sum() != 0 || !l.replied() || !l.at(100).replied() {
		t.Errorf("after all were answered %d wait, and one more is answered: %v", l.sum(), ok)
	}
	l = l.at(8).plus(200).plus(200)
	if l.sum() != loadMax || l.total() != loadMax || l.at(8) != l || !l.replied() {
		t.Errorf("a full slot counts %d", l.sum())
	}
}

// talk lets n peers announce in turn, each once in a round, and returns how many offers
// each was given, and how many found nobody. Who answers does it at once.
func talk(t *testing.T, c *Core[int], n, rounds, want int, pause time.Duration, answers func(i int) bool) (got []int, unplaced int) {
	t.Helper()
	h := id("hash")
	for i := range n {
		join(t, c, h, i, num(i), Started, 9, 0)
	}
	got = make([]int, n)
	now := t0
	for range rounds {
		for i := range n {
			_, to, err := c.AnnounceRTC(now, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Left: 9, Want: want}, nil)
			if err != nil {
				t.Fatal(err)
			}
			unplaced += want - len(to)
			for _, r := range to {
				got[r.Conn]++
				if answers(r.Conn) {
					if _, way := c.Route(h, r.Conn, r.Peer, num(i)); way != RouteHere {
						t.Fatal("no way for an answer")
					}
				}
			}
		}
		now = now.Add(pause)
	}
	return got, unplaced
}

// With all alike, the counts of offers are as even as chance makes them: their variance
// is near the mean, as with a Poisson distribution.
func TestOffersAreSpreadEvenly(t *testing.T) {
	const peers, rounds, want = 200, 100, 5
	got, unplaced := talk(t, newCore(Config{}), peers, rounds, want, 10*time.Second, func(int) bool { return true })
	mean, variance := float64(rounds*want), 0.0
	for i, n := range got {
		variance += (float64(n) - mean) * (float64(n) - mean) / peers
		if math.Abs(float64(n)-mean) > mean/4 {
			t.Errorf("peer %d got %d offers, the mean is %.0f", i, n, mean)
		}
	}
	if variance > 1.4*mean || unplaced > 0 {
		t.Errorf("variance %.0f of the offers, mean %.0f; %d found nobody", variance, mean, unplaced)
	}
}

// Peers that never answer are passed over: they are given half of what others may
// leave, and the others all that is left.
func TestOffersAreNotPiledOntoTheSilent(t *testing.T) {
	const peers, silent, rounds = 50, 5, 60
	got, unplaced := talk(t, newCore(Config{}), peers, rounds, 1, time.Second, func(i int) bool { return i >= silent })
	for i, n := range got {
		switch {
		case i < silent && (n < 8 || n > 2*8):
			t.Errorf("peer %d answers nothing and got %d offers in a minute, 8 may wait", i, n)
		case i >= silent && n < rounds*3/4:
			t.Errorf("peer %d answers and got %d offers", i, n)
		}
	}
	if unplaced > 0 {
		t.Errorf("%d offers found nobody", unplaced)
	}

	// After a while they get another chance.
	got, _ = talk(t, newCore(Config{}), peers, 10, 5, 2*time.Minute, func(i int) bool { return i >= silent })
	for i, n := range got[:silent] {
		if n < 10 {
			t.Errorf("peer %d, asked every two minutes, got %d offers in 20", i, n)
		}
	}
}

func TestOffersFromElsewhereCount(t *testing.T) {
	c, h := newCore(Config{MaxUnanswered: 4}), id("hash") // 2 for those that have not answered yet
	for i := range 10 {
		join(t, c, h, i, num(i), Started, int64(i%2), 0) // seeders and leechers in turn
	}
	from := id("elsewhere")
	got := make([]int, 10)
	for range 5 {
		for _, r := range c.Receivers(t0, h, from, Role{Seeder: true}, Place{}, 2, nil) {
			got[r.Conn]++
		}
	}
	for i, n := range got {
		if want := 2 * (i % 2); n != want {
			t.Errorf("peer %d got %d offers of a seeder, want %d", i, n, want)
		}
	}
	if to := c.Receivers(t0, h, from, Role{Seeder: true}, Place{}, 1, nil); len(to) != 0 {
		t.Errorf("an offer that is too many went to %v", to)
	}
	// An answer to a peer elsewhere has no way here, but is one.
	if _, way := c.Route(h, 1, num(1), from); way != RouteElsewhere {
		t.Errorf("route %d to a peer that is not here", way)
	}
	if to := c.Receivers(t0, h, from, Role{Seeder: true}, Place{}, 1, nil); len(to) != 1 || to[0].Conn != 1 {
		t.Errorf("the next offer went to %v, want the one that has answered", to)
	}
	rest(c)
	if to := c.Receivers(t0, h, from, Role{}, Place{}, 99, nil); len(to) != 10 {
		t.Errorf("a leecher's offers reach %d", len(to))
	}
	if to := c.Receivers(t0, h, num(3), Role{}, Place{}, 99, nil); len(to) != 9 {
		t.Errorf("a peer that is here too: %d", len(to))
	}
	if to := c.Receivers(t0, id("none"), from, Role{}, Place{}, 1, nil); len(to) != 0 {
		t.Errorf("no swarm: %v", to)
	}
}
