package test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// What the tracker's relay may reach besides its own relayed addresses.
const (
	allPeers = "198.51.100.0/24"
	noPeers  = "198.51.100.1/32" // the router between all
)

// Two peers behind routers meet at the first try: by STUN where the routers keep ports, by
// the tracker's relay, of which they learn from the tracker alone, where they do not.
func TestPeersBehindRoutersMeet(t *testing.T) {
	for _, tt := range []struct {
		name        string
		seed, leech rig.Nat
		reach       string
		relayed     bool
	}{
		{"cone to cone", rig.Cone, rig.Cone, allPeers, false},
		{"cone to symmetric", rig.Cone, rig.Symmetric, allPeers, true},
		{"symmetric to cone", rig.Symmetric, rig.Cone, allPeers, true},
		{"symmetric to symmetric", rig.Symmetric, rig.Symmetric, allPeers, true},
		{"symmetric to symmetric over two relays", rig.Symmetric, rig.Symmetric, noPeers, true},
		{"no UDP to cone", rig.NoUDP, rig.Cone, allPeers, true},
		{"cone to no UDP", rig.Cone, rig.NoUDP, allPeers, true},
		{"no UDP to no UDP", rig.NoUDP, rig.NoUDP, allPeers, true},
		{"only TLS to symmetric", rig.OnlyTLS, rig.Symmetric, allPeers, true},
		{"only TLS to only TLS", rig.OnlyTLS, rig.OnlyTLS, allPeers, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			net := rig.NewInternet(t)
			tr := net.Tracker(tt.reach)
			file := filepath.Join(t.TempDir(), "one.bin")
			rig.Payload(t, file, 300_000, 80)
			seed := net.Behind(tt.seed).Share(tr, file)
			leech := net.Behind(tt.leech)
			to := t.TempDir()
			began := time.Now()
			rig.Got(t, leech.Get(tr, seed.InfoHash, to), 60*time.Second)
			t.Logf("complete after %v", time.Since(began).Round(10*time.Millisecond))
			rig.Same(t, file, filepath.Join(to, "one.bin"))
			relayed(t, tr, tt.relayed, 300_000)
		})
	}
}

func TestTabsBehindRoutersMeetAShare(t *testing.T) {
	for _, tt := range []struct {
		name       string
		share, tab rig.Nat
		reach      string
		relayed    bool
	}{
		{"cone to cone", rig.Cone, rig.Cone, allPeers, false},
		{"symmetric to symmetric", rig.Symmetric, rig.Symmetric, allPeers, true},
		{"symmetric to symmetric over two relays", rig.Symmetric, rig.Symmetric, noPeers, true},
		{"symmetric to no UDP", rig.Symmetric, rig.NoUDP, allPeers, true},
		{"no UDP to only TLS", rig.NoUDP, rig.OnlyTLS, allPeers, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			net := rig.NewInternet(t)
			tr := net.Tracker(tt.reach)
			file := filepath.Join(t.TempDir(), "one.bin")
			rig.Payload(t, file, 300_000, 81)
			share := net.Behind(tt.share).Share(tr, file)
			tab := net.Behind(tt.tab).Tab(tr)
			tab.Add("magnet:?xt=urn:btih:" + share.InfoHash + "&tr=" + tr.URL)
			t.Logf("complete after %.2f s", tab.WaitDone(60*time.Second).Seconds)
			tab.Same(file)
			relayed(t, tr, tt.relayed, 300_000)
		})
	}
}

// relayed fails unless the relay has passed the content on, or has not.
func relayed(t *testing.T, tr *rig.NatTracker, want bool, size int) {
	t.Helper()
	if _, bytes := tr.Relayed(); want != (bytes >= size) {
		t.Errorf("the relay has seen %d bytes", bytes)
	}
}
