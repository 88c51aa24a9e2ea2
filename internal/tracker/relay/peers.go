package relay

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// notPublic is where no peer is: what is not on the public internet or has a special purpose
// (the IANA special-purpose registries), and what may lead from IPv6 back to IPv4 (NAT64, 6to4,
// Teredo). A relay that sent there would be a door into the network it stands in, to the
// services of its own machine, and to a cloud's metadata: that of most clouds is among these
// networks, as 169.254.169.254, 100.100.100.200, 192.0.0.192 or fd00:ec2::254; Azure's wire
// server stands by itself.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	// Of IPv6, all but 2000::/3, which alone is given out for the internet, ...
	"::/3", "4000::/2", "8000::/1",
	// ... and of that, what has a special purpose.
	"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// allowed reports whether packets may be relayed between a client and a peer at an
// address, which is unmapped and has no zone.
func (s *Server) allowed(a netip.Addr) bool {
	switch {
	case within(s.cfg.AllowPeers, a):
		return true
	case within(s.cfg.DenyPeers, a), within(notPublic, a):
		return false
	}
	return !within(*s.own.networks.Load(), a)
}

// isOwn reports whether an address is one of this machine.
func (s *Server) isOwn(a netip.Addr) bool {
	if a == s.public[0] || a == s.public[1] || a.IsLoopback() {
		return true
	}
	return (*s.own.addrs.Load())[a]
}

// ownAddrs are the addresses and networks of this machine's interfaces.
type ownAddrs struct {
	addrs    atomic.Pointer[map[netip.Addr]bool]
	networks atomic.Pointer[[]netip.Prefix]

	mu sync.Mutex
	at time.Time
}

// ownAddrsAge is how often the interfaces are looked at.
const ownAddrsAge = time.Minute

func (o *ownAddrs) refresh(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if d := now.Sub(o.at); o.addrs.Load() != nil && d >= 0 && d < ownAddrsAge {
		return
	}
	o.at = now
	addrs, networks := make(map[netip.Addr]bool), []netip.Prefix{}
	list, _ := net.InterfaceAddrs()
	for _, a := range list {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		ip = ip.Unmap()
		ones, _ := n.Mask.Size()
		addrs[ip] = true
		networks = append(networks, netip.PrefixFrom(ip, ones).Masked())
	}
	o.addrs.Store(&addrs)
	o.networks.Store(&networks)
}
