// Package netaddr brings addresses into the one form in which they are compared and counted.
//
// The same client can be seen as 192.0.2.1 and as ::ffff:192.0.2.1, with a zone and without,
// which depends on the socket that saw it. Keys by which clients are counted are made here
// alone, so that every limit means the same by "one address".
package netaddr

import "net/netip"

// Plain returns an address without a zone, an IPv4 address as such.
func Plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// PlainPort is Plain with a port.
func PlainPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(Plain(a.Addr()), a.Port())
}

// Unmap returns an IPv4 address in its own form and keeps a zone: where to send to.
func Unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// addrPorter is a net.Addr of IP: *net.TCPAddr, *net.UDPAddr.
type addrPorter interface{ AddrPort() netip.AddrPort }

// Of returns the plain address and port of a net.Addr, or the zero AddrPort if it has none.
func Of(a interface{ String() string }) netip.AddrPort {
	if p, ok := a.(addrPorter); ok {
		return PlainPort(p.AddrPort())
	}
	if a == nil {
		return netip.AddrPort{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return PlainPort(ap)
}

// v4 marks keys of IPv4 addresses; as an IPv6 prefix it lies in 0000::/8, from where
// nobody sends.
const v4 = 1 << 32

// Key returns the key of a client's address: one IPv4 address or one IPv6 /64, which is what
// one subscriber has. Keys of addresses and of prefixes belong into different tables.
func Key(a netip.Addr) uint64 {
	switch a = a.Unmap(); {
	case a.Is4():
		b := a.As4()
		return v4 | uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	case a.Is6():
		b := a.As16()
		return uint64(b[0])<<56 | uint64(b[1])<<48 | uint64(b[2])<<40 | uint64(b[3])<<32 |
			uint64(b[4])<<24 | uint64(b[5])<<16 | uint64(b[6])<<8 | uint64(b[7])
	}
	return 0
}

// PrefixKey returns the key of the network around an address: its IPv4 /24 or IPv6 /48.
func PrefixKey(a netip.Addr) uint64 {
	if a.Unmap().Is4() {
		return Key(a) &^ 0xff
	}
	return Key(a) &^ 0xffff
}
