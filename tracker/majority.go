package tracker

import (
	"net/netip"
	"slices"
)

// onMajority returns what is done about an address from which most connections come: it is named, as
// it may be a proxy, which nobody sees from the counts.
func (c *Config) onMajority() func(ip netip.Addr, conns, all int) {
	if c.Logger == nil {
		return nil
	}
	return func(ip netip.Addr, conns, all int) {
		attrs := []any{"address", ip, "connections", conns, "of", all}
		switch trusted := slices.ContainsFunc(c.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) }); {
		case trusted:
			c.Logger.Warn("a trusted proxy does not say who its clients are, and all are counted as one: let it send X-Forwarded-For, and name another header with proxy-header", attrs...)
		case len(c.TrustedProxies) == 0:
			c.Logger.Warn("most connections come from one address: if it is a proxy, name it with trusted-proxy, or all its clients are counted as one", attrs...)
		}
	}
}
