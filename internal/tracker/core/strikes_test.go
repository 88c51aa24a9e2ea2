package core

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// Bad messages are forgiven in time: who sends one now and then stays, who sends many at once
// does not.
func TestStrikesDecay(t *testing.T) {
	var now atomic.Int64 // seconds; the loops read the clock, too
	now.Store(1e9)
	cfg := config()
	cfg.Now = func() time.Time { return time.Unix(now.Load(), 0) }
	c := start(t, cfg)
	s := connect(t, c)
	bad := func() limit.Reason {
		b := c.conns.Begin()
		defer c.conns.End(b)
		return s.Message(b, []byte("nonsense"))
	}
	for range 10 * MaxErrors { // an hour and more
		if r := bad(); r != limit.None {
			t.Fatalf("one in ten seconds: %v", r)
		}
		now.Add(10)
	}
	for i := range MaxErrors {
		want := limit.None
		if i == MaxErrors-1 {
			want = limit.BadMessages
		}
		if r := bad(); r != want {
			t.Fatalf("number %d at once: %v, want %v", i+1, r, want)
		}
	}
}

// Descriptions with candidates for a stranger's browser to knock at cost their sender: they
// are counted, and too many at once end the connection.
func TestCandidatesCostTheirSender(t *testing.T) {
	c := start(t, config())
	s := connect(t, c)
	text := "v=0\r\n" + strings.Repeat("a=candidate:1 1 udp 1 203.0.113.5 9 typ host\r\n", 250)
	m := signal.Announce{InfoHash: id("hash"), PeerID: id("peer"), NumWant: 1, Left: 1,
		Offers: []signal.Offer{{SDP: signal.NewSDP(text), ID: id("offer"), HasID: true}}}
	for i := range MaxErrors {
		b := c.conns.Begin()
		r := s.Message(b, m.Append(nil))
		c.conns.End(b)
		if want := i == MaxErrors-1; (r == limit.BadMessages) != want {
			t.Fatalf("message %d: %v", i+1, r)
		}
	}
	if got := c.cfg.Counters.Sum().Limits[limit.Candidates]; got != MaxErrors {
		t.Errorf("counted %d", got)
	}
}
