package cluster

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/tracker"
)

// A fakeTracker is a tracker's side of a Peering, with peers that write down what they get.
type fakeTracker struct {
	t       testing.TB
	cluster *Cluster

	mu    sync.Mutex
	peers map[swarm.Hash][]*fakePeer
	tcp   map[swarm.Hash][]swarm.TCPPeer
}

type fakePeer struct {
	id      swarm.PeerID
	seeder  bool
	silent  bool     // does not answer
	offers  []string // "from SDP"
	answers []string
}

func (f *fakeTracker) DeliverOffers(h swarm.Hash, from swarm.PeerID, role swarm.Role, offers []tracker.RemoteSDP) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, p := range f.peers[h] {
		if n == len(offers) {
			break
		}
		if p.id == from || p.seeder && role.Seeder {
			continue
		}
		p.offers = append(p.offers, fmt.Sprintf("%s %s", name(from), offers[n].SDP))
		if !p.silent {
			id, answer := offers[n].ID, tracker.RemoteSDP{ID: offers[n].ID, SDP: []byte("answer to " + string(offers[n].SDP))}
			go func() {
				if !f.cluster.Answer(h, p.id, from, answer) {
					f.t.Errorf("the answer to offer %q found no way", name(id))
				}
			}()
		}
		n++
	}
	return n
}

func (f *fakeTracker) DeliverAnswer(h swarm.Hash, from, to swarm.PeerID, answer tracker.RemoteSDP) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.peers[h] {
		if p.id == to {
			p.answers = append(p.answers, fmt.Sprintf("%s %s", name(from), answer.SDP))
			return true
		}
	}
	return false
}

func (f *fakeTracker) EachSwarm(each func(h swarm.Hash, n tracker.Counts) bool) {
	f.mu.Lock()
	hashes := make(map[swarm.Hash]tracker.Counts)
	for h := range f.peers {
		hashes[h] = f.counts(h)
	}
	for h := range f.tcp {
		hashes[h] = f.counts(h)
	}
	f.mu.Unlock()
	for h, n := range hashes {
		if !each(h, n) {
			return
		}
	}
}

func (f *fakeTracker) EachTCP(h swarm.Hash, max int, each func(p swarm.TCPPeer, role swarm.Role)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.tcp[h][:min(max, len(f.tcp[h]))] {
		each(p, swarm.Role{})
	}
}

func (f *fakeTracker) counts(h swarm.Hash) (n tracker.Counts) {
	for _, p := range f.peers[h] {
		if p.seeder {
			n.RTCSeeders++
		} else {
			n.RTCLeechers++
		}
	}
	n.TCPLeechers = len(f.tcp[h])
	return n
}

// announce adds a peer and makes offers that find no other peer here.
func (f *fakeTracker) announce(h swarm.Hash, p *fakePeer, offers ...string) {
	f.mu.Lock()
	f.peers[h] = append(f.peers[h], p)
	n := f.counts(h)
	f.mu.Unlock()
	f.cluster.Changed(h, n)
	f.cluster.Offers(h, p.id, swarm.Role{Seeder: p.seeder}, sdps(offers...))
}

func (f *fakeTracker) announceTCP(h swarm.Hash, p swarm.TCPPeer) {
	f.mu.Lock()
	f.tcp[h] = append(f.tcp[h], p)
	n := f.counts(h)
	f.mu.Unlock()
	f.cluster.Changed(h, n)
}

func (f *fakeTracker) got(p *fakePeer) (offers, answers int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(p.offers), len(p.answers)
}

func sdps(offers ...string) (all []tracker.RemoteSDP) {
	for _, o := range offers {
		all = append(all, tracker.RemoteSDP{ID: id(o), SDP: []byte(o)})
	}
	return all
}

func id(s string) (id [20]byte) {
	copy(id[:], s)
	return id
}

func name(id [20]byte) string { return strings.TrimRight(string(id[:]), "\x00") }

// join returns a node with a fake tracker.
func join(t testing.TB, cfg Config) *fakeTracker {
	t.Helper()
	c, err := Join(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeTracker{t: t, cluster: c, peers: map[swarm.Hash][]*fakePeer{}, tcp: map[swarm.Hash][]swarm.TCPPeer{}}
	c.Start(f)
	t.Cleanup(func() { c.Close() })
	return f
}

// joinAll returns nodes that know each other.
func joinAll(t testing.TB, n int, cfg Config) (all []*fakeTracker) {
	t.Helper()
	for range n {
		all = append(all, join(t, cfg))
	}
	waitNodes(t, n, all...)
	return all
}

func waitNodes(t testing.TB, n int, all ...*fakeTracker) {
	t.Helper()
	for i, f := range all {
		until(t, fmt.Sprintf("node %d sees %d nodes", i, n), func() bool { return f.cluster.Stats().Nodes == n })
	}
}

// until waits for what must become true.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 30 s it is not so: %s", what)
		}
	}
}

// startNATS starts a NATS server on loopback; port -1 takes a free one.
func startNATS(t testing.TB, port int, set func(*server.Options)) *server.Server {
	t.Helper()
	opts := &server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true}
	if set != nil {
		set(opts)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { stopNATS(s) })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS does not start")
	}
	return s
}

func stopNATS(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// noLeaks fails the test if goroutines of this package or of NATS are left after all its clean-up.
func noLeaks(t testing.TB) {
	t.Cleanup(func() {
		var left string
		for range 500 {
			buf := make([]byte, 1<<20)
			left = ""
			for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
				if !strings.Contains(g, "testing.") && (strings.Contains(g, "tracker/cluster") || strings.Contains(g, "nats-io")) {
					left += g + "\n\n"
				}
			}
			if left == "" {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("goroutines left:\n%s", left)
	})
}

// A syncWriter may be written to by many goroutines.
type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}
