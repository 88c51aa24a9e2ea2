package load

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/tracker"
)

func TestSwarmSizes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const peers = 100_000
	sizes := swarmSizes(r, peers, 1.8)
	sum, alone := 0, 0
	for _, s := range sizes {
		if s < 1 {
			t.Fatalf("a swarm of %d", s)
		}
		if s == 1 {
			alone++
		}
		sum += s
	}
	if sum != peers {
		t.Errorf("%d peers, want %d", sum, peers)
	}
	if mean := float64(sum) / float64(len(sizes)); math.Abs(mean-1.8) > 0.03 {
		t.Errorf("%v peers in a swarm, want 1.8", mean)
	}
	if share := float64(alone) / float64(len(sizes)); math.Abs(share-1/1.8) > 0.01 {
		t.Errorf("%v of the swarms have one peer, want %v", share, 1/1.8)
	}
	if n := len(swarmSizes(r, 10, 1)); n != 10 {
		t.Errorf("with a mean of 1: %d swarms of 10 peers", n)
	}
}

// One tracker under two names is the best cluster there can be; then its connections end.
func TestCluster(t *testing.T) {
	t.Parallel()
	a, _ := serve(t, tracker.Config{})
	r := run(t, Options{Profile: "cluster", URLs: []string{"ws://" + a + "/announce", "ws://" + a + "/"}, Conns: 60, Interval: 300 * time.Millisecond, Warmup: 500 * time.Millisecond, Duration: time.Second})
	c := r.Cluster
	if r.Failed != 0 || r.Lost != 0 || len(r.Errors) != 0 || c.Lost != 0 || c.FailedAnnounces != 0 {
		t.Errorf("errors %v, %+v", r.Errors, c)
	}
	if c.Peers != 60 || c.WithMate == 0 || c.InTime != c.WithMate || c.Met != c.WithMate || c.InTimeShare != 1 {
		t.Errorf("%+v", c)
	}
	if r.Delivered == 0 || r.AnswersDelivered != r.Delivered {
		t.Errorf("%d offers and %d answers delivered", r.Delivered, r.AnswersDelivered)
	}
}

func TestClusterWithoutOneTracker(t *testing.T) {
	t.Parallel()
	a, _ := serve(t, tracker.Config{})
	b, dies := serve(t, tracker.Config{})
	time.AfterFunc(1500*time.Millisecond, func() { dies.Close() })
	r := run(t, Options{Profile: "cluster", URLs: []string{"ws://" + a + "/announce", "ws://" + b + "/announce"}, Conns: 60, SwarmMean: 4, Interval: time.Second, Warmup: 500 * time.Millisecond, Duration: 9 * time.Second})
	c := r.Cluster
	if c.Lost == 0 || c.Lost == 60 || c.Back != c.Lost || c.BackSeconds < 1 || c.LostWithMate == 0 || c.Again != c.LostWithMate {
		t.Errorf("%+v", c)
	}
	// Two trackers that do not know each other do not introduce everybody at first.
	if c.InTime == 0 || c.InTime == c.WithMate {
		t.Errorf("%+v", c)
	}
}
