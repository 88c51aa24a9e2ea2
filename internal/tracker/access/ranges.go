package access

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// A wide is an IPv6 address as a number.
type wide struct{ hi, lo uint64 }

func (a wide) compare(b wide) int {
	switch {
	case a.hi < b.hi || a.hi == b.hi && a.lo < b.lo:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// next is the number after a; at the end it stays.
func (a wide) next() wide {
	if a.lo++; a.lo == 0 {
		if a.hi++; a.hi == 0 {
			return wide{^uint64(0), ^uint64(0)}
		}
	}
	return a
}

func wideOf(a netip.Addr) wide {
	b := a.As16()
	return wide{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func narrowOf(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// span4 and span6 are ranges, both ends included.
type (
	span4 struct{ from, to uint32 }
	span6 struct{ from, to wide }
)

// ranges are addresses: sorted ranges of which no two touch. IPv4 takes 8 bytes a range, IPv6
// 32, which is about what a line of a list has.
type ranges struct {
	v4 []span4
	v6 []span6
}

// add takes a range of one family, from not after to.
func (r *ranges) add(from, to netip.Addr) {
	if from.Is4() {
		r.v4 = append(r.v4, span4{narrowOf(from), narrowOf(to)})
	} else {
		r.v6 = append(r.v6, span6{wideOf(from), wideOf(to)})
	}
}

// settle sorts and joins; before it, has may not be asked.
func (r *ranges) settle() {
	slices.SortFunc(r.v4, func(a, b span4) int {
		return wide{0, uint64(a.from)}.compare(wide{0, uint64(b.from)})
	})
	slices.SortFunc(r.v6, func(a, b span6) int { return a.from.compare(b.from) })
	v4 := r.v4[:0]
	for _, s := range r.v4 {
		if n := len(v4); n > 0 && uint64(s.from) <= uint64(v4[n-1].to)+1 {
			v4[n-1].to = max(v4[n-1].to, s.to)
		} else {
			v4 = append(v4, s)
		}
	}
	v6 := r.v6[:0]
	for _, s := range r.v6 {
		if n := len(v6); n > 0 && s.from.compare(v6[n-1].to.next()) <= 0 {
			if s.to.compare(v6[n-1].to) > 0 {
				v6[n-1].to = s.to
			}
		} else {
			v6 = append(v6, s)
		}
	}
	// A slice that grew has up to a quarter more than it needs, one that was joined much more.
	r.v4, r.v6 = slices.Clone(v4), slices.Clone(v6)
}

// has reports whether a is within a range.
func (r *ranges) has(a netip.Addr) bool {
	if a.Is4() {
		x := narrowOf(a)
		lo, hi := 0, len(r.v4)
		for lo < hi {
			if mid := int(uint(lo+hi) >> 1); r.v4[mid].to < x {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		return lo < len(r.v4) && r.v4[lo].from <= x
	}
	if len(r.v6) == 0 {
		return false
	}
	x := wideOf(a)
	lo, hi := 0, len(r.v6)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); r.v6[mid].to.compare(x) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(r.v6) && r.v6[lo].from.compare(x) <= 0
}
