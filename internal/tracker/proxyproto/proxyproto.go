// Package proxyproto reads the PROXY protocol, in which a proxy tells whose connection it passes on.
//
// The specification is HAProxy's proxy-protocol.txt. The header comes before anything
// else, TLS included. Version 1 is one line of at most 107 bytes:
//
//	"PROXY TCP4 " source " " destination " " source port " " destination port "\r\n"
//	"PROXY TCP6 " …
//	"PROXY UNKNOWN" anything "\r\n"
//
// Version 2 is binary, its numbers are big-endian:
//
//	12 bytes  0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A
//	 1 byte   version 2 in the high half, command in the low: 0 LOCAL, 1 PROXY
//	 1 byte   family in the high half: 0 unspecified, 1 IPv4, 2 IPv6, 3 Unix; transport in the low:
//	          0 unspecified, 1 stream, 2 datagram
//	 2 bytes  length of what follows
//	12, 36 or 216 bytes: source and destination address, then both ports, by family
//	         the rest are TLVs, which are skipped
//
// Whoever can reach the port can write such a header, so it is to be read from trusted
// addresses alone; from these it is to be required, as the specification says (section 5).
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strconv"
)

// A Header is what a proxy says.
type Header struct {
	// Version is 1 or 2.
	Version int
	// Source is the client, Destination where it connected to. Both are the zero AddrPort where the
	// proxy speaks for itself (LOCAL, such as a health check) or does not know (UNKNOWN), or the
	// client came by a Unix socket: then the addresses of the connection hold.
	Source, Destination netip.AddrPort
}

var (
	// ErrShort says that a header has begun and not ended.
	ErrShort = errors.New("proxyproto: the header has not ended yet")
	// ErrMalformed says that there is no header.
	ErrMalformed = errors.New("proxyproto: the connection does not begin with a PROXY header")
)

const (
	// Max bounds a header, in bytes. Addresses need 232 at most; the rest is for TLVs, of which
	// those of TLS client certificates and of cloud providers are the longest.
	Max = 4096

	// maxV1 is what the specification allows a line of version 1.
	maxV1 = 107
	// minV1 is the shortest line: "PROXY UNKNOWN\r\n".
	minV1 = 15
	// fixedV2 is the length of version 2 up to the addresses.
	fixedV2 = 16
)

const (
	prefixV1 = "PROXY "
	prefixV2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// Parse reads the header that b begins with. It returns the length of the header, or ErrShort with
// the least length that it can have (more than b has, at most Max), or ErrMalformed as soon
// as b cannot become a header.
func Parse(b []byte) (h Header, n int, err error) {
	switch {
	case hasPrefix(b, prefixV1):
		return parseV1(b)
	case hasPrefix(b, prefixV2):
		return parseV2(b)
	}
	return Header{}, 0, ErrMalformed
}

// hasPrefix reports whether b begins with prefix or is the beginning of it.
func hasPrefix(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return string(b[:n]) == prefix[:n]
}

func parseV1(b []byte) (h Header, n int, err error) {
	end := bytes.IndexByte(b[:min(len(b), maxV1)], '\n')
	switch {
	case end < 0 && len(b) >= maxV1:
		return Header{}, 0, ErrMalformed
	case end < 0:
		return Header{}, atLeastV1(b), ErrShort
	case end < minV1-1 || b[end-1] != '\r':
		return Header{}, 0, ErrMalformed
	}
	h.Version, n = 1, end+1
	line := b[len(prefixV1) : end-1]
	family, rest, _ := bytes.Cut(line, []byte(" "))
	switch string(family) {
	case "UNKNOWN":
		return h, n, nil
	case "TCP4", "TCP6":
	default:
		return Header{}, 0, ErrMalformed
	}
	fields := bytes.Split(rest, []byte(" ")) // 107 bytes at most
	if len(fields) != 4 {
		return Header{}, 0, ErrMalformed
	}
	var ok [2]bool
	h.Source, ok[0] = endpointV1(fields[0], fields[2], family[3])
	h.Destination, ok[1] = endpointV1(fields[1], fields[3], family[3])
	if !ok[0] || !ok[1] {
		return Header{}, 0, ErrMalformed
	}
	return h, n, nil
}

// atLeastV1 is the least length of a line of which b is the beginning.
func atLeastV1(b []byte) int {
	more := 1
	if len(b) > 0 && b[len(b)-1] != '\r' {
		more = 2
	}
	// Each field that has not begun needs a space and a character.
	if len(b) >= len("PROXY TCP4") && string(b[len(prefixV1):len(prefixV1)+3]) == "TCP" {
		more += 2 * max(5-bytes.Count(b, []byte(" ")), 0)
	}
	return max(len(b)+more, minV1)
}

// endpointV1 reads an address and a port of version 1; family is '4' or '6'.
func endpointV1(addr, port []byte, family byte) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(string(addr))
	if err != nil || a.Is4() != (family == '4') || a.Zone() != "" {
		return netip.AddrPort{}, false
	}
	if len(port) == 0 || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, false
	}
	p, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), true
}

func parseV2(b []byte) (h Header, n int, err error) {
	if len(b) > 12 && b[12] != 0x20 && b[12] != 0x21 {
		return Header{}, 0, ErrMalformed
	}
	// Other families and transports "must be rejected as invalid" (section 2.2).
	if len(b) > 13 && (b[13]>>4 > 3 || b[13]&15 > 2) {
		return Header{}, 0, ErrMalformed
	}
	if len(b) < fixedV2 {
		return Header{}, fixedV2, ErrShort
	}
	n = fixedV2 + int(binary.BigEndian.Uint16(b[14:]))
	family := b[13] >> 4
	least := fixedV2 + [...]int{0, 12, 36, 216}[family]
	if local := b[12] == 0x20; local {
		family, least = 0, fixedV2 // what a LOCAL one says of addresses is to be ignored
	}
	switch {
	case n > Max || n < least:
		return Header{}, 0, ErrMalformed
	case len(b) < n:
		return Header{}, n, ErrShort
	}
	h.Version = 2
	switch at := b[fixedV2:]; family {
	case 1:
		h.Source = endpointV2(at[0:4], at[8:10])
		h.Destination = endpointV2(at[4:8], at[10:12])
	case 2:
		h.Source = endpointV2(at[0:16], at[32:34])
		h.Destination = endpointV2(at[16:32], at[34:36])
	}
	return h, n, nil
}

func endpointV2(addr, port []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(addr)
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}

// Read reads a header and not a byte more, so that whoever reads on, by the connection's
// descriptor too, begins with what the client sent. Its errors are ErrMalformed and those of r;
// an end within the header is io.ErrUnexpectedEOF, one before it io.EOF. The caller sets a deadline.
func Read(r io.Reader) (Header, error) {
	var room [256]byte // enough without long TLVs
	b := room[:0]
	for {
		h, n, err := Parse(b)
		if err != ErrShort {
			return h, err
		}
		have := len(b)
		// Not more than has come, roughly, whatever length is declared.
		n = min(n, have+len(room))
		if n > cap(b) {
			b = append(make([]byte, 0, n), b...)
		}
		b = b[:n]
		got, err := io.ReadAtLeast(r, b[have:], 1)
		if b = b[:have+got]; got == 0 {
			if err == io.EOF && have > 0 {
				err = io.ErrUnexpectedEOF
			}
			return Header{}, err
		}
	}
}
