// Package forwarded finds the client behind trusted proxies, by the headers they add.
package forwarded

import (
	"net/netip"
	"strings"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// A Kind is how a header lists addresses.
type Kind uint8

// The kinds of headers.
const (
	// List is that of X-Forwarded-For and X-Real-IP: addresses with commas between, the last added
	// by the nearest proxy.
	List Kind = iota
	// Forwarded is that of the header of this name (RFC 7239): elements with commas between,
	// of which each says for=ADDRESS.
	Forwarded
)

// Client returns the address of the client: that of the connection or, as long as that is a trusted
// proxy, the one before it in the header. So the rightmost address that is not trusted
// wins, since what stands left of it may be made up. Where the header has something that is no
// address ("unknown", "_hidden"), the proxy that added it is the client, for nothing better is known.
//
// A header with several lines is passed with commas between them. Addresses may have a port,
// and brackets; ports and zones are left out of the result, IPv4 in IPv6 is IPv4.
//
// The caller passes only a header that its proxies set or add to: any other comes from the
// client as it likes.
func Client(conn netip.Addr, kind Kind, header string, trusted func(netip.Addr) bool) netip.Addr {
	conn = netaddr.Plain(conn)
	for header != "" && trusted(conn) {
		var element string
		header, element = cutLast(header, kind == Forwarded)
		if kind == Forwarded {
			element = forNode(element)
		}
		next, ok := ParseNode(element)
		if !ok {
			break
		}
		conn = next
	}
	return conn
}

// ParseNode reads an address as proxies write it: 192.0.2.1, 192.0.2.1:80, 2001:db8::1,
// [2001:db8::1] or [2001:db8::1]:80.
func ParseNode(text string) (netip.Addr, bool) {
	const most = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%012345678901234]:65535")
	text = trim(text)
	if len(text) > most {
		return netip.Addr{}, false
	}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return netaddr.Plain(ap.Addr()), true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); !ok || !strings.Contains(inner, ":") {
			return netip.Addr{}, false
		}
		text = inner
	}
	a, err := netip.ParseAddr(text)
	return netaddr.Plain(a), err == nil
}

func trim(s string) string { return strings.Trim(s, " \t") }

// cutLast cuts a header at its last comma. If quoted, one within quotes does not count; quotes are
// paired from the right, so that one which the client left open changes nothing of what
// proxies added.
func cutLast(s string, quoted bool) (before, last string) {
	within := false
	for i := len(s) - 1; i >= 0; i-- {
		switch {
		case quoted && s[i] == '"' && !escaped(s, i):
			within = !within
		case s[i] == ',' && !within:
			return s[:i], s[i+1:]
		}
	}
	return "", s
}

// escaped reports whether a backslash holds for s[i].
func escaped(s string, i int) bool {
	n := 0
	for i--; i >= 0 && s[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

// forNode returns the value of the parameter for= of an element of Forwarded, without its quotes, or
// "" if it has none or more than one.
func forNode(element string) string {
	node, found := "", false
	for element != "" {
		end := 0
		for within := false; end < len(element) && (within || element[end] != ';'); end++ {
			if element[end] == '"' && !escaped(element, end) {
				within = !within
			}
		}
		name, value, _ := strings.Cut(element[:end], "=")
		element = element[min(end+1, len(element)):]
		if !strings.EqualFold(trim(name), "for") {
			continue
		}
		if found {
			return ""
		}
		node, found = trim(value), true
	}
	if len(node) >= 2 && node[0] == '"' && node[len(node)-1] == '"' {
		node = node[1 : len(node)-1] // an address needs no backslash
	}
	return node
}
