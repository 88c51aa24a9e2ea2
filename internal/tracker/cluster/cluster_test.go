package cluster

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/cluster/embedded"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/tracker"
)

func TestPeersOnTwoNodesExchangeOffersAndAnswers(t *testing.T) {
	noLeaks(t)
	nodes := joinAll(t, 3, Config{URLs: []string{startNATS(t, -1, nil).ClientURL()}})
	for i := range 30 {
		h := id(fmt.Sprint("swarm ", i))
		one, two := nodes[i%3], nodes[(i+1)%3]
		a, b := &fakePeer{id: id("a")}, &fakePeer{id: id("b")}
		one.announce(h, a, "a1", "a2")
		until(t, "the first report has arrived", func() bool { return one.cluster.Stats().Parked > 0 })
		two.announce(h, b, "b1", "b2")
		until(t, "one offer and its answer arrived", func() bool {
			ao, aa := one.got(a)
			bo, ba := two.got(b)
			return ao+bo > 0 && ao == ba && bo == aa
		})
		one.mu.Lock()
		for _, o := range a.offers {
			if o != "b b1" {
				t.Errorf("a got offer %q", o)
			}
		}
		one.mu.Unlock()
		two.mu.Lock()
		for _, o := range b.answers {
			if o != "a answer to b1" {
				t.Errorf("b got answer %q", o)
			}
		}
		two.mu.Unlock()
	}
	for i := range 30 {
		until(t, "each knows the other's count", func() bool {
			h, want := id(fmt.Sprint("swarm ", i)), tracker.Counts{RTCLeechers: 1}
			return nodes[i%3].cluster.Elsewhere(h) == want && nodes[(i+1)%3].cluster.Elsewhere(h) == want
		})
	}
	for i, f := range nodes {
		if s := f.cluster.Stats(); !s.Connected || s.MessagesIn == 0 || s.BytesOut == 0 || s.Malformed+s.Dropped > 0 {
			t.Errorf("node %d: %+v", i, s)
		}
	}
}

func TestTCPPeersAreKnownElsewhere(t *testing.T) {
	nodes := joinAll(t, 2, Config{URLs: []string{startNATS(t, -1, nil).ClientURL()}})
	h := id("swarm")
	a := swarm.TCPPeer{Addr: netip.MustParseAddrPort("1.2.3.4:5"), ID: id("a")}
	b := swarm.TCPPeer{Addr: netip.MustParseAddrPort("[2001::1]:5"), ID: id("b")}
	nodes[0].announceTCP(h, a)
	nodes[1].announceTCP(h, b)
	for i, want := range []swarm.TCPPeer{b, a} {
		until(t, "the other's peer is known", func() bool {
			return slices.Equal(nodes[i].cluster.TCPPeers(h, 0, netaddr.Public, swarm.Role{}, 50, nil), []swarm.TCPPeer{want})
		})
	}
}

func TestANodeLeavesAndAnotherDies(t *testing.T) {
	nodes := joinAll(t, 3, Config{URLs: []string{startNATS(t, -1, nil).ClientURL()}})
	h := id("swarm")
	for i, f := range nodes {
		f.announce(h, &fakePeer{id: id(fmt.Sprint(i)), silent: true})
	}
	until(t, "all are counted", func() bool { return nodes[0].cluster.Elsewhere(h).RTCLeechers == 2 })
	nodes[1].cluster.Close()
	until(t, "the one that left is counted no more", func() bool {
		return nodes[0].cluster.Stats().Nodes == 2 && nodes[0].cluster.Elsewhere(h).RTCLeechers == 1
	})
	// No good-bye: only its silence tells.
	nodes[2].cluster.connMu.Lock()
	nodes[2].cluster.conn.Close()
	nodes[2].cluster.connMu.Unlock()
	until(t, "the dead one is counted no more", func() bool {
		return nodes[0].cluster.Stats().Nodes == 1 && nodes[0].cluster.Elsewhere(h).RTCLeechers == 0
	})
}

func TestNATSStopsAndStartsAgain(t *testing.T) {
	noLeaks(t)
	ns := startNATS(t, -1, nil)
	port := ns.Addr().(*net.TCPAddr).Port
	nodes := joinAll(t, 3, Config{URLs: []string{ns.ClientURL()}})
	old := id("old")
	nodes[0].announce(old, &fakePeer{id: id("a"), silent: true})
	nodes[1].announce(old, &fakePeer{id: id("b"), silent: true})
	until(t, "they are counted", func() bool { return nodes[0].cluster.Elsewhere(old).RTCLeechers == 1 })

	stopNATS(ns)
	until(t, "the loss is noticed", func() bool { return !nodes[0].cluster.Stats().Connected })
	until(t, "the others are gone", func() bool { return nodes[0].cluster.Stats().Nodes == 1 })
	// Meanwhile nothing waits and nothing fails.
	h := id("new")
	c, d := &fakePeer{id: id("c")}, &fakePeer{id: id("d")}
	start := time.Now()
	nodes[1].announce(h, c, "c1")
	nodes[2].announce(h, d, "d1")
	if nodes[1].cluster.Answer(h, id("c"), id("x"), tracker.RemoteSDP{}) {
		t.Error("an answer without NATS was taken")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("calls waited %v for NATS", took)
	}
	if n := nodes[1].cluster.Elsewhere(h); n != (tracker.Counts{}) {
		t.Errorf("elsewhere: %+v", n)
	}

	startNATS(t, port, nil)
	waitNodes(t, 3, nodes...)
	until(t, "old swarms are counted again", func() bool { return nodes[0].cluster.Elsewhere(old).RTCLeechers == 1 })
	until(t, "those that announced meanwhile meet", func() bool {
		co, ca := nodes[1].got(c)
		do, da := nodes[2].got(d)
		return co+do > 0 && ca+da > 0
	})
}

func TestNATSComesLate(t *testing.T) {
	noLeaks(t)
	// A port that nobody listens on for now.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	start := time.Now()
	cfg := Config{URLs: []string{fmt.Sprintf("nats://127.0.0.1:%d", port)}}
	nodes := []*fakeTracker{join(t, cfg), join(t, cfg)}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Join and Start waited %v for NATS", took)
	}
	h := id("swarm")
	nodes[0].announce(h, &fakePeer{id: id("a"), silent: true})
	nodes[1].announce(h, &fakePeer{id: id("b"), silent: true})
	never := join(t, cfg)
	if err := never.cluster.Close(); err != nil {
		t.Errorf("closing without NATS: %v", err)
	}
	startNATS(t, port, nil)
	waitNodes(t, 2, nodes...)
	until(t, "the swarms are counted", func() bool { return nodes[0].cluster.Elsewhere(h).RTCLeechers == 1 })
}

// A tracker calls Changed without a lock, so an older count may come last.
func TestOvertakenCountsAreMendedWhenNATSIsBack(t *testing.T) {
	ns := startNATS(t, -1, nil)
	port := ns.Addr().(*net.TCPAddr).Port
	nodes := joinAll(t, 2, Config{URLs: []string{ns.ClientURL()}})
	h, gone := id("swarm"), id("gone")
	nodes[1].announce(h, &fakePeer{id: id("b"), silent: true})
	nodes[0].announce(h, &fakePeer{id: id("a"), silent: true})
	nodes[0].announce(h, &fakePeer{id: id("c"), silent: true})
	nodes[0].cluster.Changed(h, tracker.Counts{RTCLeechers: 1})
	nodes[0].cluster.Changed(gone, tracker.Counts{RTCLeechers: 1})
	stopNATS(ns)
	until(t, "the loss is noticed", func() bool { return !nodes[0].cluster.Stats().Connected })
	startNATS(t, port, nil)
	until(t, "the count is right", func() bool {
		return nodes[1].cluster.Elsewhere(h).RTCLeechers == 2 && nodes[0].cluster.Stats().Swarms == 1
	})
}

func TestAuthentication(t *testing.T) {
	ns := startNATS(t, -1, func(o *server.Options) { o.Username, o.Password = "shoal", "s3cret" })
	addr := ns.Addr().String()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&syncWriter{w: &log}, nil))
	good := joinAll(t, 2, Config{URLs: []string{"nats://shoal:s3cret@" + addr}, Logger: logger})
	byField := join(t, Config{URLs: []string{"nats://" + addr}, User: "shoal", Password: "s3cret", Logger: logger})
	waitNodes(t, 3, append(good, byField)...)
	bad := join(t, Config{URLs: []string{"nats://shoal:wr0ng@" + addr}, Logger: logger})
	time.Sleep(100 * time.Millisecond)
	if bad.cluster.Stats().Connected {
		t.Error("a wrong password was taken")
	}
	bad.cluster.Close()
	for _, f := range append(good, byField) {
		f.cluster.Close()
	}
	if s := log.String(); strings.Contains(s, "s3cret") || strings.Contains(s, "wr0ng") || !strings.Contains(s, "joined") {
		t.Errorf("log: %s", s)
	}
}

func TestGarbageOnTheSubjectsIsCounted(t *testing.T) {
	ns := startNATS(t, -1, nil)
	nodes := joinAll(t, 2, Config{URLs: []string{ns.ClientURL()}, Name: "a.b"})
	nc, err := nats.Connect(ns.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, b := range []string{"", "hello", strings.Repeat("\x01", 13) + "\x02\x7f", "\x02 another version"} {
		nc.Publish("a.b.beat", []byte(b))
	}
	until(t, "all are counted", func() bool { return nodes[0].cluster.Stats().Malformed >= 4 })
	h := id("swarm")
	nodes[0].announce(h, &fakePeer{id: id("a")}, "a1")
	b := &fakePeer{id: id("b")}
	nodes[1].announce(h, b, "b1")
	until(t, "peers meet in spite of it", func() bool {
		o, a := nodes[1].got(b)
		return o+a > 0
	})
}

func TestNonsenseIsRefused(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "no NATS server is named"},
		{Config{URLs: []string{"http://host:1"}}, `scheme "http"`},
		{Config{URLs: []string{"nats://user:pa55@"}}, "names no host"},
		{Config{URLs: []string{"nats://user:pa55@h:x"}}, "cannot be read"},
		{Config{URLs: []string{"nats://h"}, Name: "a b"}, `name "a b"`},
		{Config{URLs: []string{"nats://h"}, Name: "a..b"}, `name "a..b"`},
		{Config{URLs: []string{"nats://h"}, Name: "a.>"}, `name "a.>"`},
		{Config{URLs: []string{"nats://h"}, Creds: filepath.Join(t.TempDir(), "none.creds")}, "none.creds"},
	} {
		c, err := Join(tc.cfg)
		if err == nil {
			c.Close()
			t.Errorf("%+v was taken", tc.cfg)
		} else if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "pa55") {
			t.Errorf("%+v: %q, want %q in it", tc.cfg, err, tc.want)
		}
	}
}

func TestCloseWithoutStart(t *testing.T) {
	noLeaks(t)
	c, err := Join(Config{URLs: []string{"nats://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	c.Changed(id("h"), tracker.Counts{RTCLeechers: 1})
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestEmbeddedServersFormACluster(t *testing.T) {
	noLeaks(t)
	var servers []*embedded.Server
	var nodes []*fakeTracker
	start := func(routes ...string) {
		s, err := embedded.Start(embedded.Config{ClusterListen: "127.0.0.1:0", Routes: routes, Secrets: []string{"p@ss/word"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		servers = append(servers, s)
		user, password := s.Credentials()
		// TLS is for other servers.
		nodes = append(nodes, join(t, Config{InProcess: s, User: user, Password: password, TLS: new(tls.Config)}))
	}
	start()
	first := servers[0].ClusterAddr().String()
	start(first)
	start("nats-route://" + first) // and finds the second by the first
	waitNodes(t, 3, nodes...)
	until(t, "all servers are connected", func() bool {
		return servers[0].Routes() == 2 && servers[1].Routes() == 2 && servers[2].Routes() == 2
	})
	h := id("swarm")
	a, b := &fakePeer{id: id("a")}, &fakePeer{id: id("b")}
	nodes[1].announce(h, a, "a1")
	nodes[2].announce(h, b, "b1")
	until(t, "peers on two servers meet", func() bool {
		ao, aa := nodes[1].got(a)
		bo, ba := nodes[2].got(b)
		return ao+bo > 0 && aa+ba > 0
	})
	// The first, by which the others found each other, goes.
	nodes[0].cluster.Close()
	servers[0].Close()
	waitNodes(t, 2, nodes[1:]...)

	stranger, err := embedded.Start(embedded.Config{Routes: []string{servers[1].ClusterAddr().String()}, Secrets: []string{"guessed"}})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	time.Sleep(300 * time.Millisecond)
	if n := stranger.Routes(); n != 0 {
		t.Errorf("a server with another secret got %d routes", n)
	}
}
