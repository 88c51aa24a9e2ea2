package node

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/dht"
)

var infoHash = [20]byte{1, 2, 3, 4}

func start(t *testing.T, cfg Config) *Node {
	t.Helper()
	if cfg.Listen == "" && cfg.Send == nil {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Bootstrap == nil {
		cfg.Bootstrap = []string{}
	}
	n, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("timed out: " + what)
		}
	}
}

func collect(t *testing.T, n *Node, hash [20]byte) []netip.AddrPort {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out []netip.AddrPort
	for p := range n.GetPeers(ctx, hash) {
		out = append(out, p)
	}
	if ctx.Err() != nil {
		t.Fatal("the search does not end")
	}
	return out
}

func TestThreeNodesOnLoopback(t *testing.T) {
	router := start(t, Config{})
	found := make(chan netip.AddrPort, 10)
	announcer := start(t, Config{Bootstrap: []string{router.Addr().String()}})
	seeker := start(t, Config{
		Bootstrap: []string{router.Addr().String()},
		Found: func(hash [20]byte, peers []netip.AddrPort) {
			for _, p := range peers {
				found <- p
			}
		},
	})

	announcer.Announce(infoHash, 7001, false)
	want := netip.MustParseAddrPort("127.0.0.1:7001")
	eventually(t, "peer found", func() bool { return slices.Contains(collect(t, seeker, infoHash), want) })
	eventually(t, "nodes know each other", func() bool {
		return len(announcer.Nodes()) == 1 && len(seeker.Nodes()) == 1 && len(router.Nodes()) == 2
	})

	// A peer behind uTP lets others use the port its packets come from.
	other := [20]byte{9}
	announcer.Announce(other, 0, true)
	eventually(t, "implied port found", func() bool {
		return slices.Contains(collect(t, seeker, other), announcer.Addr())
	})

	// Who announces learns of the others.
	seeker.Announce(infoHash, 7002, false)
	select {
	case p := <-found:
		if p != want {
			t.Errorf("announcing found %v, want %v", p, want)
		}
	case <-time.After(20 * time.Second):
		t.Error("announcing found nobody")
	}
}

func TestSavedNodesReplaceBootstrap(t *testing.T) {
	a := start(t, Config{})
	b := start(t, Config{Nodes: []netip.AddrPort{a.Addr()}})
	eventually(t, "b knows a", func() bool { return slices.Equal(b.Nodes(), []netip.AddrPort{a.Addr()}) })
	c := start(t, Config{})
	c.AddNode(b.Addr())
	eventually(t, "c knows both", func() bool { return len(c.Nodes()) == 2 })
	if id := a.Stats().IPv4.ID; id.IsZero() {
		t.Error("Stats has no node ID")
	}
}

func TestSharedSocket(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	port := conn.LocalAddr().(*net.UDPAddr).Port
	other := start(t, Config{})
	shared := start(t, Config{
		Port: uint16(port), NoIPv6: true, Bootstrap: []string{other.Addr().String()},
		Send: func(b []byte, to netip.AddrPort) error {
			_, err := conn.WriteToUDPAddrPort(b, to)
			return err
		},
	})
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if IsPacket(buf[:n]) {
				shared.Deliver(buf[:n], from)
			}
		}
	}()
	shared.Announce(infoHash, 0, false)
	want := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
	eventually(t, "peer stored", func() bool { return other.Stats().Peers == 1 })
	asker := start(t, Config{Nodes: []netip.AddrPort{other.Addr()}})
	eventually(t, "peer found", func() bool { return slices.Contains(collect(t, asker, infoHash), want) })
	shared.Deliver(make([]byte, 1<<16), want) // longer than any buffer
}

func TestSearchWithoutAnyNodeEnds(t *testing.T) {
	n := start(t, Config{})
	if got := collect(t, n, infoHash); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	n, err := Listen(Config{Listen: "127.0.0.1:0", Bootstrap: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	peers := n.GetPeers(context.Background(), infoHash)
	n.Close()
	n.Close()
	for range peers { // is closed
	}
	n.Announce(infoHash, 1, false)
	if st := n.Stats(); st != (dht.Stats{}) {
		t.Errorf("Stats after Close: %+v", st)
	}
	for range n.GetPeers(context.Background(), infoHash) {
		t.Error("a closed node finds peers")
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

func TestCancelledSearchEnds(t *testing.T) {
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	n := start(t, Config{Bootstrap: []string{silent.LocalAddr().String()}})
	ctx, cancel := context.WithCancel(t.Context())
	peers := n.GetPeers(ctx, infoHash)
	cancel()
	for range peers {
	}
	eventually(t, "the machine forgets the search", func() bool {
		st := n.Stats()
		return st.Waiting == 0 && st.Lookups <= 1 // that for our own ID goes on
	})
}

func TestListenErrors(t *testing.T) {
	a := start(t, Config{})
	for listen, want := range map[string]string{
		a.Addr().String(): "",
		"127.0.0.1":       "missing port",
		"127.0.0.1:99999": "invalid port",
	} {
		_, err := Listen(Config{Listen: listen, Bootstrap: []string{}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Listen(%q): %v, want %q", listen, err, want)
		}
	}
	if _, err := Listen(Config{Listen: "127.0.0.1:0", NoIPv4: true, NoIPv6: true}); err == nil {
		t.Error("a node without any address family starts")
	}
}

func TestIsPacket(t *testing.T) {
	utp := append([]byte{0x41, 0}, bytes.Repeat([]byte{'e'}, 18)...)
	for b, want := range map[string]bool{
		"d1:q4:pinge": true, "": false, "d": false, string(utp): false, "\x00\x00\x00\x01e": false,
	} {
		if IsPacket([]byte(b)) != want {
			t.Errorf("IsPacket(%q) = %v", b, !want)
		}
	}
}
