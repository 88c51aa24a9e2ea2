package udp

import (
	"errors"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

var errNotServed = errors.New("this info hash is not served here")

// newServer is a Server on a core with the tracker's defaults, which edit may change.
func newServer(t testing.TB, edit func(c *core.Config)) *Server {
	t.Helper()
	c := core.Config{
		Interval: 15 * time.Minute, MinInterval: time.Minute, WSInterval: 2 * time.Minute, PingInterval: 50 * time.Second,
		Offers: 10, NumWant: 200, Scrape: 70, Message: 64 << 10, SDP: 16 << 10, Swarms: 1 << 20, Peers: 4 << 20, PeersPerConn: 1000,
		Seed: 1, Now: time.Now,
		Buffers: wsconn.NewBuffers(1<<20, nil), Clients: limit.NewClients(limit.ClientsConfig{}), Counters: stats.NewSet(nil),
	}
	if edit != nil {
		edit(&c)
	}
	of, err := core.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { of.Close() })
	s, err := New(Config{Core: of, Counters: c.Counters, Scrape: c.Scrape, Queries: c.AllowAnnounce != nil, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// raw20 makes a 20-byte id from a name.
func raw20(name string) (b [20]byte) {
	copy(b[:], name+"\x00\xff\"\\\x80\x00\xff\"\\\x80\x00\xff\"\\\x80\x00\xff\"\\\x80")
	return b
}
