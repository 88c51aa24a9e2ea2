package mesh

import (
	"fmt"
	"testing"
	"time"
)

func TestPeersOnDifferentNodesMeet(t *testing.T) {
	for _, nodes := range []int{2, 3, 8, 20} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			w := newWorld(t, uint64(nodes), nodes)
			w.populate(3000, 10*time.Second)
			w.run(16 * time.Second)
			w.wantIntroduced("all", t0)
			w.wantCounts("all")
			t.Logf("%d nodes: %d bytes between them", nodes, w.bytes)
		})
	}
}

// Two peers that announce one after the other meet at once.
func TestTheSecondPeerMeetsTheFirst(t *testing.T) {
	w := newWorld(t, 1, 3)
	for i := range 100 {
		a, b := w.newPeer(num(i), false), w.newPeer(num(i), false)
		a.announce(w.nodes[i%3])
		w.run(3 * time.Second)
		b.announce(w.nodes[(i+1)%3])
		w.run(100 * time.Millisecond)
		if a.met.IsZero() || b.met.IsZero() {
			t.Fatalf("swarm %d: the peers have not met after 100 ms", i)
		}
		w.run(5 * time.Second)
	}
	for k, n := range w.given {
		if n != 1 {
			t.Errorf("%x was delivered %d times", k, n)
		}
	}
	// The first peer's own offers are not used when the second's have reached it.
	if len(w.given) > 110 {
		t.Errorf("%d offers delivered for 100 pairs", len(w.given))
	}
}

func TestSeedersAreNotOfferedToSeeders(t *testing.T) {
	w := newWorld(t, 1, 2)
	a, b := w.newPeer(num(1), true), w.newPeer(num(1), true)
	a.announce(w.nodes[0])
	b.announce(w.nodes[1])
	w.run(10 * time.Second)
	if len(w.given) > 0 {
		t.Error("a seeder was given a seeder's offer")
	}
	c := w.newPeer(num(1), false)
	c.announce(w.nodes[0])
	w.run(time.Second)
	if b.met.IsZero() {
		t.Error("the leecher did not meet the seeder on the other node")
	}
}

func TestOffersAreSpreadOverNodes(t *testing.T) {
	w := newWorld(t, 1, 5)
	h := num(1)
	// 1, 2, 3 and 4 peers on the first four nodes.
	for i, tr := range w.nodes[:4] {
		for range i + 1 {
			w.newPeer(h, false).announce(tr)
		}
	}
	w.run(5 * time.Second)
	clear(w.given)
	got := map[*tracker]int{}
	const rounds = 400
	for range rounds {
		p := w.newPeer(h, false)
		p.announce(w.nodes[4])
		w.run(50 * time.Millisecond)
		p.leave()
		w.run(2 * time.Second)
	}
	for _, tr := range w.nodes {
		got[tr] = int(tr.m.Stats().OffersIn)
	}
	for i, tr := range w.nodes[:4] {
		// Five offers for ten peers.
		want := float64(rounds * 5 * (i + 1) / 10)
		if f := float64(got[tr]) / want; f < 0.85 || f > 1.15 {
			t.Errorf("the node with %d peers got %d offers, want about %.0f", i+1, got[tr], want)
		}
	}
}

func TestLossIsMadeUpFor(t *testing.T) {
	w := newWorld(t, 3, 5)
	w.loss, w.twice = 0.002, 0.01
	w.populate(3000, 10*time.Second)
	w.run(16 * time.Second)
	w.wantIntroduced("loss of 0.2 %", t0)

	// However bad it was, everything is right after two minutes without loss.
	w.loss = 0.3
	w.populate(1000, 20*time.Second)
	w.run(25 * time.Second)
	w.loss = 0
	w.run(2*slowLap + goneAfter + 5*time.Second)
	w.wantCounts("after heavy loss")
}

func TestSwarmsOutliveANode(t *testing.T) {
	for seed := range uint64(3) {
		w := newWorld(t, 10+seed, 4)
		w.populate(3000, 10*time.Second)
		w.run(16 * time.Second)

		// The node is killed; its peers come back on other nodes, some before its death was noticed.
		dead := w.nodes[0]
		dead.dead, dead.online = true, false
		died := w.now
		for _, p := range w.peers {
			if p.home == dead {
				p.joined, p.met = time.Time{}, time.Time{}
				w.after(time.Duration(float64(10*time.Second)*w.rng.Float64()), func() {
					p.announce(w.nodes[1+w.rng.IntN(3)])
				})
			}
		}
		w.run(20 * time.Second)
		w.wantCounts("after a node's death")
		back, met := 0, 0
		for _, p := range w.peers {
			if !p.joined.Before(died) {
				back++
			}
		}
		share, all, slowest := w.introduced(30*time.Second, died)
		met = int(share * float64(all))
		t.Logf("%d peers came back, %d of %d with a mate met one within %v", back, met, all, slowest)
		// Peers whose mate had also been on that node may be sent to it for four seconds.
		if share < 0.97 {
			t.Errorf("%.2f %% of %d peers that came back met a mate", 100*share, all)
		}
		before := w.now
		w.populate(1000, 5*time.Second)
		w.run(11 * time.Second)
		w.wantIntroduced("new peers after a node's death", before)
		for _, tr := range w.alive() {
			if n := tr.m.Stats().Nodes; n != 3 {
				t.Errorf("a node counts %d nodes", n)
			}
		}
	}
}

func TestALeavingNodeIsGoneAtOnce(t *testing.T) {
	w := newWorld(t, 1, 3)
	w.populate(300, time.Second)
	w.run(5 * time.Second)
	gone := w.nodes[0]
	gone.m.Leave(w.now)
	gone.step()
	gone.dead, gone.online = true, false
	w.run(10 * time.Millisecond)
	for _, tr := range w.alive() {
		if n := tr.m.Stats().Nodes; n != 2 {
			t.Errorf("a node counts %d nodes", n)
		}
	}
	w.run(4 * time.Second)
	w.wantCounts("after a node has left")
}

func TestANodeThatComesTakesItsShare(t *testing.T) {
	w := newWorld(t, 1, 2)
	w.populate(3000, 5*time.Second)
	w.run(8 * time.Second)
	w.addNode()
	before := w.now
	w.populate(1000, 3*time.Second) // while the swarms move to their new owner
	w.run(10 * time.Second)
	w.wantCounts("after a node came")
	w.wantIntroduced("while a node came", before)
	w.run(10 * time.Second)
	total := 0
	for _, tr := range w.nodes {
		total += tr.m.Stats().Directory
	}
	for i, tr := range w.nodes {
		if f := float64(3*tr.m.Stats().Directory) / float64(total); f < 0.8 || f > 1.2 {
			t.Errorf("node %d keeps account of %.2f of its share", i, f)
		}
	}
}

func TestAPartitionHeals(t *testing.T) {
	w := newWorld(t, 5, 6)
	w.populate(2000, 5*time.Second)
	w.run(10 * time.Second)
	half := map[*tracker]bool{w.nodes[0]: true, w.nodes[1]: true, w.nodes[2]: true}
	w.cut = func(a, b *tracker) bool { return half[a] != half[b] }
	w.run(10 * time.Second)
	w.populate(2000, 10*time.Second)
	w.run(20 * time.Second)
	for _, tr := range w.nodes {
		if n := tr.m.Stats().Nodes; n != 3 {
			t.Errorf("a node counts %d nodes in its half", n)
		}
	}
	w.cut = func(a, b *tracker) bool { return false }
	w.run(8 * time.Second)
	w.wantCounts("after the partition")
	healed := w.now
	w.populate(2000, 5*time.Second)
	w.run(11 * time.Second)
	w.wantIntroduced("after the partition", healed)
}

// The bus is away for a minute: nothing fails, and what was announced meanwhile is known when
// it is back.
func TestTheBusIsAway(t *testing.T) {
	w := newWorld(t, 6, 3)
	w.populate(2000, 5*time.Second)
	w.run(10 * time.Second)
	for _, tr := range w.nodes {
		tr.disconnect()
	}
	w.populate(2000, time.Minute)
	w.run(time.Minute)
	for _, tr := range w.nodes {
		if s := tr.m.Stats(); s.Nodes != 1 || s.Parked > tr.m.cfg.Parked {
			t.Errorf("%+v", s)
		}
	}
	met := 0
	for _, p := range w.peers {
		if !p.met.IsZero() {
			met++
		}
	}
	for _, tr := range w.nodes {
		w.after(time.Duration(w.rng.Int64N(int64(2*time.Second))), tr.connect)
	}
	w.run(6 * time.Second)
	w.wantCounts("after the bus came back")
	// The offers of the last half minute were kept and used.
	later := 0
	for _, p := range w.peers {
		if !p.met.IsZero() {
			later++
		}
	}
	if later < met+100 {
		t.Errorf("%d peers had met somebody before the bus came back, %d after", met, later)
	}
	back := w.now
	w.populate(1000, 5*time.Second)
	w.run(11 * time.Second)
	w.wantIntroduced("after the bus came back", back)
}

func TestEverythingIsForgotten(t *testing.T) {
	w := newWorld(t, 7, 3)
	w.populate(2000, 5*time.Second)
	w.run(6 * time.Second)
	w.loss = 0.05
	for _, p := range w.peers {
		p.leave()
	}
	w.loss = 0
	w.run(forgetAfter + 2*slowLap + 10*time.Second)
	for _, tr := range w.nodes {
		check(t, tr.m)
		if s := tr.m.Stats(); s.Swarms+s.Directory+s.Parked != 0 || len(tr.m.routes) > 0 {
			t.Errorf("left: %+v, %d routes", s, len(tr.m.routes))
		}
	}
}
