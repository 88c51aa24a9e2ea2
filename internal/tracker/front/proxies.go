package front

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// clientIP is the address that a request comes from.
func (f *Front) clientIP(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return f.behindProxies(netaddr.Plain(ap.Addr()), strings.Join(r.Header.Values("X-Forwarded-For"), ","))
}

// behindProxies is the address of a connection or, as long as that is a trusted proxy, the
// one before it in X-Forwarded-For.
func (f *Front) behindProxies(ip netip.Addr, forwarded string) netip.Addr {
	if forwarded == "" || !f.trusted(ip) {
		return ip
	}
	hops := strings.Split(forwarded, ",")
	for _, hop := range slices.Backward(hops) {
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return ip
		}
		if ip = netaddr.Plain(next); !f.trusted(ip) {
			break
		}
	}
	return ip
}

func (f *Front) trusted(ip netip.Addr) bool {
	return slices.ContainsFunc(f.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}
