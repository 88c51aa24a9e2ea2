package dht

import "net/netip"

// isLocal reports the blocks that BEP 42 exempts from its rule, with their
// IPv6 counterparts: private, link-local and loopback addresses.
func isLocal(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
}

// usable reports whether a packet may be sent to ap, or ap may be handed to
// others as a peer.
func usable(ap netip.AddrPort) bool {
	a := ap.Addr()
	if !a.IsValid() || ap.Port() == 0 || a.IsUnspecified() || a.IsMulticast() || a.Zone() != "" || a.Is4In6() {
		return false
	}
	if a.Is4() {
		b := a.As4()
		return b[0] != 0 && b[0] < 240 // "this network", reserved space and broadcast
	}
	return true
}

// believable reports whether an address told by the node at from is worth a
// packet. A node on the Internet that names addresses of our own network or
// of this computer either is confused or wants us to knock on those doors.
func believable(ap netip.AddrPort, from netip.Addr) bool {
	return usable(ap) && (!isLocal(ap.Addr()) || isLocal(from))
}

// family indexes the two distinct DHTs of BEP 32.
type family uint8

const (
	ipv4 family = iota
	ipv6
	families
)

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

// host is what one operator can be assumed to own at least: one IPv4 address
// or one IPv6 /64. network is the wider block whose members are limited in
// every bucket and every lookup, so that one rented block cannot fill them.
func host(a netip.Addr) netip.Prefix { return block(a, 32, 64) }

func network(a netip.Addr) netip.Prefix { return block(a, 24, 48) }

func block(a netip.Addr, bits4, bits6 int) netip.Prefix {
	n := bits6
	if a.Is4() {
		n = bits4
	}
	p, _ := a.Prefix(n) // n always fits the family
	return p
}
