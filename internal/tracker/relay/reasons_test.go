package relay

import (
	"maps"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/pion/stun/v4"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// heard are the reasons that OnLimit was told, and whose they were.
type heard struct {
	mu sync.Mutex
	n  map[limit.Reason]map[netip.Addr]int
}

func (h *heard) limit(r limit.Reason, client netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == nil {
		h.n = make(map[limit.Reason]map[netip.Addr]int)
	}
	if h.n[r] == nil {
		h.n[r] = make(map[netip.Addr]int)
	}
	h.n[r][client]++
}

func (h *heard) of(r limit.Reason) map[netip.Addr]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.n[r])
}

// Whatever is limited, dropped or refused is told by its own reason, with the address of the client that it
// is from, as often as it is counted; and nothing else is told.
func TestEveryLimitIsTold(t *testing.T) {
	one, two := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	for _, tc := range []struct {
		name  string
		cfg   Config
		do    func(t *testing.T, s *Server)
		want  limit.Reason
		whose netip.Addr
		count func(st Stats) uint64
	}{
		{"too many sessions", Config{MaxSessionsPerAddr: 1}, func(t *testing.T, s *Server) {
			allocate(t, s, byUDP("127.0.0.2"))
			user, pass := s.Credentials()
			connect(t, s, byUDP("127.0.0.2"), user, pass).Allocate()
		}, limit.RelaySessions, two, func(st Stats) uint64 { return st.Refused }},
		{"too many connections", Config{MaxSessionsPerAddr: 1}, func(t *testing.T, s *Server) {
			for range 3 {
				c, err := net.Dial("tcp", s.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
			}
			eventually(t, "two are refused", func() bool { return s.Stats().Limited == 2 })
		}, limit.RelaySessions, one, func(st Stats) uint64 { return st.Limited }},
		{"strangers", Config{Unproven: limit.Rate{PerSecond: 1e-9, Burst: 1}}, func(t *testing.T, s *Server) {
			c, err := net.Dial("udp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for range 5 {
				c.Write(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw)
			}
			eventually(t, "four are limited", func() bool { return s.Stats().Limited == 4 })
		}, limit.RelayUnproven, one, func(st Stats) uint64 { return st.Limited }},
		{"a wrong password", Config{}, func(t *testing.T, s *Server) {
			user, _ := s.Credentials()
			connect(t, s, byUDP("127.0.0.2"), user, "wrong").Allocate()
		}, limit.RelayAuth, two, func(st Stats) uint64 { return st.Unauthorized }},
		{"a user name that has ended", Config{}, func(t *testing.T, s *Server) {
			connect(t, s, byUDP("127.0.0.2"), "1:a", "x").Allocate()
		}, limit.RelayAuth, two, func(st Stats) uint64 { return st.Unauthorized }},
		{"a peer that is not allowed", Config{}, func(t *testing.T, s *Server) {
			c, _ := allocate(t, s, byUDP("127.0.0.2"))
			c.CreatePermission(&net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 9})
		}, limit.RelayPeer, two, func(st Stats) uint64 { return st.Denied }},
		{"too much", Config{SessionRate: 20_000, Now: newClock().now, AllowPeers: []netip.Prefix{loopback}}, func(t *testing.T, s *Server) {
			relayed, peer := pipe(t, s, byUDP("127.0.0.2"))
			flood(s, relayed, peer)
			eventually(t, "some is dropped", func() bool { return s.Stats().Dropped > 100 })
		}, limit.RelayRate, two, func(st Stats) uint64 { return st.Dropped }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var h heard
			tc.cfg.OnLimit = h.limit
			s := start(t, tc.cfg)
			tc.do(t, s)
			eventually(t, "all that is counted is told", func() bool {
				n := tc.count(s.Stats())
				return n > 0 && h.of(tc.want)[tc.whose] == int(n)
			})
			h.mu.Lock()
			defer h.mu.Unlock()
			if len(h.n) != 1 || len(h.n[tc.want]) != 1 {
				t.Errorf("told %v", h.n)
			}
		})
	}
}
