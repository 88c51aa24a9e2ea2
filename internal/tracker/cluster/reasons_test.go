package cluster

import (
	"maps"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoal-p2p/shoal/internal/tracker/cluster/mesh"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// heard are the reasons that OnLimit was told.
type heard struct {
	mu sync.Mutex
	n  map[limit.Reason]int
}

func (h *heard) limit(r limit.Reason, client netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if client.IsValid() {
		r = limit.None // it has none
	}
	if h.n == nil {
		h.n = make(map[limit.Reason]int)
	}
	h.n[r]++
}

func (h *heard) is(want map[limit.Reason]int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Equal(h.n, want)
}

// What a cluster throws away is told by its reason, as often as it is counted.
func TestEveryLossIsTold(t *testing.T) {
	t.Run("malformed", func(t *testing.T) {
		var h heard
		ns := startNATS(t, -1, nil)
		f := joinAll(t, 1, Config{URLs: []string{ns.ClientURL()}, OnLimit: h.limit})[0]
		until(t, "it is connected", func() bool { return f.cluster.Stats().Connected })
		nc, err := nats.Connect(ns.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		for range 3 {
			nc.Publish("shoal-tracker.beat", []byte("hello"))
		}
		until(t, "three are told", func() bool { return h.is(map[limit.Reason]int{limit.ClusterMalformed: 3}) })
		if st := f.cluster.Stats(); st.Malformed != 3 {
			t.Errorf("%+v", st)
		}
	})
	t.Run("gone", func(t *testing.T) {
		var h heard
		f := joinAll(t, 1, Config{URLs: []string{startNATS(t, -1, nil).ClientURL()}, OnLimit: h.limit})[0]
		offers := []mesh.SDP{{ID: id("1"), SDP: []byte("1")}, {ID: id("2"), SDP: []byte("2")}}
		f.cluster.deliver(&mesh.Delivery{Kind: mesh.DeliverOffers, Hash: id("swarm"), From: id("a"), Offers: offers}, nil)
		f.cluster.deliver(&mesh.Delivery{Kind: mesh.DeliverAnswer, Hash: id("swarm"), From: id("a"), To: id("b"), Offers: offers[:1]}, nil)
		if want := map[limit.Reason]int{limit.ClusterGone: 3}; !h.is(want) || f.cluster.Stats().Undelivered != 3 {
			t.Errorf("told %v, counted %d", h.n, f.cluster.Stats().Undelivered)
		}
	})
	t.Run("overload", func(t *testing.T) {
		var h heard
		c, err := Join(Config{URLs: []string{"nats://127.0.0.1:1"}, OnLimit: h.limit}) // nobody is there
		if err != nil {
			t.Fatal(err)
		}
		c.publish([]mesh.Frame{{Bytes: []byte("1")}, {To: 7, Bytes: []byte("2")}})
		c.failed(nil, nil, nats.ErrSlowConsumer)
		if want := map[limit.Reason]int{limit.ClusterOverload: 3}; !h.is(want) || c.Stats().Dropped != 3 {
			t.Errorf("told %v, counted %d", h.n, c.Stats().Dropped)
		}
	})
	// A swarm with so many offers that the queue for its other node overflows.
	t.Run("queue", func(t *testing.T) {
		var h heard
		nodes := joinAll(t, 2, Config{URLs: []string{startNATS(t, -1, nil).ClientURL()}, OnLimit: h.limit})
		for i, f := range nodes {
			f.announce(id("swarm"), &fakePeer{id: id(string(rune('a' + i))), silent: true})
		}
		c := nodes[0].cluster
		until(t, "the other node is known", func() bool { return c.Elsewhere(id("swarm")).RTCLeechers == 1 })
		big := make([]byte, 60<<10)
		c.mu.Lock() // so that nothing is published meanwhile
		for i := range 200 {
			c.mesh.Offers(time.Now(), id("swarm"), id("a"), swarm.Role{}, []mesh.SDP{{ID: id(string(rune('A' + i))), SDP: big}})
		}
		c.unlock()
		until(t, "what was dropped is told", func() bool {
			n := int(c.Stats().Dropped)
			return n > 0 && h.is(map[limit.Reason]int{limit.ClusterOverload: n})
		})
	})
}
