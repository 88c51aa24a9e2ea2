package dht

import (
	"testing"
	"time"
)

func TestNetworkFindsAnnouncedPeers(t *testing.T) {
	for _, c := range []struct {
		name  string
		nodes int
		loss  float64
		want  int // of 40 searches
	}{
		{"no loss", 240, 0, 40},
		{"10 % loss", 240, 0.10, 40},
		{"25 % loss", 240, 0.25, 39},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newSim(t, 7)
			n.loss = c.loss
			all := n.grow(c.nodes, Config{NoIPv6: true})
			const swarms = 40
			for i := range swarms {
				all[i*3].do(Announce{InfoHash: hashOf(i), Port: uint16(7000 + i)})
			}
			n.run(30 * time.Second)
			hits := 0
			var slowest time.Duration
			for i := range swarms {
				seeker, announcer := all[c.nodes-1-i], all[i*3]
				start, before := n.now, len(seeker.done)
				seeker.do(GetPeers{Key: uint64(i + 1), InfoHash: hashOf(i)})
				for len(seeker.done) == before && n.now.Sub(start) < time.Minute {
					n.run(50 * time.Millisecond)
				}
				slowest = max(slowest, n.now.Sub(start))
				want := announcer.addr
				want = addrWithPort(want, uint16(7000+i))
				if seeker.found[want] == 1 {
					hits++
				}
			}
			t.Logf("%d of %d found, slowest search %v", hits, swarms, slowest)
			if hits < c.want {
				t.Errorf("found %d of %d announced peers, want %d", hits, swarms, c.want)
			}
			if slowest > 10*time.Second {
				t.Errorf("a search took %v", slowest)
			}
		})
	}
}
