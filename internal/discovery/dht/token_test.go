package dht

import (
	"net/netip"
	"testing"
	"time"
)

// BEP 5: "The BitTorrent implementation uses the SHA1 hash of the IP address
// concatenated onto a secret that changes every five minutes and tokens up to
// ten minutes old are accepted."
func TestTokenLifetimeAndBinding(t *testing.T) {
	a, b := netip.MustParseAddr("1.2.3.4"), netip.MustParseAddr("1.2.3.5")
	for _, c := range []struct {
		made, used time.Duration
		by         netip.Addr
		want       bool
	}{
		{0, 0, a, true},
		{0, 0, b, false},
		{0, 9 * time.Minute, a, true},
		{4*time.Minute + 59*time.Second, 9*time.Minute + 59*time.Second, a, true},
		{0, 10 * time.Minute, a, false},
		{0, 24 * time.Hour, a, false},
		{24 * time.Hour, 24*time.Hour + 5*time.Minute, a, true},
		{24 * time.Hour, 24*time.Hour + 10*time.Minute, a, false},
	} {
		tok := newTokens(simEpoch, testRand())
		made := tok.make(simEpoch.Add(c.made), a)
		if got := tok.valid(simEpoch.Add(c.used), c.by, made[:]); got != c.want {
			t.Errorf("made after %v, used after %v by %v: %v", c.made, c.used, c.by, got)
		}
	}
	tok := newTokens(simEpoch, testRand())
	for _, bad := range [][]byte{nil, {}, make([]byte, tokenLen), make([]byte, 100)} {
		if tok.valid(simEpoch, a, bad) {
			t.Errorf("token %x is accepted", bad)
		}
	}
}
