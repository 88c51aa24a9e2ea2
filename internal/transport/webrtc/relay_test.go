//go:build !js

package webrtc

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/relay"
)

func startRelay(t *testing.T) *relay.Server {
	t.Helper()
	s, err := relay.New(relay.Config{Listen: "127.0.0.1:0", SessionRate: -1, TotalRate: -1,
		AllowPeers: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// turnURLs are the URLs of a relay with credentials, for one transport.
func turnURLs(s *relay.Server, transport string) (urls []string) {
	for _, url := range signal.ParseICEServers(s.ICEServers(netip.Addr{})) {
		if strings.HasSuffix(url, transport) {
			urls = append(urls, url)
		}
	}
	return urls
}

// Two Hosts that offer nothing but relayed candidates, as behind the strictest firewalls.
func TestRelayOnly(t *testing.T) {
	for _, transports := range [][2]string{{"udp", "udp"}, {"tcp", "tcp"}, {"udp", "tcp"}} {
		t.Run(transports[0]+" and "+transports[1], func(t *testing.T) {
			s := startRelay(t)
			a, b := newTestHost(t, Config{RelayOnly: true}), newTestHost(t, Config{RelayOnly: true})
			if _, err := a.Offer(t.Context()); err != ErrNoRelay {
				t.Errorf("an offer before a relay is known: %v", err)
			}
			a.SetServers(turnURLs(s, transports[0]))
			b.SetServers(turnURLs(s, transports[1]))
			o, err := a.Offer(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(o.SDP(), "a=candidate:"); n == 0 || n != strings.Count(o.SDP(), " typ relay ") {
				t.Errorf("the offer has other candidates than relayed ones:\n%s", o.SDP())
			}
			o.Close()
			ca, cb := connect(t, a, b)
			exchange(t, ca, cb)
			exchange(t, cb, ca)
			if ca.RemoteAddr() != "" || cb.RemoteAddr() != "" {
				t.Errorf("a relay's address %q or %q is given out for the peer's own", ca.RemoteAddr(), cb.RemoteAddr())
			}
			if st := s.Stats(); st.BytesToPeers < 2<<20 {
				t.Errorf("the relay has seen %d bytes", st.BytesToPeers)
			}
			a.Close()
			b.Close()
			waitFor(t, "the sessions end with their hosts", func() bool { return s.Stats().Sessions == 0 })
		})
	}
}

// exchange sends a MiB from one end to the other.
func exchange(t *testing.T, from, to io.ReadWriter) {
	t.Helper()
	sent, got := make([]byte, 1<<20), make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(sent)
	failed := make(chan error, 1)
	go func() {
		_, err := from.Write(sent)
		failed <- err
	}()
	if _, err := io.ReadFull(to, got); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil || !bytes.Equal(sent, got) {
		t.Fatalf("other bytes than were sent, %v", err)
	}
}

// Of a Host with a relay and one without, that can reach each other, the relay carries
// nothing in the end.
func TestDirectIsPreferred(t *testing.T) {
	s := startRelay(t)
	a, b := newTestHost(t, Config{}), newTestHost(t, Config{})
	a.SetServers(turnURLs(s, "udp"))
	ca, cb := connect(t, a, b)
	exchange(t, ca, cb)
	if st := s.Stats(); st.Opened == 0 || st.BytesToPeers > 100<<10 {
		t.Errorf("%+v", st)
	}
}

// One side with a relay is enough.
func TestOneSideRelayed(t *testing.T) {
	s := startRelay(t)
	a, b := newTestHost(t, Config{RelayOnly: true}), newTestHost(t, Config{})
	a.SetServers(turnURLs(s, "udp"))
	ca, cb := connect(t, a, b)
	exchange(t, ca, cb)
	ca, cb = connect(t, b, a)
	exchange(t, ca, cb)
}

// Gathering does not wait for a second server that is silent once a relay is found.
func TestSilentServerBesideARelay(t *testing.T) {
	s := startRelay(t)
	silent := newTestHost(t, Config{}) // its socket takes packets, and answers none of these
	h := newTestHost(t, Config{RelayOnly: true, GatherTimeout: time.Minute})
	h.SetServers(append(turnURLs(s, "udp"), "turn:1:a:b@"+netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), silent.Port()).String()))
	o, err := h.Offer(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(o.SDP(), " typ relay "); n != 1 {
		t.Errorf("%d relayed candidates", n)
	}
	o.Close()
	waitFor(t, "the session ends", func() bool { return s.Stats().Sessions == 0 && s.Stats().Opened > 0 })
}

// Close does not wait for servers that never answer.
func TestCloseWithSilentServers(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	before := runtime.NumGoroutine()
	h := newTestHost(t, Config{GatherTimeout: 50 * time.Millisecond})
	h.SetServers([]string{"turn:1:a:b@" + silent.Addr().String() + "?transport=tcp", "turns:1:a:b@" + silent.Addr().String() + "?transport=tcp"})
	if _, err := h.Offer(testContext(t)); err != nil {
		t.Fatal(err)
	}
	h.Close()
	waitFor(t, "nothing is left", func() bool { return runtime.NumGoroutine() <= before })
}

func TestSetServers(t *testing.T) {
	local := []string{"stun:127.0.0.1:3478", "turn:9:u:p@127.0.0.2:3478?transport=tcp", "turn:9:u:p@[::1]:3478"}
	far := []string{"stun:192.0.2.1:3478", "turn:9:u:127.0.0.1@192.0.2.1:3478", "stun:127.example.org:1", "turn:127.0.0.1:u:p@192.0.2.1:1", "stun:127.0.0.1.example.org"}
	count := func(h *Host, servers ...string) int {
		h.SetServers(servers)
		return len(h.servers())
	}
	loopback := newTestHost(t, Config{ICEServers: far})
	if n := count(loopback, append(far, local...)...); n != 3 {
		t.Errorf("on loopback, %d servers are used", n)
	}
	h, err := NewHost(Config{ICEServers: []string{"stun:192.0.2.9:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if n := count(h, local...); n != 4 {
		t.Errorf("%d servers, our own included", n)
	}
	if n := count(h, append(far, local...)...); n != 5 {
		t.Errorf("%d servers of many", n)
	}
	if n := count(h, "http://x", "turn:u@", "stun:192.0.2.1"); n != 2 {
		t.Errorf("%d servers of three, two of which make no sense", n)
	}
	if n := count(h); n != 1 {
		t.Errorf("%d servers are left", n)
	}
	var bad *ServerError
	if _, err := NewHost(Config{ICEServers: []string{"x"}}); !errors.As(err, &bad) {
		t.Errorf("%v", err)
	}
}
