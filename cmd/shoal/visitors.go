package main

import (
	"net/http"
	"os"
	"slices"

	"github.com/shoal-p2p/shoal/internal/node"
)

// visitors are the flags of who is answered at --listen.
type visitors struct {
	AllowedHost []string     `placeholder:"NAME" help:"Answer requests for this host name that arrive on loopback, as from a reverse proxy (repeatable)."`
	Listing     node.Listing `default:"local" enum:"none,local,all" placeholder:"WHO" help:"Show the list of everything shared here to visitors on this machine (local), to all or to none (${default}); the others need a link."`
}

// nodeConfig sets up the node of a web server; tracker may be nil.
func (v *visitors) nodeConfig(w *webServer, tracker http.Handler) node.Config {
	hosts := slices.Clone(v.AllowedHost)
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name) // many systems have it at a loopback address
	}
	return node.Config{Tracker: tracker, Origin: w.base(), Hosts: hosts, Listing: v.Listing}
}
