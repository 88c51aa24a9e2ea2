package wsconn

import (
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// What lets a client in may have an end: then the connection is closed, with a code and a text that say so.
func TestConnectionsEndInTime(t *testing.T) {
	now := time.Now()
	s := newServer(t, 1000)
	short, long, never, far := attach(t, s, nth(1)), attach(t, s, nth(2)), attach(t, s, nth(3)), attach(t, s, nth(4))
	short.EndAt(now.Add(10 * time.Second))
	long.EndAt(now.Add(time.Hour))
	far.EndAt(time.Unix(1<<40-1, 0))
	sweep := func() {
		b := s.Begin()
		defer s.End(b)
		b.Now = now
		for _, e := range []*echo{short, long, never, far} {
			e.alive(b)
			e.sweep(b)
		}
	}
	for range 10 {
		sweep()
		now = now.Add(time.Second)
		if len(short.sent) > 0 {
			t.Fatal("it ends early")
		}
	}
	sweep()
	// Code 3000, 0x0bb8, and the reason behind it.
	if got := string(short.sent); !strings.HasPrefix(got, "\x88") || got[2:] != "\x0b\xb8"+limit.TokenEnded.Error() {
		t.Errorf("it ends with %q", got)
	}
	sweep()
	if n := s.cfg.Counters.Sum().Limits[limit.TokenEnded]; n != 1 {
		t.Errorf("counted %d times", n)
	}
	for _, e := range []*echo{long, never, far} {
		if len(e.sent) > 0 {
			t.Errorf("another gets %q", e.sent)
		}
	}
}
