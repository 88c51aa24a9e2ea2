package crowdsim

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm/ledger"
)

// With -figures the swarm has the million peers of docs/tracker.md:
//
//	go test ./internal/tracker/cluster/crowdsim -figures -v -timeout 60m
var figures = flag.Bool("figures", false, "simulate a million peers instead of twenty thousand")

// A stream's crowd comes, stays and goes. Everybody meets somebody at once and many soon, nobody is
// given more offers than a browser stands, the nodes form one swarm, and the bus between them
// carries little.
func TestCrowd(t *testing.T) {
	cfg := Config{Peers: 20_000}
	if *figures {
		cfg.Peers = 1_000_000
	}
	begin := time.Now()
	cfg.Stopwatch = func() time.Duration { return time.Since(begin) }
	r := Run(cfg)
	cfg = cfg.withDefaults()

	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", what, fmt.Sprintf(format, args...))
	}
	of := func(s Spread) string {
		return fmt.Sprintf("%d, 5 %%: %d, median %d, 95 %%: %d, most %d", s.Min, s.P5, s.Median, s.P95, s.Max)
	}
	row("peers, nodes", "%d, %d", cfg.Peers, cfg.Nodes)
	row("introductions of a peer in its first 30 s: least", "%s", of(r.Soon))
	row("until all are there: least", "%s", of(r.Met))
	row("offers that a peer was given: least", "%s, most in 30 s %d", of(r.Given), r.MostGiven)
	row("groups of peers without a way between them", "%d", r.Islands)
	row("an announce in core and mesh takes", "%v", r.PerAnnounce)
	for _, p := range []struct {
		name string
		*Phase
	}{{"joining", &r.Join}, {"all there", &r.Steady}, {"leaving", &r.Leave}} {
		row(p.name+": announces a second and node", "%.0f", p.PerSecond(p.Announces, cfg.Nodes))
		row(p.name+": introductions between two nodes", "%.1f %%", 100*float64(p.Across)/float64(max(p.Answers, 1)))
		row(p.name+": offers that found nobody", "%d of %d", p.Unplaced+p.Lost, p.Offers)
		row(p.name+": on the bus for an announce", "%.0f bytes, %.3f messages", p.PerAnnounce(p.Bytes), p.PerAnnounce(p.Messages))
		row(p.name+": on the bus a second and node", "%.1f kB, %.0f messages", p.PerSecond(p.Bytes, cfg.Nodes)/1000, p.PerSecond(p.Messages, cfg.Nodes))
	}
	t.Logf("\n%s", b.String())

	switch {
	case r.Alone > 0 || r.Soon.Median < 5:
		t.Errorf("%d peers met nobody in their first 30 s, the median met %d", r.Alone, r.Soon.Median)
	case r.Met.P5 < 15:
		t.Errorf("one in twenty met less than %d", r.Met.P5)
	case r.MostGiven > 40:
		t.Errorf("a peer was given %d offers in 30 s", r.MostGiven)
	case r.Islands != 1:
		t.Errorf("the swarm is in %d parts", r.Islands)
	case r.Wrong > 0 || r.Left > 0:
		t.Errorf("%d nodes counted wrongly, %d peers and swarms are left", r.Wrong, r.Left)
	case r.Join.Refused+r.Steady.Refused > 0:
		t.Errorf("%d answers were refused", r.Join.Refused+r.Steady.Refused)
	}
	for _, p := range []*Phase{&r.Join, &r.Steady, &r.Leave} {
		if n := p.Unplaced + p.Lost; n > p.Offers/100 {
			t.Errorf("%d of %d offers found nobody", n, p.Offers)
		}
		if n := p.PerAnnounce(p.Bytes); n > 350 {
			t.Errorf("%.0f bytes on the bus for an announce", n)
		}
		if p.Across < p.Answers/100 || p.Across > p.Answers/10 {
			t.Errorf("%d of %d introductions were between nodes", p.Across, p.Answers)
		}
	}
}

// A run is repeatable.
func TestSameSeedSameCrowd(t *testing.T) {
	cfg := Config{Peers: 500, Steady: time.Minute}
	if a, b := Run(cfg), Run(cfg); a != b {
		t.Errorf("%+v\n%+v", a, b)
	}
}

// What a peer takes in the core of a node, with the account of what its address may have.
func TestMemoryOfAPeer(t *testing.T) {
	peers := 100_000
	if *figures {
		peers = 1_000_000 / 3
	}
	for _, locality := range []swarm.Locality{swarm.LocalityOff, swarm.LocalityFull} {
		heap := func() float64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return float64(m.HeapAlloc)
		}
		before := heap()
		rng := rand.New(rand.NewPCG(1, 2))
		l := ledger.New(ledger.Config{}, rng)
		c := swarm.New[*int](swarm.Config{Ledger: l, Locality: locality}, rng, start)
		conn := new(int)
		for i := range peers {
			var id swarm.PeerID
			binary.BigEndian.PutUint32(id[:], uint32(i))
			a := netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)})
			_, _, err := c.AnnounceRTC(start, swarm.RTCAnnounce[*int]{Hash: infoHash, Peer: id, Conn: conn, Left: 1, Source: l.Source(a),
				Place: swarm.Place{Addr: uint32(i), Prefix: uint32(i / 50), ASN: uint32(i % 500), Country: [2]byte{'A', byte(i % 60)}}}, nil)
			if err != nil {
				t.Fatal(err)
			}
		}
		bytes := (heap() - before) / float64(peers)
		t.Logf("locality %d: %.0f bytes a peer of one large swarm", locality, bytes)
		if most := [...]float64{swarm.LocalityOff: 150, swarm.LocalityFull: 260}[locality]; bytes > most {
			t.Errorf("locality %d: %.0f bytes a peer", locality, bytes)
		}
		runtime.KeepAlive(c)
	}
}
