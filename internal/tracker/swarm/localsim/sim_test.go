package localsim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// TestLocality is the promise of the tracker's Locality: bytes stay within ISPs, and
// nobody waits longer for that.
func TestLocality(t *testing.T) {
	const seeds = 2
	names := [...]string{"off", "prefix", "full"}
	var runs [seeds][len(names)]Result
	t.Run("runs", func(t *testing.T) {
		for seed := range runs {
			for l := range names {
				t.Run(fmt.Sprint(names[l], seed), func(t *testing.T) {
					t.Parallel()
					runs[seed][l] = Run(Config{Seed: uint64(seed), Locality: swarm.Locality(l)})
				})
			}
		}
	})

	var mean [len(names)]Result
	for seed := range runs {
		for l, r := range runs[seed] {
			if r.Unfinished > 0 {
				t.Errorf("seed %d, %s: %d peers never had all", seed, names[l], r.Unfinished)
			}
			if r.Islands != 1 {
				t.Errorf("seed %d, %s: the swarm is in %d parts", seed, names[l], r.Islands)
			}
			m := &mean[l]
			m.CrossISP += r.CrossISP / seeds
			m.CrossCountry += r.CrossCountry / seeds
			m.Mean += r.Mean / seeds
			m.Median += r.Median / seeds
			m.P95 += r.P95 / seeds
			m.Neighbours += r.Neighbours / seeds
			m.CrossNeighbours += r.CrossNeighbours / seeds
		}
	}
	off, full := mean[swarm.LocalityOff], mean[swarm.LocalityFull]
	if cut := 1 - full.CrossISP/off.CrossISP; cut < 0.6 {
		t.Errorf("full locality cuts the bytes between ISPs by %.1f %%, promised are 60 %%", 100*cut)
	}
	for _, m := range mean[1:] {
		for _, v := range [][2]float64{{m.Mean, off.Mean}, {m.Median, off.Median}, {m.P95, off.P95}} {
			if v[0] > 1.05*v[1] {
				t.Errorf("a download takes %.0f s, %.0f s without locality; promised is 5 %% at most", v[0], v[1])
			}
		}
	}

	var b strings.Builder
	b.WriteString("| locality | bytes between ISPs | cut | between countries | download: mean | median | 95 % | neighbours | in other ISPs |\n|---|---|---|---|---|---|---|---|---|\n")
	for l, m := range mean {
		fmt.Fprintf(&b, "| %s | %.1f %% | %.1f %% | %.1f %% | %.0f s | %.0f s | %.0f s | %.1f | %.0f %% |\n", names[l],
			100*m.CrossISP, 100*(1-m.CrossISP/off.CrossISP), 100*m.CrossCountry, m.Mean, m.Median, m.P95, m.Neighbours, 100*m.CrossNeighbours)
	}
	t.Log("\n" + b.String())
}

// A swarm is one swarm: from each peer there is a way to each other, also when half of
// them have gone and the others have announced again.
func TestSwarmStaysConnected(t *testing.T) {
	for seed := range uint64(20) {
		for _, peers := range []int{20, 200, 1000} {
			for _, isps := range []int{2, 50} {
				s := newSim(Config{Seed: seed, Locality: swarm.LocalityFull, Peers: peers, ISPs: isps})
				for ; s.now <= s.cfg.Arrive; s.now++ {
					s.announces()
				}
				s.census()
				if s.res.Islands != 1 {
					t.Errorf("seed %d: %d peers of %d ISPs are in %d parts", seed, peers, isps, s.res.Islands)
				}
				for i := range s.peers {
					if s.rng.IntN(2) == 0 {
						s.leave(i)
					}
				}
				for range s.cfg.Interval {
					s.now++
					s.announces()
				}
				s.census()
				if s.res.Islands != 1 {
					t.Errorf("seed %d: half of %d peers of %d ISPs are in %d parts", seed, peers, isps, s.res.Islands)
				}
			}
		}
	}
}
