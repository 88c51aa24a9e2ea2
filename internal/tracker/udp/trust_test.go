package udp

import (
	"testing"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"
	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// That the operator trusts one client says nothing of the next whose packet comes by the same socket.
func TestUDPTrustIsOfOneAnnounce(t *testing.T) {
	tr := newServer(t, func(c *core.Config) {
		c.TrustedOnly = true
		c.AllowAnnounce = func(c *core.Client, _ [20]byte) error {
			if c.Query == "staff" {
				c.Trust = swarm.Trusted
			}
			return nil
		}
	})
	staff, viewer, other := udpFrom(t, tr, "1.1.1.1:1000"), udpFrom(t, tr, "1.1.1.2:1000"), udpFrom(t, tr, "1.1.1.3:1000")
	viewer.w, other.w = staff.w, staff.w
	viewer.announce(udpwire.AnnounceRequest{Left: 5})
	other.announce(udpwire.AnnounceRequest{Left: 5})
	if r := staff.announce(udpwire.AnnounceRequest{Left: 5, NumWant: -1, URLData: []byte("/?staff")}); len(r.Peers) != 12 {
		t.Errorf("the trusted one is told of %d bytes of peers", len(r.Peers))
	}
	if r := viewer.announce(udpwire.AnnounceRequest{Left: 5, NumWant: -1}); string(r.Peers) != "\x01\x01\x01\x01\x03\xe8" {
		t.Errorf("a viewer is told of %q", r.Peers)
	}
}
