package dht

import (
	"net/netip"
	"strconv"

	"github.com/shoal-p2p/shoal/internal/bencode"
)

// Append appends the packet of m to dst. Keys stand in sorted order; what is
// zero is left out.
func (m *Message) Append(dst []byte) []byte {
	dst = append(dst, 'd')
	switch m.Kind {
	case Query:
		dst = append(dst, "1:a"...)
		dst = m.appendArguments(dst)
	case Failure:
		dst = append(dst, "1:el"...)
		dst = bencode.AppendInt(dst, int64(m.Code))
		dst = bencode.AppendString(dst, m.Text)
		dst = append(dst, 'e')
	}
	if m.Requester.IsValid() {
		dst = append(dst, "2:ip"...)
		dst = appendAddr(appendLen(dst, addrSize(m.Requester)), m.Requester)
	}
	switch m.Kind {
	case Query:
		dst = append(dst, "1:q"...)
		dst = bencode.AppendString(dst, m.Method)
		if m.ReadOnly {
			dst = append(dst, "2:roi1e"...)
		}
	case Response:
		dst = append(dst, "1:r"...)
		dst = m.appendResults(dst)
	}
	dst = append(dst, "1:t"...)
	dst = bencode.AppendBytes(dst, m.TID)
	if len(m.Version) > 0 {
		dst = append(dst, "1:v"...)
		dst = bencode.AppendBytes(dst, m.Version)
	}
	return append(dst, '1', ':', 'y', '1', ':', byte(m.Kind), 'e')
}

func (m *Message) appendArguments(dst []byte) []byte {
	dst = append(dst, "d2:id20:"...)
	dst = append(dst, m.ID[:]...)
	if m.Implied {
		dst = append(dst, "12:implied_porti1e"...)
	}
	byHash := m.Method == methodGetPeers || m.Method == methodAnnounce
	if m.HasTarget && byHash {
		dst = append(dst, "9:info_hash20:"...)
		dst = append(dst, m.Target[:]...)
	}
	if m.Port != 0 {
		dst = append(dst, "4:port"...)
		dst = bencode.AppendInt(dst, int64(m.Port))
	}
	if m.HasTarget && !byHash {
		dst = append(dst, "6:target20:"...)
		dst = append(dst, m.Target[:]...)
	}
	dst = m.appendToken(dst)
	if m.HasWant {
		dst = append(dst, "4:wantl"...)
		if m.Want&Want4 != 0 {
			dst = append(dst, "2:n4"...)
		}
		if m.Want&Want6 != 0 {
			dst = append(dst, "2:n6"...)
		}
		dst = append(dst, 'e')
	}
	return append(dst, 'e')
}

func (m *Message) appendResults(dst []byte) []byte {
	dst = append(dst, "d2:id20:"...)
	dst = append(dst, m.ID[:]...)
	if m.Want&Want4 != 0 {
		dst = m.appendNodes(append(dst, "5:nodes"...), ipv4, 26)
	}
	if m.Want&Want6 != 0 {
		dst = m.appendNodes(append(dst, "6:nodes6"...), ipv6, 38)
	}
	dst = m.appendToken(dst)
	if len(m.Values) > 0 {
		dst = append(dst, "6:valuesl"...)
		for _, ap := range m.Values {
			dst = appendAddr(appendLen(dst, addrSize(ap)), ap)
		}
		dst = append(dst, 'e')
	}
	return append(dst, 'e')
}

func (m *Message) appendToken(dst []byte) []byte {
	if len(m.Token) == 0 {
		return dst
	}
	return bencode.AppendBytes(append(dst, "5:token"...), m.Token)
}

func (m *Message) count(f family) int {
	n := 0
	for i := range m.Nodes {
		if familyOf(m.Nodes[i].Addr.Addr()) == f {
			n++
		}
	}
	return n
}

func (m *Message) appendNodes(dst []byte, f family, size int) []byte {
	dst = appendLen(dst, m.count(f)*size)
	for i := range m.Nodes {
		if n := &m.Nodes[i]; familyOf(n.Addr.Addr()) == f {
			dst = appendAddr(append(dst, n.ID[:]...), n.Addr)
		}
	}
	return dst
}

// appendLen appends the length that introduces a string of n bytes.
func appendLen(dst []byte, n int) []byte {
	return append(strconv.AppendInt(dst, int64(n), 10), ':')
}

func addrSize(ap netip.AddrPort) int {
	if ap.Addr().Is4() {
		return 6
	}
	return 18
}

func appendAddr(dst []byte, ap netip.AddrPort) []byte {
	if a := ap.Addr(); a.Is4() {
		b := a.As4()
		dst = append(dst, b[:]...)
	} else {
		b := a.As16()
		dst = append(dst, b[:]...)
	}
	return append(dst, byte(ap.Port()>>8), byte(ap.Port()))
}
