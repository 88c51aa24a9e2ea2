package node

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Listing says who is told of every torrent of a node; the others need a link. The
// zero value is ListLocal.
type Listing string

const (
	// ListLocal tells visitors on this machine.
	ListLocal Listing = "local"
	// ListAll tells everybody who reaches the port.
	ListAll Listing = "all"
	// ListNone tells nobody.
	ListNone Listing = "none"
)

// forwarded are headers by which a proxy says that it asks for somebody else.
var forwarded = []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Cf-Connecting-Ip"}

// rebound reports a request that reached this machine's loopback by a name that is not
// ours: a stranger's page whose name was pointed at 127.0.0.1 after it was loaded (DNS
// rebinding), which a browser then takes for our own page. It needs a name, so
// an address is let in, also that of a machine which forwards a port here; no browser
// leaves the Host out.
func (n *Node) rebound(r *http.Request) bool {
	if at, ok := arrivedAt(r); !ok || !at.IsLoopback() {
		return false
	}
	host := hostname(r.Host)
	_, err := netip.ParseAddr(host)
	return err != nil && host != "" && !isLocalhost(host) && !slices.Contains(n.hosts, host)
}

// mayList reports whether the visitor is told of every torrent.
func (n *Node) mayList(r *http.Request) bool {
	switch n.cfg.Listing {
	case ListAll:
		return true
	case ListNone:
		return false
	}
	return fromHere(r)
}

// fromHere reports a visitor on this machine: its connection begins where it ends, by
// loopback or by an address of ours. The name has to be one that cannot be rebound, and
// nothing may say that a proxy on this machine asks for somebody elsewhere.
func fromHere(r *http.Request) bool {
	at, ok := arrivedAt(r)
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if !ok || err != nil || from.Addr().Unmap() != at && !(from.Addr().Unmap().IsLoopback() && at.IsLoopback()) {
		return false
	}
	for _, name := range forwarded {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	host := hostname(r.Host)
	addr, err := netip.ParseAddr(host)
	return isLocalhost(host) || err == nil && (addr.Unmap() == at || addr.Unmap().IsLoopback())
}

// arrivedAt is the address of ours at which a request came in, false where it did not
// come over the network.
func arrivedAt(r *http.Request) (netip.Addr, bool) {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	return a.AddrPort().Addr().Unmap(), true
}

// hostname is the host of a Host header, without its port, brackets, closing dot and
// case.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// isLocalhost reports the names that are loopback everywhere, RFC 6761 section 6.3.
func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// ownNames are the names that a node answers to on loopback.
func ownNames(cfg Config) []string {
	var names []string
	for _, host := range cfg.Hosts {
		names = append(names, hostname(host))
	}
	if u, err := url.Parse(cfg.Origin); err == nil && u.Host != "" {
		names = append(names, hostname(u.Host))
	}
	return names
}
