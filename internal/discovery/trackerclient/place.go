//go:build !js

package trackerclient

import (
	"net/url"
	"path"
	"strings"

	"github.com/shoal-p2p/shoal/internal/reach"
)

// mayReach says how far a tracker that a torrent or a link names may lead. Whoever shares in
// his network gives links to trackers in it, so those may lead to private networks and to this
// machine, if the address is one of an announce: no other service takes that for an order.
func mayReach(u *url.URL) reach.Limit {
	if strings.HasPrefix(path.Base(u.Path), "announce") {
		return reach.Own
	}
	return reach.Public
}

// mayReachBare is mayReach for WebSocket and UDP trackers, whose addresses often have no path:
// nothing is ordered by opening a WebSocket there, or by the packets of BEP 15.
func mayReachBare(u *url.URL) reach.Limit {
	if (u.Path == "" || u.Path == "/") && u.RawQuery == "" {
		return reach.Own
	}
	return mayReach(u)
}
