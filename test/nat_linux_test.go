package test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// Two peers behind routers meet at the first try: by STUN where the routers keep ports, by
// the tracker's relay, of which they learn from the tracker alone, where they do not.
func TestPeersBehindRoutersMeet(t *testing.T) {
	for _, tt := range []struct {
		name        string
		seed, leech rig.Nat
		relayed     bool
	}{
		{"cone to cone", rig.Cone, rig.Cone, false},
		{"cone to symmetric", rig.Cone, rig.Symmetric, true},
		{"symmetric to cone", rig.Symmetric, rig.Cone, true},
		{"symmetric to symmetric", rig.Symmetric, rig.Symmetric, true},
		{"no UDP to cone", rig.NoUDP, rig.Cone, true},
		{"cone to no UDP", rig.Cone, rig.NoUDP, true},
		{"no UDP to no UDP", rig.NoUDP, rig.NoUDP, true},
		{"only TLS to symmetric", rig.OnlyTLS, rig.Symmetric, true},
		{"only TLS to only TLS", rig.OnlyTLS, rig.OnlyTLS, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			net := rig.NewInternet(t)
			tr := net.Tracker()
			file := filepath.Join(t.TempDir(), "one.bin")
			rig.Payload(t, file, 300_000, 80)
			seed := net.Behind(tt.seed).Share(tr, file)
			leech := net.Behind(tt.leech)
			to := t.TempDir()
			began := time.Now()
			rig.Got(t, leech.Get(tr, seed.InfoHash, to), 60*time.Second)
			t.Logf("met and done after %v", time.Since(began).Round(10*time.Millisecond))
			rig.Same(t, file, filepath.Join(to, "one.bin"))
			if _, bytes := tr.Relayed(); tt.relayed != (bytes >= 300_000) {
				t.Errorf("the relay has seen %d bytes", bytes)
			}
		})
	}
}
