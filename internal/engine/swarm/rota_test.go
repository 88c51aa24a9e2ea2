package swarm

import (
	"testing"
	"time"
)

func TestRotaGivesEverybodyItsTurnInTime(t *testing.T) {
	var r rota
	now := time.Unix(1_000_000, 0)
	if !r.next().IsZero() || r.due(now) != nil || !r.last().IsZero() {
		t.Fatal("an empty one has turns")
	}
	const n, every = 300, 10 * time.Second
	peers := make([]*Peer, n)
	for k := range peers {
		peers[k] = &Peer{Key: PeerKey(k)}
		r.add(peers[k], now.Add(time.Duration(k)*time.Millisecond))
	}
	turns := map[*Peer]int{}
	for end := now.Add(time.Minute); now.Before(end); now = r.next() {
		for p := r.due(now); p != nil; p = r.due(now) {
			turns[p]++
			r.add(p, now.Add(every))
		}
	}
	for _, p := range peers {
		if turns[p] != 6 {
			t.Fatalf("peer %d had %d turns in a minute", p.Key, turns[p])
		}
	}
	if len(r.list) > 3*n {
		t.Fatalf("%d turns kept for %d peers", len(r.list), n)
	}
	for _, p := range peers {
		p.gone = true
	}
	if !r.next().IsZero() || r.due(now.Add(time.Hour)) != nil {
		t.Fatal("those that are gone have turns")
	}
}

// A turn before that of whoever came last would never be looked at in time.
func TestRotaKeepsTheOrder(t *testing.T) {
	var r rota
	now := time.Unix(1_000_000, 0)
	first, second := &Peer{Key: 1}, &Peer{Key: 2}
	r.add(first, now.Add(time.Second))
	r.add(second, now)
	if r.due(now) != nil {
		t.Fatal("overtaken")
	}
	now = now.Add(time.Second)
	if r.due(now) != first || r.due(now) != second {
		t.Fatal("out of order")
	}
}

func TestBudgetLeaks(t *testing.T) {
	var b budget
	now := time.Unix(1_000_000, 0)
	spend := func(n int) bool { return b.spend(now, n, 10, 100) }
	if !spend(100) || spend(1) {
		t.Fatal("not 100 at once")
	}
	for range 200 {
		now = now.Add(100 * time.Millisecond) // one byte: nothing is lost in small steps
		b.spend(now, 0, 10, 100)
	}
	if !spend(100) || spend(1) {
		t.Fatal("not 10 a second")
	}
}
