package netaddr

import "net/netip"

// A Scope says from where an address can be reached. Scopes are bits, to be or-ed into a set.
type Scope uint8

// The scopes.
const (
	// Public is the internet.
	Public Scope = 1 << iota
	// Private is a network of its own, into which nobody outside can connect: private addresses (RFC 1918,
	// RFC 4193), the link's (RFC 3927, RFC 4291), and those that providers and overlays share
	// out (RFC 6598).
	Private
	// Loopback is one machine.
	Loopback
)

var shared = netip.MustParsePrefix("100.64.0.0/10")

// ScopeOf returns the Scope of an address.
func ScopeOf(a netip.Addr) Scope {
	switch a = Plain(a); {
	case a.IsLoopback() || a.IsUnspecified():
		return Loopback
	case a.IsPrivate() || a.IsLinkLocalUnicast() || shared.Contains(a):
		return Private
	}
	return Public
}
