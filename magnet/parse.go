package magnet

import (
	"math"
	"strconv"
	"strings"

	"github.com/shoal-p2p/shoal/metainfo"
)

// Parse reads a magnet link. What says which content is meant (xt, xl, so) must
// be well-formed; trackers, web seeds and peers are hints, and those that are
// not usable are left out. Errors are of type *Error.
func Parse(s string) (Magnet, error) {
	var m Magnet
	if len(s) > MaxLength {
		return m, &Error{Err: ErrTooLong}
	}
	const prefix = "magnet:?"
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return m, &Error{Err: ErrScheme}
	}
	s, _, _ = strings.Cut(s[len(prefix):], "#")
	for s != "" {
		var param string
		param, s, _ = strings.Cut(s, "&")
		// Links copied from HTML source have &amp; between parameters.
		param = strings.TrimPrefix(param, "amp;")
		key, value, _ := strings.Cut(param, "=")
		key = stripNumber(strings.ToLower(key))
		value, ok := unescape(value)
		if !ok {
			return Magnet{}, &Error{Err: ErrEscape, Param: clip(key)}
		}
		if err := m.set(key, value); err != nil {
			return Magnet{}, &Error{Err: err, Param: clip(key)}
		}
	}
	if m.HashV1 == nil && m.HashV2 == nil {
		return Magnet{}, &Error{Err: ErrNoHash}
	}
	return m, nil
}

// ParseHash reads a bare info hash: 40 hexadecimal or 32 base32 digits for v1,
// 64 hexadecimal digits, with or without the multihash prefix 1220, for v2.
func ParseHash(s string) (Magnet, error) {
	var m Magnet
	var err error
	switch len(s) {
	case 32, 40:
		err = m.setBTIH(s)
	case 64:
		err = m.setBTMH("1220" + s)
	case 68:
		err = m.setBTMH(s)
	default:
		err = ErrInfoHash
	}
	if err != nil {
		return Magnet{}, &Error{Err: err}
	}
	return m, nil
}

// clip keeps a parameter's name short in errors.
func clip(key string) string { return key[:min(len(key), 16)] }

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

func (m *Magnet) set(key, value string) error {
	switch key {
	case "xt":
		if len(value) < 9 {
			return nil
		}
		switch strings.ToLower(value[:9]) {
		case "urn:btih:":
			return m.setBTIH(value[9:])
		case "urn:btmh:":
			return m.setBTMH(value[9:])
		}
	case "dn":
		if m.Name == "" {
			m.Name = strings.ToValidUTF8(value, "\uFFFD")
		}
	case "xl":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return ErrLength
		}
		m.Length = n
	case "tr":
		m.Trackers = addURL(m.Trackers, value)
	case "ws":
		m.WebSeeds = addURL(m.WebSeeds, value)
	case "xs":
		m.Sources = addURL(m.Sources, value)
	case "x.pe":
		if isHostPort(value) {
			m.Peers = add(m.Peers, value)
		}
	case "so":
		return m.setSelect(value)
	}
	return nil
}

func (m *Magnet) setBTIH(s string) error {
	var h metainfo.Hash
	switch len(s) {
	case 40:
		var err error
		if h, err = metainfo.ParseHash(s); err != nil {
			return ErrInfoHash
		}
	case 32:
		if !decodeBase32(h[:], s) {
			return ErrInfoHash
		}
	default:
		return ErrInfoHash
	}
	if m.HashV1 != nil && *m.HashV1 != h {
		return ErrConflict
	}
	m.HashV1 = &h
	return nil
}

// setBTMH reads a multihash: 0x12 is SHA-256, 0x20 its length.
func (m *Magnet) setBTMH(s string) error {
	digits, ok := strings.CutPrefix(s, "1220")
	h, err := metainfo.ParseHash256(digits)
	if !ok || err != nil {
		return ErrInfoHash
	}
	if m.HashV2 != nil && *m.HashV2 != h {
		return ErrConflict
	}
	m.HashV2 = &h
	return nil
}

func (m *Magnet) setSelect(s string) error {
	for s != "" {
		var part string
		part, s, _ = strings.Cut(s, ",")
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 31)
		b, err2 := strconv.ParseUint(last, 10, 31)
		if err1 != nil || err2 != nil || a > b || b >= math.MaxInt32 || len(m.Select) >= MaxRanges {
			return ErrSelect
		}
		m.Select = append(m.Select, Range{int(a), int(b)})
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

// addURL appends what looks like a URL: a scheme, "://", printable ASCII or
// UTF-8 without spaces.
func addURL(list []string, s string) []string {
	s = strings.TrimSpace(s)
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || rest == "" || scheme == "" || strings.ToValidUTF8(s, "") != s {
		return list
	}
	for k := range len(scheme) {
		c := scheme[k] | 0x20
		if (c < 'a' || c > 'z') && (scheme[k] < '0' || scheme[k] > '9') && scheme[k] != '+' && scheme[k] != '-' && scheme[k] != '.' {
			return list
		}
	}
	for k := range len(s) {
		if s[k] <= ' ' || s[k] == 0x7f {
			return list
		}
	}
	return add(list, s)
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
