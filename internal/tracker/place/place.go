// Package place tells which network and country an address belongs to.
package place

import (
	"encoding/binary"
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// OfAddr is what an address alone tells: Addr for the IPv4 address or the IPv6 /64, Prefix
// for the /24 or the /48. The same address gives the same Place in every process;
// private addresses are like any other. An invalid address gives the zero Place.
func OfAddr(a netip.Addr) (p swarm.Place) {
	switch a = a.Unmap(); {
	case a.Is4():
		b := a.As4()
		v := uint64(binary.BigEndian.Uint32(b[:]))
		p.Addr, p.Prefix = hash(v), hash(v>>8)
	case a.Is6():
		b := a.As16()
		v := binary.BigEndian.Uint64(b[:])
		p.Addr, p.Prefix = hash(^v), hash(^(v >> 16))
	}
	return p
}

// hash maps v to anything but zero. The multipliers are those of SplitMix64.
func hash(v uint64) uint32 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return max(uint32(v>>32), 1)
}
