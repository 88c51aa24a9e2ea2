// Package compact packs peer addresses as BEP 23 and BEP 7 do.
//
//	IPv4   4 bytes address, 2 bytes port, big-endian    "peers"
//	IPv6  16 bytes address, 2 bytes port, big-endian    "peers6"
package compact

import "net/netip"

// The bytes that one address takes.
const (
	Len4 = 6
	Len6 = 18
)

// Append appends a to dst in the size of its family. An IPv4 address in IPv6
// form counts as IPv4.
func Append(dst []byte, a netip.AddrPort) []byte {
	ip := a.Addr().Unmap()
	if ip.Is4() {
		b := ip.As4()
		dst = append(dst, b[:]...)
	} else {
		b := ip.As16()
		dst = append(dst, b[:]...)
	}
	return append(dst, byte(a.Port()>>8), byte(a.Port()))
}

// Parse4 appends up to max usable addresses in b to dst. A rest that is too short
// for an address is ignored.
func Parse4(dst []netip.AddrPort, b []byte, max int) []netip.AddrPort {
	for ; len(b) >= Len4 && max > 0; b = b[Len4:] {
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), uint16(b[4])<<8|uint16(b[5]))
		if Usable(a) {
			dst = append(dst, a)
			max--
		}
	}
	return dst
}

// Parse6 is Parse4 for IPv6.
func Parse6(dst []netip.AddrPort, b []byte, max int) []netip.AddrPort {
	for ; len(b) >= Len6 && max > 0; b = b[Len6:] {
		a := netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)).Unmap(), uint16(b[16])<<8|uint16(b[17]))
		if Usable(a) {
			dst = append(dst, a)
			max--
		}
	}
	return dst
}

// Usable reports whether one can connect to a: the port is not 0 and the address
// is neither missing, multicast nor broadcast.
func Usable(a netip.AddrPort) bool {
	ip := a.Addr()
	return ip.IsValid() && a.Port() != 0 && !ip.IsUnspecified() && !ip.IsMulticast() &&
		ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
