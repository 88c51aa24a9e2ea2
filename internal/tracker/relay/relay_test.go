package relay

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// A clock is set by hand.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A way is how a client reaches the server.
type way func(t *testing.T, s *Server) net.PacketConn

func byUDP(from string) way {
	return func(t *testing.T, s *Server) net.PacketConn {
		c, err := net.ListenPacket("udp", from+":0")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func byTCP(t *testing.T, s *Server) net.PacketConn {
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return turn.NewSTUNConn(c)
}

func byTLS(t *testing.T, s *Server) net.PacketConn {
	c, err := tls.Dial("tcp", s.TLSAddr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	return turn.NewSTUNConn(c)
}

// connect makes a client that has sent nothing yet.
func connect(t *testing.T, s *Server, by way, user, pass string) *turn.Client {
	t.Helper()
	conn := by(t, s)
	c, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: s.Addr().String(), TURNServerAddr: s.Addr().String(), Conn: conn,
		Username: user, Password: pass, Realm: "shoal", RTO: time.Second,
		LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled, Writer: io.Discard},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); conn.Close() })
	return c
}

// allocate opens a session.
func allocate(t *testing.T, s *Server, by way) (*turn.Client, net.PacketConn) {
	t.Helper()
	user, pass := s.Credentials()
	c := connect(t, s, by, user, pass)
	relayed, err := c.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relayed.Close() })
	return c, relayed
}

// code is the error code in what pion's client says.
func code(err error) string {
	for _, c := range []string{"400", "401", "403", "437", "438", "486", "508"} {
		if err != nil && strings.Contains(err.Error(), c) {
			return c
		}
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

func read(t *testing.T, c net.PacketConn) (string, net.Addr) {
	t.Helper()
	b := make([]byte, 2000)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, from, err := c.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n]), from
}

func TestBinding(t *testing.T) {
	s := start(t, Config{STUNOnly: true})
	for _, by := range []way{byUDP("127.0.0.1"), byTCP} {
		conn := by(t, s)
		c := connect(t, s, func(*testing.T, *Server) net.PacketConn { return conn }, "", "")
		got, err := c.SendBindingRequest()
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != conn.LocalAddr().String() {
			t.Errorf("we are %v, STUN says %v", conn.LocalAddr(), got)
		}
	}
	if _, err := connect(t, s, byUDP("127.0.0.1"), "1:a", "b").Allocate(); err == nil {
		t.Error("a STUN server gives a session")
	}
}

// Two clients whose only candidates are relayed reach each other through the one server, whatever
// way they came by.
func TestRelayedPeersReachEachOther(t *testing.T) {
	s := start(t, Config{ListenTLS: "127.0.0.1:0", TLS: testTLS(t)})
	ways := map[string]way{"udp": byUDP("127.0.0.1"), "tcp": byTCP, "tls": byTLS}
	for from, by := range ways {
		_, a := allocate(t, s, by)
		for to, by := range ways {
			_, b := allocate(t, s, by)
			// Both send, as ICE does: the first packet opens the way for the other.
			a.WriteTo([]byte("first"), b.LocalAddr())
			if _, err := b.WriteTo([]byte("hello from "+to), a.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			for {
				text, addr := read(t, a)
				if addr.String() != b.LocalAddr().String() {
					continue // of the peer before
				}
				if text != "hello from "+to {
					t.Errorf("%s to %s: %q from %v", to, from, text, addr)
				}
				break
			}
			b.Close()
		}
		a.Close()
	}
	eventually(t, "all sessions end", func() bool { return s.Stats().Sessions == 0 })
	if st := s.Stats(); st.Opened != 12 || st.BytesToPeers == 0 || st.BytesToClients == 0 {
		t.Errorf("%+v", st)
	}
}

// The server's public address is often a router's.
func TestRelayedPeersBehindTheServersRouter(t *testing.T) {
	s := start(t, Config{Listen: "127.0.0.1:0", PublicIPs: []netip.Addr{netip.MustParseAddr("203.0.113.7")}})
	_, a := allocate(t, s, byUDP("127.0.0.1"))
	_, b := allocate(t, s, byUDP("127.0.0.1"))
	if !strings.HasPrefix(a.LocalAddr().String(), "203.0.113.7:") {
		t.Fatalf("the relayed address is %v", a.LocalAddr())
	}
	a.WriteTo([]byte("first"), b.LocalAddr())
	b.WriteTo([]byte("hello"), a.LocalAddr())
	if text, from := read(t, a); text != "hello" || from.String() != b.LocalAddr().String() {
		t.Errorf("%q from %v, want it from %v", text, from, b.LocalAddr())
	}
}

func TestIPv6(t *testing.T) {
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Log("no IPv6 here:", err)
		return
	} else {
		c.Close()
	}
	s := start(t, Config{Listen: "[::1]:0", AllowPeers: []netip.Prefix{netip.MustParsePrefix("::1/128")}})
	_, a := allocate(t, s, byUDP("[::1]"))
	peer, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if _, err := a.WriteTo([]byte("hello"), peer.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if text, from := read(t, peer); text != "hello" || from.String() != a.LocalAddr().String() {
		t.Errorf("%q from %v", text, from)
	}
}

// Made with: printf %s 1767229200:alice | openssl dgst -sha1 -hmac secret -binary | base64.
// The second one is of coturn's and pion's users.
func TestPasswordVectors(t *testing.T) {
	for _, c := range []struct{ secret, user, want string }{
		{"secret", "1767229200:alice", "l9sFclyNgk4Y5fidP+CulTUhgVk="},
		{"foobar", "1599491771", "Tpz/nKkyvX/vMSLKvL4sbtBt8Vs="},
	} {
		if got := passwordOf([]byte(c.secret), c.user); got != c.want {
			t.Errorf("%s: got %s, want %s", c.user, got, c.want)
		}
	}
}

func TestCredentials(t *testing.T) {
	clk := newClock()
	s := start(t, Config{Secret: []byte("one"), Now: clk.now, TTL: time.Hour})
	other := start(t, Config{Secret: []byte("two"), Now: clk.now})
	twin := start(t, Config{Secret: []byte("one"), Now: clk.now})
	allocated := func(user, pass string) error {
		c := connect(t, s, byUDP("127.0.0.1"), user, pass)
		relayed, err := c.Allocate()
		if err == nil {
			relayed.Close()
		}
		return err
	}
	user, pass := s.Credentials()
	if !strings.HasPrefix(user, "1767229200:") {
		t.Errorf("the user name %s does not begin with the time of its end", user)
	}
	if err := allocated(user, pass); err != nil {
		t.Errorf("good: %v", err)
	}
	if err := allocated(twin.Credentials()); err != nil {
		t.Errorf("of a server with the same secret: %v", err)
	}
	before := s.Stats().Unauthorized
	for name, err := range map[string]error{
		"of another server":     allocated(other.Credentials()),
		"a wrong password":      allocated(user, "wrong"),
		"a later end":           allocated("9"+user, pass),
		"no time":               allocated("alice", passwordOf([]byte("one"), "alice")),
		"an end long before":    allocated("1:a", passwordOf([]byte("one"), "1:a")),
		"an end beyond numbers": allocated("99999999999999999999:a", passwordOf([]byte("one"), "99999999999999999999:a")),
	} {
		if code(err) != "401" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.Stats().Unauthorized - before; n < 6 {
		t.Errorf("%d of 6 refusals are counted", n)
	}
	clk.advance(time.Hour)
	if err := allocated(user, pass); code(err) != "401" {
		t.Errorf("after its end: %v", err)
	}
}

// A secret is changed without a moment in which credentials are refused.
func TestSecretsRotate(t *testing.T) {
	s := start(t, Config{Secret: []byte("old")})
	allocate := func(user, pass string) error {
		relayed, err := connect(t, s, byUDP("127.0.0.1"), user, pass).Allocate()
		if err == nil {
			relayed.Close()
		}
		return err
	}
	oldUser, oldPass := s.Credentials()
	s.SetSecrets([]byte("new"), []byte("old"))
	newUser, newPass := s.Credentials()
	foreign := strings.Split(newUser, ":")[0] + ":made-elsewhere"
	for what, err := range map[string]error{
		"old":                             allocate(oldUser, oldPass),
		"new":                             allocate(newUser, newPass),
		"of a server of the first secret": allocate(foreign, passwordOf([]byte("new"), foreign)),
	} {
		if err != nil {
			t.Errorf("%s, while both are valid: %v", what, err)
		}
	}
	s.SetSecrets([]byte("new"))
	if err := allocate(newUser, newPass); err != nil {
		t.Errorf("new, alone: %v", err)
	}
	if err := allocate(oldUser, oldPass); code(err) != "401" {
		t.Errorf("old, after it was removed: %v", err)
	}
}

func TestASessionOutlivesItsCredentials(t *testing.T) {
	clk := newClock()
	s := start(t, Config{Now: clk.now, AllowPeers: []netip.Prefix{loopback}})
	c, _ := allocate(t, s, byUDP("127.0.0.1"))
	clk.advance(2 * time.Hour)
	if err := c.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 9), Port: 9}); err != nil {
		t.Errorf("two hours later: %v", err)
	}
	clk.advance(sessionGrace)
	if err := c.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 8), Port: 9}); code(err) != "401" {
		t.Errorf("a day later: %v", err)
	}
}

func TestSessionLimits(t *testing.T) {
	s := start(t, Config{MaxSessions: 3, MaxSessionsPerAddr: 2})
	try := func(by way) error {
		user, pass := s.Credentials()
		_, err := connect(t, s, by, user, pass).Allocate()
		return err
	}
	_, first := allocate(t, s, byUDP("127.0.0.1"))
	allocate(t, s, byUDP("127.0.0.1"))
	if err := try(byUDP("127.0.0.1")); code(err) != "508" {
		t.Errorf("a third one of an address: %v", err)
	}
	if err := try(byTCP); code(err) != "508" {
		t.Errorf("by TCP: %v", err)
	}
	allocate(t, s, byUDP("127.0.0.2"))
	if err := try(byUDP("127.0.0.3")); code(err) != "508" {
		t.Errorf("a fourth one of all: %v", err)
	}
	if st := s.Stats(); st.Sessions != 3 || st.Refused < 3 {
		t.Errorf("%+v", st)
	}
	first.Close()
	eventually(t, "it is gone", func() bool { return s.Stats().Sessions == 2 })
	if err := try(byUDP("127.0.0.3")); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}

func TestASessionEndsWithItsConnection(t *testing.T) {
	s := start(t, Config{})
	var conn net.PacketConn
	allocate(t, s, func(t *testing.T, s *Server) net.PacketConn { conn = byTCP(t, s); return conn })
	if st := s.Stats(); st.Sessions != 1 || st.Conns != 1 {
		t.Errorf("%+v", st)
	}
	conn.Close()
	eventually(t, "nothing is left", func() bool { st := s.Stats(); return st.Sessions == 0 && st.Conns == 0 })
}

// pipe opens a session with a permission for a peer, and sends a packet each way.
func pipe(t *testing.T, s *Server, by way) (relayed, peer net.PacketConn) {
	t.Helper()
	_, relayed = allocate(t, s, by)
	peer, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	if _, err := relayed.WriteTo([]byte("ping ping"), peer.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if text, _ := read(t, peer); text != "ping ping" {
		t.Fatalf("%q", text)
	}
	peer.WriteTo([]byte("pong pong"), relayed.LocalAddr())
	if text, _ := read(t, relayed); text != "pong pong" {
		t.Fatalf("%q", text)
	}
	return relayed, peer
}

// flood sends 1,000 packets of 1,000 bytes from the client, so slowly that no socket overflows.
func flood(s *Server, relayed, peer net.PacketConn) {
	b := make([]byte, 1000)
	for i := range 1000 {
		relayed.WriteTo(b, peer.LocalAddr())
		if i%50 == 49 {
			time.Sleep(2 * time.Millisecond)
		}
	}
}

func TestBandwidthOfASession(t *testing.T) {
	clk := newClock()
	s := start(t, Config{SessionRate: 400_000, TotalRate: -1, Now: clk.now, AllowPeers: []netip.Prefix{loopback}})
	relayed, peer := pipe(t, s, byUDP("127.0.0.1"))
	flood(s, relayed, peer)
	eventually(t, "all packets are counted", func() bool { return s.Stats().Dropped >= 700 })
	// Half a second's worth, and nothing more as long as the clock stands.
	if st := s.Stats(); st.BytesToPeers > 200_000 || st.BytesToPeers < 195_000 {
		t.Errorf("%+v", st)
	}
	had := s.Stats().BytesToPeers + s.Stats().BytesToClients
	clk.advance(250 * time.Millisecond)
	flood(s, relayed, peer)
	eventually(t, "all packets are counted", func() bool { return s.Stats().Dropped >= 1600 })
	if st := s.Stats(); st.BytesToPeers+st.BytesToClients-had > 100_000 {
		t.Errorf("a quarter of a second later: %d more", st.BytesToPeers+st.BytesToClients-had)
	}
	// Another session has its own.
	pipe(t, s, byUDP("127.0.0.1"))
}

func TestBandwidthOfAll(t *testing.T) {
	clk := newClock()
	s := start(t, Config{SessionRate: -1, TotalRate: 400_000, Now: clk.now, AllowPeers: []netip.Prefix{loopback}})
	a, peerA := pipe(t, s, byUDP("127.0.0.1"))
	b, peerB := pipe(t, s, byUDP("127.0.0.1"))
	flood(s, a, peerA)
	flood(s, b, peerB)
	eventually(t, "all packets are counted", func() bool { return s.Stats().Dropped >= 1700 })
	if st := s.Stats(); st.BytesToPeers > 200_000 {
		t.Errorf("%+v", st)
	}
}

// One address, however many sessions it has, leaves the others theirs.
func TestBandwidthOfAnAddress(t *testing.T) {
	clk := newClock()
	s := start(t, Config{SessionRate: 600_000, AddrRate: 400_000, TotalRate: -1, Now: clk.now, AllowPeers: []netip.Prefix{loopback}})
	a, peerA := pipe(t, s, byUDP("127.0.0.1"))
	b, peerB := pipe(t, s, byUDP("127.0.0.1"))
	flood(s, a, peerA)
	flood(s, b, peerB)
	eventually(t, "all packets are counted", func() bool { return s.Stats().Dropped >= 1700 })
	had := s.Stats().BytesToPeers
	if had > 200_000 || had < 195_000 {
		t.Errorf("%d bytes for one address", had)
	}
	c, peerC := pipe(t, s, byUDP("127.0.0.2"))
	flood(s, c, peerC)
	eventually(t, "another address has its own", func() bool { return s.Stats().BytesToPeers-had >= 190_000 })
}

func TestBandwidthOfAnAddressByDefault(t *testing.T) {
	for want, c := range map[int]Config{
		3_125_000:  {},
		10_000_000: {SessionRate: 10_000_000},
		7:          {AddrRate: 7},
		-1:         {AddrRate: -1},
		0:          {TotalRate: -1},
	} {
		if c, err := c.withDefaults(); err != nil || c.AddrRate != want {
			t.Errorf("%d, %v; want %d", c.AddrRate, err, want)
		}
	}
}

func TestPeersThatAreNotAllowed(t *testing.T) {
	lan := netip.MustParseAddr("198.18.5.5")
	s := start(t, Config{DenyPeers: []netip.Prefix{netip.MustParsePrefix("8.8.8.0/24")}, AllowPeers: []netip.Prefix{netip.PrefixFrom(lan, 32)}})
	for addr, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": false, "8.8.9.8": true, "198.18.5.5": true, "198.18.5.6": false,
		"0.0.0.0": false, "0.1.2.3": false, "10.1.2.3": false, "100.64.0.1": false, "100.128.0.1": true, "127.0.0.1": false,
		"127.255.255.255": false, "169.254.169.254": false, "172.15.255.255": true, "172.16.0.1": false, "172.31.255.255": false,
		"172.32.0.1": true, "192.0.0.8": false, "192.168.1.1": false, "224.0.0.251": false, "239.1.1.1": false, "240.0.0.1": false,
		"255.255.255.255": false, "2a00:1450:4001::1": true, "::": false, "::1": false, "::7f00:1": false,
		"64:ff9b::7f00:1": false, "64:ff9b:1::a00:1": false, "2001::1": false, "2002:7f00:1::1": false, "fd00::1": false,
		"fc00::1": false, "fe80::1": false, "fec0::1": false, "ff02::fb": false,
		// Of clouds, whatever way is taken.
		"168.63.129.15": true, "168.63.129.16": false, "100.100.100.200": false, "192.0.0.192": false, "fd00:ec2::254": false, "fd20:ce::254": false,
		"64:ff9b::a83f:8110": false, "64:ff9b::a9fe:a9fe": false, "2002:a83f:8110::1": false, "2001:0:a83f:8110::1": false, "::a83f:8110": false,
		// The rest of the registries.
		"192.31.196.1": false, "192.52.193.1": false, "192.88.99.1": false, "192.175.48.1": false, "192.0.2.1": false, "198.51.100.1": false,
		"203.0.113.1": false, "100::1": false, "2001:db8::1": false, "2001:1ff::1": false, "2001:200::1": true, "2620:4f:8000::1": false,
		"2620:4f:8001::1": true, "3fff::1": false, "3fff:1000::1": true, "4000::1": false, "5f00::1": false, "8000::1": false, "200::1": false,
	} {
		if got := s.allowed(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: allowed %v, want %v", addr, got, want)
		}
	}
	c, relayed := allocate(t, s, byUDP("127.0.0.1"))
	for _, ip := range []string{"192.168.1.1", "169.254.169.254", "127.0.0.2", "8.8.8.8"} {
		if err := c.CreatePermission(&net.UDPAddr{IP: net.ParseIP(ip), Port: 80}); code(err) != "403" {
			t.Errorf("a permission for %s: %v", ip, err)
		}
	}
	if n := s.Stats().Denied; n != 4 {
		t.Errorf("%d refusals are counted", n)
	}
	// A permission for our own address is given, since another session may be meant; it
	// leads to nothing else on this machine.
	service, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	if _, err := relayed.WriteTo([]byte("secret"), service.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the packet is thrown away", func() bool { return s.Stats().Denied == 5 })
	// Nor does anything come from there.
	service.WriteTo([]byte("x"), relayed.LocalAddr())
	eventually(t, "the packet is thrown away", func() bool { return s.Stats().Denied == 6 })
	service.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, _, err := service.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes reached a service of this machine", n)
	}
}

// What a stranger sends to a relayed address costs its client nothing.
func TestStrangersAreNotHeard(t *testing.T) {
	s := start(t, Config{AllowPeers: []netip.Prefix{loopback}})
	relayed, peer := pipe(t, s, byUDP("127.0.0.1"))
	stranger, err := net.ListenPacket("udp", "127.0.0.7:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	before := s.Stats().BytesToClients
	for range 100 {
		stranger.WriteTo(make([]byte, 1000), relayed.LocalAddr())
	}
	peer.WriteTo([]byte("after"), relayed.LocalAddr())
	if text, _ := read(t, relayed); text != "after" {
		t.Errorf("heard %q", text)
	}
	if n := s.Stats().BytesToClients - before; n != 5 {
		t.Errorf("%d bytes were relayed", n)
	}
}

func TestPeersOfASessionAreBounded(t *testing.T) {
	s := start(t, Config{AllowPeers: []netip.Prefix{loopback}})
	c, relayed := allocate(t, s, byUDP("127.0.0.1"))
	for i := range maxPeers {
		if err := c.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 1, 0, byte(i)), Port: 9}); err != nil {
			t.Fatalf("peer %d: %v", i, err)
		}
	}
	if err := c.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 1, 1, 1), Port: 9}); code(err) != "403" {
		t.Errorf("one more: %v", err)
	}
	if err := c.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 1, 0, 1), Port: 9}); err != nil {
		t.Errorf("one that it has: %v", err)
	}
	relayed.Close()
}

// RFC 6062 and EVEN-PORT are no part of WebRTC, and costly to offer.
func TestWhatIsNotOffered(t *testing.T) {
	s := start(t, Config{AllowPeers: []netip.Prefix{loopback}})
	user, pass := s.Credentials()
	for range 2 {
		if _, err := connect(t, s, byTCP, user, pass).AllocateTCP(); code(err) != "508" {
			t.Errorf("TCP: %v", err)
		}
	}
	g := generator{s}
	if _, _, err := g.AllocatePacketConn(turn.AllocateListenerConfig{Network: "udp4"}); err != errNoUser {
		t.Errorf("a pair of ports: %v", err)
	}
	if _, _, err := g.AllocatePacketConn(turn.AllocateListenerConfig{Network: "udp6", UserID: "udp 127.0.0.1:1 u"}); err != errNoFamily {
		t.Errorf("a family that we have no address of: %v", err)
	}
	pipe(t, s, byTCP) // and the server is well
}

// The sender of a binding request may be forged: its answers are few.
func TestUnprovenClientsAreLimited(t *testing.T) {
	clk := newClock()
	s := start(t, Config{Now: clk.now, Unproven: limit.Rate{PerSecond: 10, Burst: 20}, AllowPeers: []netip.Prefix{loopback}})
	relayed, peer := pipe(t, s, byUDP("127.0.0.2"))
	c, err := net.Dial("udp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw
	for range 200 {
		c.Write(request)
	}
	eventually(t, "all are seen", func() bool { return s.Stats().Limited == 180 })
	answers := 0
	for b := make([]byte, 1500); ; answers++ {
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := c.Read(b); err != nil {
			break
		}
	}
	if answers != 20 {
		t.Errorf("%d answers", answers)
	}
	for range 30 { // a session is not held back
		relayed.WriteTo([]byte("x"), peer.LocalAddr())
		read(t, peer)
	}
}

// A message whose length overflows 16 bits makes pion's reader of streams spin for ever.
func TestFramesThatAreRefused(t *testing.T) {
	s := start(t, Config{})
	cookie := "\x21\x12\xa4\x42aaaabbbbcccc"
	for name, frame := range map[string]string{
		"a length that overflows": "\x00\x01\xff\xec" + cookie,
		"a length of no STUN":     "\x00\x01\x00\x03" + cookie,
		"a message too long":      "\x00\x01\x08\x00" + cookie,
		"a channel's data":        "\x40\x00\xff\xff" + cookie,
		"TLS":                     "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"HTTP":                    "GET / HTTP/1.1\r\n\r\n",
		"no cookie":               "\x00\x01\x00\x00aaaaaaaaaaaaaaaa",
	} {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte(frame))
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := c.Read(make([]byte, 100)); err == nil || errors.Is(err, net.ErrClosed) || isTimeout(err) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
		c.Close()
	}
	eventually(t, "nothing is left", func() bool { return s.Stats().Conns == 0 })
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestConnectionsAreBounded(t *testing.T) {
	s := start(t, Config{MaxSessionsPerAddr: 3})
	var conns []net.Conn
	for range 5 {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	eventually(t, "two are refused", func() bool { st := s.Stats(); return st.Conns == 3 && st.Limited == 2 })
	for _, c := range conns {
		c.Close()
	}
	eventually(t, "all are gone", func() bool { return s.Stats().Conns == 0 })
}

func TestServersForClients(t *testing.T) {
	v4, v6 := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7")
	for _, c := range []struct {
		name   string
		cfg    Config
		client netip.Addr
		want   []string // PORT and TLS stand for the ports
	}{
		{"IPv4", Config{PublicIPs: []netip.Addr{v4}}, netip.Addr{},
			[]string{"stun:203.0.113.7:PORT", "turn:203.0.113.7:PORT?transport=udp", "turn:203.0.113.7:PORT?transport=tcp"}},
		{"STUN only", Config{PublicIPs: []netip.Addr{v4}, STUNOnly: true}, netip.Addr{}, []string{"stun:203.0.113.7:PORT"}},
		{"a name with TLS", Config{PublicIPs: []netip.Addr{v4}, Host: "turn.example.org", ListenTLS: "127.0.0.1:0", TLS: testTLS(t)}, netip.Addr{},
			[]string{"stun:turn.example.org:PORT", "turn:turn.example.org:PORT?transport=udp", "turn:turn.example.org:PORT?transport=tcp", "turns:turn.example.org:TLS?transport=tcp"}},
		{"TLS without a name", Config{PublicIPs: []netip.Addr{v4}, ListenTLS: "127.0.0.1:0", TLS: testTLS(t)}, netip.Addr{},
			[]string{"stun:203.0.113.7:PORT", "turn:203.0.113.7:PORT?transport=udp", "turn:203.0.113.7:PORT?transport=tcp"}},
		{"a client of IPv6", Config{Listen: "127.0.0.1:0", PublicIPs: []netip.Addr{v4}}, v6,
			[]string{"stun:203.0.113.7:PORT", "turn:203.0.113.7:PORT?transport=udp", "turn:203.0.113.7:PORT?transport=tcp"}},
	} {
		s := start(t, c.cfg)
		raw := s.ICEServers(c.client)
		var got []string
		for _, url := range signal.ParseICEServers(raw) {
			if scheme, rest, ok := strings.Cut(url, ":"); ok && scheme != "stun" {
				at := strings.LastIndex(rest, "@")
				i := strings.LastIndex(rest[:at], ":")
				if user, pass := rest[:i], rest[i+1:at]; pass != passwordOf(s.cfg.Secret, user) {
					t.Errorf("%s: %s does not belong to %s", c.name, pass, user)
				}
				url = scheme + ":" + rest[at+1:]
			}
			got = append(got, url)
		}
		r := strings.NewReplacer("PORT", portOf(s.Addr()), "TLS", portOf(s.TLSAddr()))
		for i := range c.want {
			c.want[i] = r.Replace(c.want[i])
		}
		if !slices.Equal(got, c.want) || len(raw) > signal.MaxICEServers {
			t.Errorf("%s: %d bytes, got %q, want %q", c.name, len(raw), got, c.want)
		}
	}
	// Where there are two addresses, the client's own kind decides.
	both := &Server{cfg: Config{TTL: time.Hour, Now: time.Now}, public: [2]netip.Addr{v4, v6}, addr: netip.MustParseAddrPort("[::]:3478")}
	both.SetSecrets([]byte("secret"))
	for client, want := range map[string]string{"192.0.2.1": "stun:203.0.113.7:3478", "2001:db8::1": "stun:[2001:db8::7]:3478", "::ffff:192.0.2.1": "stun:203.0.113.7:3478"} {
		if got := signal.ParseICEServers(both.ICEServers(netip.MustParseAddr(client))); got[0] != want {
			t.Errorf("for %s: %s", client, got[0])
		}
	}
}

func portOf(a netip.AddrPort) string { _, port, _ := strings.Cut(a.String(), ":"); return port }

func TestHandler(t *testing.T) {
	s := start(t, Config{})
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/ice.json", nil))
	var got struct {
		ICEServers []struct {
			URLs                 []string
			Username, Credential string
		}
		TTL int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.ICEServers) != 2 || got.TTL != 3600 {
		t.Fatalf("%s: %v", w.Body, err)
	}
	for k, v := range map[string]string{"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*", "Content-Type": "application/json"} {
		if w.Header().Get(k) != v {
			t.Errorf("%s is %q", k, w.Header().Get(k))
		}
	}
	relay := got.ICEServers[1]
	if _, err := connect(t, s, byUDP("127.0.0.1"), relay.Username, relay.Credential).Allocate(); err != nil {
		t.Errorf("the credentials: %v", err)
	}
	w = httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/ice.json", strings.NewReader("{}")))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

func TestConfigsThatMakeNoSense(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	v4 := netip.MustParseAddr("203.0.113.7")
	for _, c := range []struct {
		cfg  Config
		says string
	}{
		{Config{Listen: "nowhere"}, `"nowhere"`},
		{Config{Listen: taken.Addr().String()}, taken.Addr().String()},
		{Config{TTL: time.Second}, "1s"},
		{Config{MaxSessions: -1}, "negative"},
		{Config{Ports: [2]uint16{200, 100}}, "200 to 100"},
		{Config{Ports: [2]uint16{0, 100}}, "0 to 100"},
		{Config{ListenTLS: "127.0.0.1:0"}, "certificate"},
		{Config{PublicIPs: []netip.Addr{v4, v4}}, "203.0.113.7"},
		{Config{PublicIPs: []netip.Addr{netip.IPv4Unspecified()}}, "0.0.0.0"},
		{Config{PublicIPs: []netip.Addr{netip.MustParseAddr("2001:db8::1")}}, "2001:db8::1"},
	} {
		if c.cfg.Listen == "" {
			c.cfg.Listen = "127.0.0.1:0"
		}
		s, err := New(c.cfg)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want something about %s", err, c.says)
		}
	}
}

func TestThePublicAddressIsFound(t *testing.T) {
	at := netip.MustParseAddr
	if ips, err := onlyPublic([]netip.Addr{at("1.2.3.4"), at("fd00::2")}); err != nil || !slices.Equal(ips, []netip.Addr{at("1.2.3.4")}) {
		t.Errorf("%v, %v", ips, err)
	}
	if _, err := onlyPublic([]netip.Addr{at("10.0.0.5"), at("fd00::2")}); err == nil || !strings.Contains(err.Error(), "10.0.0.5") {
		t.Errorf("%v", err)
	}
	if _, err := onlyPublic(nil); err == nil {
		t.Error("none is enough")
	}
	for _, ip := range outgoing() {
		if !ip.IsValid() || ip.IsUnspecified() {
			t.Errorf("%v", ip)
		}
	}
}

func TestNoPortIsFree(t *testing.T) {
	one, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	port := uint16(one.LocalAddr().(*net.UDPAddr).Port)
	s := start(t, Config{Ports: [2]uint16{port, port}})
	user, pass := s.Credentials()
	if _, err := connect(t, s, byUDP("127.0.0.1"), user, pass).Allocate(); code(err) != "508" {
		t.Errorf("%v", err)
	}
	if st := s.Stats(); st.Sessions != 0 || st.Refused == 0 {
		t.Errorf("%+v", st)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	s, err := New(Config{Listen: "127.0.0.1:0", AllowPeers: []netip.Prefix{loopback}})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		idle, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
		user, pass := s.Credentials()
		for _, by := range []way{byUDP("127.0.0.1"), byTCP} {
			conn := by(t, s)
			defer conn.Close()
			c, err := turn.NewClient(&turn.ClientConfig{TURNServerAddr: s.Addr().String(), Conn: conn, Username: user, Password: pass,
				LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled, Writer: io.Discard}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Listen(); err != nil {
				t.Fatal(err)
			}
			relayed, err := c.Allocate()
			if err != nil {
				t.Fatal(err)
			}
			defer relayed.Close()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s.Close()
		eventually(t, "the sessions are over", func() bool { st := s.Stats(); return st.Sessions == 0 && st.Conns == 0 })
	}()
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

// testTLS has a certificate of its own making.
func testTLS(t *testing.T) *tls.Config {
	ts := httptest.NewUnstartedServer(nil)
	ts.StartTLS()
	t.Cleanup(ts.Close)
	return &tls.Config{Certificates: ts.TLS.Certificates}
}

// A fixedConn gives what it is made of in pieces, then the end.
type fixedConn struct {
	net.Conn
	r     io.Reader
	reads int
}

func (c *fixedConn) Read(b []byte) (int, error) {
	c.reads++
	return c.r.Read(b[:min(len(b), 7)])
}
func (c *fixedConn) SetReadDeadline(time.Time) error { return nil }
func (c *fixedConn) RemoteAddr() net.Addr            { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// Whatever a stream says, pion's reader behind ours gets whole frames and comes to an end.
func FuzzFrames(f *testing.F) {
	binding := stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw
	f.Add(append(binding, binding...))
	f.Add([]byte("\x40\x00\x00\x05hello\x00\x00\x00\x40\x01\x00\x01x\x00\x00\x00"))
	f.Add([]byte("\x00\x01\xff\xec\x21\x12\xa4\x42aaaabbbbcccc"))
	f.Add([]byte("\x40\x00\x00\x00\x40\x00\x00\x00\x40\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Server{cfg: Config{Now: time.Now}}
		raw := &fixedConn{r: bytes.NewReader(b)}
		g := &guardedConn{Conn: raw, s: s, r: newFrameReader(raw)}
		conn := turn.NewSTUNConn(g)
		buf := make([]byte, 1600)
		for calls := 0; ; calls++ {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if n == 0 || n > maxFrame || calls > len(b) {
				t.Fatalf("%d bytes after %d calls for %q", n, calls, b)
			}
		}
	})
}
