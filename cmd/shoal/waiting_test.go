package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
)

func TestItIsSaidWhyNothingComes(t *testing.T) {
	var out strings.Builder
	x := waiting{tell: func(format string, args ...any) { fmt.Fprintf(&out, format, args...) }}
	now := time.Unix(1, 0)
	for _, c := range []struct {
		after time.Duration
		stats shoal.Stats
		want  string
	}{
		{0, shoal.Stats{Left: 9}, ""},
		{9 * time.Second, shoal.Stats{Left: 9}, ""},
		{time.Second, shoal.Stats{Left: 9}, "no peer has been found yet"},
		{time.Second, shoal.Stats{Left: 9}, "no peer has been found yet"},
		{time.Second, shoal.Stats{Left: 9, Peers: 1}, "the only peer does not have what is missing"},
		{time.Second, shoal.Stats{Left: 9, Peers: 3}, "none of the 3 peers has what is missing"},
		{time.Second, shoal.Stats{Left: 9, Peers: 3, Sources: 1}, "1 peer has what is missing, but sends nothing"},
		{time.Second, shoal.Stats{Left: 9, Peers: 3, Sources: 2}, "2 peers have what is missing, but send nothing"},
		{time.Second, shoal.Stats{Left: 5, Peers: 3, Sources: 2, Downloaded: 4}, ""},
		{10 * time.Second, shoal.Stats{Left: 5, Peers: 3, Downloaded: 4}, "none of the 3 peers has what is missing"},
		{time.Minute, shoal.Stats{Peers: 3, Downloaded: 9}, ""},
	} {
		now = now.Add(c.after)
		if got := x.look(now, c.stats); got != c.want {
			t.Errorf("%+v: %q, want %q", c.stats, got, c.want)
		}
	}
	if n := strings.Count(out.String(), "nothing comes: "); n != 6 {
		t.Errorf("told %d times:\n%s", n, out.String())
	}
}
