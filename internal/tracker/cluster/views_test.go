package cluster

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/tracker"
)

// While the mesh is busy with something else, announces that change no count are served.
func TestAnnouncesDoNotWaitForTheMesh(t *testing.T) {
	nodes := joinAll(t, 2, Config{URLs: []string{startNATS(t, -1, nil).ClientURL()}})
	h := id("swarm")
	for i, f := range nodes {
		f.announce(h, &fakePeer{id: id(string(rune('a' + i))), silent: true})
	}
	c := nodes[0].cluster
	until(t, "they know of each other", func() bool { return c.Elsewhere(h).RTCLeechers == 1 })

	c.mu.Lock()
	done := make(chan tracker.Counts)
	go func() {
		c.Changed(h, tracker.Counts{RTCLeechers: 1})
		c.TCPPeers(h, 0, netaddr.Public, swarm.Role{}, 50, nil)
		done <- c.Elsewhere(h)
	}()
	select {
	case n := <-done:
		if n.RTCLeechers != 1 {
			t.Errorf("%+v elsewhere", n)
		}
	case <-time.After(10 * time.Second):
		t.Error("an announce waits for the mesh")
	}
	c.mu.Unlock()
	if t.Failed() {
		<-done
	}

	// What has changed is told, and what has changed back.
	for n := range 3 {
		want := 1 + n%2
		c.Changed(h, tracker.Counts{RTCLeechers: want})
		until(t, "the other node knows", func() bool { return nodes[1].cluster.Elsewhere(h).RTCLeechers == want })
	}
	c.Changed(h, tracker.Counts{})
	until(t, "the other node knows that it is alone", func() bool { return nodes[1].cluster.Elsewhere(h) == tracker.Counts{} })
	if c.views.of(h) != (view{}) {
		t.Errorf("%+v is kept of a swarm that is gone", c.views.of(h))
	}
}

// What a tracker asks for each announce of a peer that is there already.
func BenchmarkAnnounce(b *testing.B) {
	c, err := Join(Config{URLs: []string{"nats://127.0.0.1:1"}}) // never started
	if err != nil {
		b.Fatal(err)
	}
	const swarms = 1000
	n := tracker.Counts{RTCLeechers: 2}
	var all [swarms]swarm.Hash
	for i := range all {
		all[i] = swarm.Hash{byte(i), byte(i >> 8)}
		c.Changed(all[i], n)
	}
	var turn atomic.Uint32
	b.RunParallel(func(pb *testing.PB) {
		for i := int(turn.Add(1)) * 100; pb.Next(); i++ {
			h := all[i%swarms]
			c.Elsewhere(h)
			c.Changed(h, n)
			c.Elsewhere(h)
		}
	})
}
