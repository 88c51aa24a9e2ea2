package swarm

import (
	"math"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	var l load
	for range 3 {
		l = l.at(7).given()
	}
	l = l.at(8).given()
	for slot, want := range map[uint32]int{8: 4, 9: 4, 10: 1, 11: 0, 1000: 0, 7 + slotMask + 1: 0} {
		if got := l.at(slot).sum(); got != want {
			t.Errorf("slot %d: %d offers wait, want %d", slot, got, want)
		}
	}
	if l = l.answered(); l.at(10).sum() != 1 || l.sum() != 3 {
		t.Error("the newest was answered first")
	}
	for range 10 {
		l = l.answered()
	}
	if l.sum() != 0 {
		t.Errorf("%d wait after all were answered", l.sum())
	}
	for range 200 {
		l = l.at(8).given()
	}
	if l.sum() != loadMax || l.at(8) != l {
		t.Errorf("a full slot counts %d", l.sum())
	}
}

// talk lets n peers announce in turn, each once in a round, and returns how many offers
// each was given. Who answers does it at once.
func talk(t *testing.T, c *Core[int], n, rounds, want int, pause time.Duration, answers func(i int) bool) []int {
	t.Helper()
	h := id("hash")
	for i := range n {
		join(t, c, h, i, num(i), Started, 9, 0)
	}
	got := make([]int, n)
	now := t0
	for range rounds {
		for i := range n {
			_, to, err := c.AnnounceRTC(now, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Left: 9, Want: want}, nil)
			if err != nil || len(to) != want {
				t.Fatalf("%d receivers, %v", len(to), err)
			}
			for _, r := range to {
				got[r.Conn]++
				if answers(r.Conn) {
					if _, ok := c.Route(h, r.Conn, r.Peer, num(i)); !ok {
						t.Fatal("no way for an answer")
					}
				}
			}
		}
		now = now.Add(pause)
	}
	return got
}

// With all alike, the counts of offers are as even as chance makes them: their variance
// is near the mean, as with a Poisson distribution.
func TestOffersAreSpreadEvenly(t *testing.T) {
	for name, answers := range map[string]bool{"all answer": true, "nobody answers": false} {
		for _, pause := range []time.Duration{time.Second, 2 * time.Minute} {
			const peers, rounds, want = 200, 100, 5
			got := talk(t, newCore(Config{}), peers, rounds, want, pause, func(int) bool { return answers })
			mean, variance := float64(rounds*want), 0.0
			for i, n := range got {
				variance += (float64(n) - mean) * (float64(n) - mean) / peers
				if math.Abs(float64(n)-mean) > mean/4 {
					t.Errorf("%s, %v: peer %d got %d offers, the mean is %.0f", name, pause, i, n, mean)
				}
			}
			if variance > 1.4*mean {
				t.Errorf("%s, %v: variance %.0f of the offers, mean %.0f", name, pause, variance, mean)
			}
		}
	}
}

func TestOffersAreNotPiledOntoTheSilent(t *testing.T) {
	const peers, silent, rounds = 50, 5, 60
	got := talk(t, newCore(Config{}), peers, rounds, 5, time.Second, func(i int) bool { return i >= silent })
	for i, n := range got {
		switch {
		case i < silent && (n < 16 || n > 2*16):
			t.Errorf("peer %d answers nothing and got %d offers in a minute, 16 may wait", i, n)
		case i >= silent && n < 5*rounds/2:
			t.Errorf("peer %d answers and got %d offers", i, n)
		}
	}

	got = talk(t, newCore(Config{MaxUnanswered: 4}), peers, rounds, 5, time.Second, func(i int) bool { return i >= silent })
	if got[0] < 4 || got[0] > 8 {
		t.Errorf("MaxUnanswered 4: the silent got %d offers in a minute", got[0])
	}

	// After a while they get another chance.
	got = talk(t, newCore(Config{}), peers, 10, 5, 2*time.Minute, func(i int) bool { return i >= silent })
	for i, n := range got[:silent] {
		if n < 20 {
			t.Errorf("peer %d, asked every two minutes, got %d offers in 20", i, n)
		}
	}
}

func TestTheSilentAreBetterThanNobody(t *testing.T) {
	c, h := newCore(Config{}), id("hash")
	join(t, c, h, 1, num(1), Started, 9, 0)
	for range 100 {
		if _, to := join(t, c, h, 2, num(2), None, 9, 10); len(to) != 1 {
			t.Fatal("the only other peer got no offer")
		}
	}
}

func TestOffersFromElsewhereCount(t *testing.T) {
	c, h := newCore(Config{MaxUnanswered: 2}), id("hash")
	for i := range 10 {
		join(t, c, h, i, num(i), Started, int64(i%2), 0) // seeders and leechers in turn
	}
	from := id("elsewhere")
	got := make([]int, 10)
	for range 5 {
		for _, r := range c.Receivers(t0, h, from, true, Place{}, 2, nil) {
			got[r.Conn]++
		}
	}
	for i, n := range got {
		if want := 2 * (i % 2); n != want {
			t.Errorf("peer %d got %d offers of a seeder, want %d", i, n, want)
		}
	}
	// An answer to a peer elsewhere has no way here, but is one.
	if _, ok := c.Route(h, 1, num(1), from); ok {
		t.Error("a way to a peer that is not here")
	}
	if to := c.Receivers(t0, h, from, true, Place{}, 1, nil); len(to) != 1 || to[0].Conn != 1 {
		t.Errorf("the next offer went to %v, want the one that has answered", to)
	}
	if to := c.Receivers(t0, h, from, false, Place{}, 99, nil); len(to) != 10 {
		t.Errorf("a leecher's offers reach %d", len(to))
	}
	if to := c.Receivers(t0, h, num(3), false, Place{}, 99, nil); len(to) != 9 {
		t.Errorf("a peer that is here too: %d", len(to))
	}
	if to := c.Receivers(t0, id("none"), from, false, Place{}, 1, nil); len(to) != 0 {
		t.Errorf("no swarm: %v", to)
	}
}
