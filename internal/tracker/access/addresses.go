package access

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"sync/atomic"
)

// An AddressList is the addresses of a file, which may be packed with gzip. It may be used by many
// goroutines, while it is reloaded too.
//
// Each line is one of
//
//	192.0.2.0/24               a network, or an address; IPv6 too
//	192.0.2.1-192.0.2.9        a range, both ends included
//	Some name:192.0.2.1-192.0.2.9                      P2P text, as of PeerGuardian
//	192.000.002.001 - 192.000.002.009 , 100 , Name     eMule's ipfilter.dat
//
// What follows a # or a ; in the first two is a comment, as are lines that begin so or with //.
// Lines of ipfilter.dat with a level of 128 or more are left out: they are those that eMule lets pass.
type AddressList struct {
	path string
	set  atomic.Pointer[addressSet]
}

type addressSet struct {
	ranges  ranges
	skipped Skipped
}

// LoadAddresses reads an AddressList from a file. The error names the file. Lines that cannot be read are
// skipped, see Skipped; a file in which there is no other is an error.
func LoadAddresses(path string) (*AddressList, error) {
	l := &AddressList{path: path}
	if err := l.Reload(); err != nil {
		return nil, err
	}
	return l, nil
}

// Reload reads the file again. If that fails, what was read before stays.
func (l *AddressList) Reload() error {
	s := &addressSet{}
	var err error
	s.skipped, err = readLines(l.path, func(line []byte) error {
		from, to, err := parseAddresses(line)
		if err == nil && from.IsValid() {
			s.ranges.add(from, to)
		}
		return err
	})
	if err != nil {
		return err
	}
	s.ranges.settle()
	l.set.Store(s)
	return nil
}

// Skipped tells of the lines that the last load could not read.
func (l *AddressList) Skipped() Skipped { return l.set.Load().skipped }

// Len is the number of ranges, after those that touch were joined.
func (l *AddressList) Len() int {
	s := l.set.Load()
	return len(s.ranges.v4) + len(s.ranges.v6)
}

// Has reports whether an address is in the list. It takes as many looks as the length of
// the list has bits, and no memory.
func (l *AddressList) Has(a netip.Addr) bool {
	return a.IsValid() && l.set.Load().ranges.has(a.Unmap())
}

// Addresses decides which addresses a tracker serves. Without lists it serves all.
type Addresses struct {
	Allow []*AddressList // only what is in one of these
	Deny  []*AddressList // not what is in one of these, even if allowed
}

// ErrAddress says that an address is denied, or is not among those allowed.
var ErrAddress = errors.New("this tracker does not serve your address")

// Check returns nil or ErrAddress. An address that is not known is in no list.
func (l *Addresses) Check(a netip.Addr) error {
	for _, list := range l.Deny {
		if list.Has(a) {
			return ErrAddress
		}
	}
	for _, list := range l.Allow {
		if list.Has(a) {
			return nil
		}
	}
	if len(l.Allow) > 0 {
		return ErrAddress
	}
	return nil
}

var errAddresses = errors.New("is no address, network or range of addresses")

// parseAddresses reads a line. Both are the zero Addr if it is well and names none.
func parseAddresses(line []byte) (from, to netip.Addr, err error) {
	text := line
	if i := bytes.IndexAny(text, "#;"); i >= 0 {
		text = bytes.TrimSpace(text[:i])
	}
	if bytes.IndexByte(text, '-') < 0 {
		if p, err := netip.ParsePrefix(string(text)); err == nil {
			return ends(p)
		}
		if a, err := netip.ParseAddr(string(text)); err == nil && a.Zone() == "" {
			return a.Unmap(), a.Unmap(), nil
		}
	} else if from, to, ok := parseRange(text); ok {
		return from, to, nil
	}
	if first, rest, ok := bytes.Cut(line, []byte(",")); ok {
		if from, to, ok := parseRange(first); ok {
			level, _, _ := bytes.Cut(rest, []byte(","))
			if n, err := strconv.Atoi(string(bytes.TrimSpace(level))); err == nil && n > 127 {
				return netip.Addr{}, netip.Addr{}, nil
			}
			return from, to, nil
		}
	}
	if from, to, ok := parseNamed(line); ok {
		return from, to, nil
	}
	return netip.Addr{}, netip.Addr{}, fmt.Errorf("%.60q %w", line, errAddresses)
}

// parseNamed reads "name:from-to". The name may have colons, as IPv6 addresses do, so that the end of
// one is hard to tell from the beginning of the other; what makes the narrowest range is meant.
func parseNamed(line []byte) (from, to netip.Addr, ok bool) {
	best := -1
	for rest := line; ; {
		i := bytes.IndexByte(rest, ':')
		if i < 0 {
			return from, to, ok
		}
		rest = rest[i+1:]
		// A line of many colons must not be read as many times.
		if len(rest) > maxRange {
			continue
		}
		if f, t, good := parseRange(rest); good {
			if n := common(f, t); n > best {
				from, to, ok, best = f, t, true, n
			}
		}
	}
}

// common is the number of bits with which both begin.
func common(a, b netip.Addr) int {
	x, y := a.As16(), b.As16()
	for i := range x {
		if d := x[i] ^ y[i]; d != 0 {
			return i*8 + bits.LeadingZeros8(d)
		}
	}
	return 128
}

// maxRange bounds a range of addresses, in bytes.
const maxRange = 120

// parseRange reads "from-to". Only a range with both ends in order is one.
func parseRange(text []byte) (from, to netip.Addr, ok bool) {
	a, b, ok := bytes.Cut(text, []byte("-"))
	if !ok || len(text) > maxRange {
		return from, to, false
	}
	from, ok1 := parseEnd(a)
	to, ok2 := parseEnd(b)
	return from, to, ok1 && ok2 && from.Is4() == to.Is4() && !to.Less(from)
}

// parseEnd reads an address, also with zeros before the numbers of IPv4, which are decimal in
// lists of ranges.
func parseEnd(text []byte) (netip.Addr, bool) {
	text = bytes.TrimSpace(text)
	if a, err := netip.ParseAddr(string(text)); err == nil {
		return a.Unmap(), a.Zone() == ""
	}
	var b [4]byte
	for i := range b {
		part, rest, more := bytes.Cut(text, []byte("."))
		n, err := strconv.ParseUint(string(part), 10, 8)
		if err != nil || len(part) > 3 || more != (i < 3) {
			return netip.Addr{}, false
		}
		b[i], text = byte(n), rest
	}
	return netip.AddrFrom4(b), true
}

// ends returns the first and last address of a network.
func ends(p netip.Prefix) (from, to netip.Addr, err error) {
	from = p.Masked().Addr()
	b := from.As16()
	host := from.BitLen() - p.Bits()
	for i := 15; host > 0; i-- {
		b[i] |= byte(1<<min(host, 8) - 1)
		host -= 8
	}
	to = netip.AddrFrom16(b)
	if from.Is4() || from.Is4In6() && p.Bits() >= 96 {
		return from.Unmap(), to.Unmap(), nil
	}
	return from, to, nil
}
