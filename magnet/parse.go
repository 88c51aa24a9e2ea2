package magnet

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/shoal-p2p/shoal/metainfo"
)

// Parse reads a magnet link. All that it needs is one info hash; everything else is
// a hint, and what is malformed of the hints is left out, as is a malformed info hash
// beside a good one. Of two info hashes of one version the last counts, as it does for
// other clients. Errors are of type *Error.
//
// Links come typed, pasted and decoded once too often, so more is read than String
// writes: a percent sign that escapes nothing and a number sign stand for themselves,
// white space around the link and slashes after the scheme are dropped.
func Parse(s string) (Magnet, error) {
	var m Magnet
	if len(s) > MaxLength {
		return m, &Error{Err: ErrTooLong}
	}
	const scheme = "magnet:"
	s = strings.TrimSpace(s)
	if len(s) < len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) {
		return m, &Error{Err: ErrScheme}
	}
	for s = s[len(scheme):]; strings.HasPrefix(s, "/"); {
		s = s[1:]
	}
	s, ok := strings.CutPrefix(s, "?")
	if !ok {
		return m, &Error{Err: ErrScheme}
	}
	var wrong error // of an info hash
	for s != "" {
		var param string
		param, s, _ = strings.Cut(s, "&")
		// Links copied from HTML source have &amp; between parameters.
		param = strings.TrimPrefix(param, "amp;")
		key, value, _ := strings.Cut(param, "=")
		key = stripNumber(strings.ToLower(unescape(key, false)))
		if err := m.set(key, value); err != nil {
			m.LeftOut = add(m.LeftOut, param)
			if err != errHint {
				wrong = &Error{Err: err, Param: key}
			}
		}
	}
	if m.HashV1 == nil && m.HashV2 == nil {
		if wrong == nil {
			wrong = &Error{Err: ErrNoHash}
		}
		return Magnet{}, wrong
	}
	return m, nil
}

// ParseHash reads a bare info hash: 40 hexadecimal or 32 base32 digits for v1,
// 64 hexadecimal digits, with or without the multihash prefix 1220, for v2.
func ParseHash(s string) (Magnet, error) {
	var m Magnet
	if err := m.setHash(s); err != nil {
		return Magnet{}, &Error{Err: err}
	}
	return m, nil
}

// stripNumber turns "tr.1" into "tr".
func stripNumber(key string) string {
	name, number, ok := strings.Cut(key, ".")
	if !ok {
		return key
	}
	for k := range len(number) {
		if number[k] < '0' || number[k] > '9' {
			return key
		}
	}
	return name
}

// errHint is the error of a parameter that a link can do without.
var errHint = errors.New("malformed hint")

// set takes a parameter. The error is ErrInfoHash or errHint.
func (m *Magnet) set(key, value string) error {
	if value == "" && key != "xt" {
		return nil // it says nothing, which is not malformed
	}
	switch key {
	case "dn":
		// A plus is a space, as forms encode it. In addresses it is itself.
		if m.Name == "" {
			m.Name = printable(unescape(value, true))
		}
		return nil
	case "tr":
		return addURL(&m.Trackers, value)
	case "ws":
		return addURL(&m.WebSeeds, value)
	case "xs":
		return addURL(&m.Sources, value)
	}
	// None of what follows has a number sign in it: it begins a fragment.
	value, _, _ = strings.Cut(unescape(value, false), "#")
	value = strings.TrimSpace(value)
	switch key {
	case "xt":
		return m.setTopic(value)
	case "xl":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return errHint
		}
		if n > 0 {
			m.Length = n
		}
	case "x.pe":
		if !isHostPort(value) {
			return errHint
		}
		m.Peers = add(m.Peers, value)
	case "so":
		return m.addSelect(value)
	}
	return nil
}

// printable makes text of bytes, without the control characters, which a name has no
// use for and a terminal obeys.
func printable(s string) string {
	out := make([]byte, 0, len(s))
	for _, r := range s { // U+FFFD for what is no UTF-8
		if r >= ' ' && (r < 0x7f || r > 0x9f) {
			out = append(out, string(r)...)
		}
	}
	return string(out)
}

// setTopic reads a URN. Those of other networks are no error.
func (m *Magnet) setTopic(s string) error {
	const btih, btmh = "urn:btih:", "urn:btmh:"
	if len(s) < len(btih) {
		return nil
	}
	urn, digits := strings.ToLower(s[:len(btih)]), s[len(btih):]
	switch {
	case urn == btmh && len(digits) < 64:
		return ErrInfoHash // no hash of v1
	case urn == btih, urn == btmh:
		return m.setHash(digits)
	}
	return nil
}

// setHash takes an info hash in any of its forms; their lengths tell them apart.
func (m *Magnet) setHash(s string) error {
	switch len(s) {
	case 32:
		var h metainfo.Hash
		if !decodeBase32(h[:], s) {
			return ErrInfoHash
		}
		m.HashV1 = &h
		return nil
	case 40:
		h, err := metainfo.ParseHash(s)
		if err != nil {
			return ErrInfoHash
		}
		m.HashV1 = &h
		return nil
	case 68:
		// A multihash: 0x12 is SHA-256, 0x20 its length.
		if s[:4] != "1220" {
			return ErrInfoHash
		}
		s = s[4:]
	}
	h, err := metainfo.ParseHash256(s)
	if err != nil {
		return ErrInfoHash
	}
	m.HashV2 = &h
	return nil
}

// addSelect adds the ranges of a list (BEP 53). A list with anything else in it than
// numbers was meant for somebody else, a range that goes nowhere is left out.
func (m *Magnet) addSelect(s string) error {
	for k := range len(s) {
		if c := s[k]; (c < '0' || c > '9') && c != ',' && c != '-' {
			return errHint
		}
	}
	for s != "" && len(m.Select) < MaxRanges {
		var part string
		part, s, _ = strings.Cut(s, ",")
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 31)
		b, err2 := strconv.ParseUint(last, 10, 31)
		if err1 == nil && err2 == nil && a <= b && b < math.MaxInt32 {
			m.Select = append(m.Select, Range{int(a), int(b)})
		}
	}
	return nil
}

// add appends a value that is new, up to MaxList of them.
func add(list []string, s string) []string {
	if len(list) >= MaxList {
		return list
	}
	for _, old := range list {
		if old == s {
			return list
		}
	}
	return append(list, s)
}

// addURL appends what looks like a URL once it is decoded: a scheme, which becomes
// lower case, "://", and a host without spaces. What may not stand in the rest of a
// URL was not encoded for it, only for the link, and is encoded. The error is errHint.
func addURL(list *[]string, s string) error {
	s = strings.TrimSpace(unescape(s, false))
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || scheme == "" || strings.ToValidUTF8(s, "") != s {
		return errHint
	}
	for k := range len(scheme) {
		c := scheme[k] | 0x20
		if (c < 'a' || c > 'z') && (scheme[k] < '0' || scheme[k] > '9') && scheme[k] != '+' && scheme[k] != '-' && scheme[k] != '.' {
			return errHint
		}
	}
	end := 0
	for end < len(rest) && rest[end] != '/' && rest[end] != '?' && rest[end] != '#' {
		if !inURL(rest[end]) {
			return errHint
		}
		end++
	}
	if end == 0 {
		return errHint
	}
	*list = add(*list, strings.ToLower(scheme)+"://"+rest[:end]+escapeUnfit(rest[end:]))
	return nil
}

// isHostPort accepts a name, an IPv4 address or an IPv6 address in brackets,
// each with a port.
func isHostPort(s string) bool {
	k := strings.LastIndexByte(s, ':')
	if k <= 0 || len(s) > 300 {
		return false
	}
	host, port := s[:k], s[k+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return false
	}
	v6 := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") && len(host) > 3
	if v6 {
		host = host[1 : len(host)-1]
	}
	for k := range len(host) {
		switch c := host[k]; {
		case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z', c == '.', c == '-' && !v6, c == '_' && !v6:
		case v6 && c == ':':
		default:
			return false
		}
	}
	return true
}
