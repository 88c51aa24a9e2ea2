package webseed

import (
	"errors"
	"strconv"
	"strings"

	"github.com/shoal-p2p/shoal/metainfo"
)

// Errors of an address that cannot be asked.
var (
	ErrAddress = errors.New("a web seed's address must begin with http:// or https:// and a host")
	ErrPieces  = errors.New("a BEP 17 seed serves torrents of version 1 only")
)

const maxAddress = 4096 // bytes: what servers accept, and more than anybody uses

// Part is what one HTTP request brings of a flight, or padding that is made here.
type Part struct {
	URL    string // "" for padding: zeros
	From   int64  // first byte of the file; of BEP 17, of the answer, so 0
	Length int64  // bytes wanted
	Size   int64  // bytes of the whole file
	Ranged bool   // less than the whole is wanted: ask with a Range header
	Pieces bool   // BEP 17: the answer is just what was asked for
	file   int
}

// address is a web seed's URL, cut where the names of files go.
type address struct {
	base  string // ends in "/" where names follow
	query string // "?..." or ""
	names bool   // file names are appended
}

// parseAddress checks a URL and makes it one that HTTP can carry: spaces and
// other bytes that do not belong there are escaped.
func parseAddress(raw string, single bool) (a address, err error) {
	raw, _, _ = strings.Cut(raw, "#")
	scheme, rest, ok := strings.Cut(raw, "://")
	if s := strings.ToLower(scheme); !ok || s != "http" && s != "https" || len(raw) > maxAddress {
		return a, ErrAddress
	}
	if end := strings.IndexAny(rest, "/?"); end == 0 || rest == "" || strings.ContainsAny(rest[:max(end, 0)], " \t\r\n\\") {
		return a, ErrAddress
	}
	base, query, found := strings.Cut(raw, "?")
	if found {
		query = "?" + query
	}
	if strings.IndexByte(base[len(scheme)+3:], '/') < 0 {
		base += "/"
	}
	a.names = !single || strings.HasSuffix(base, "/")
	if !strings.HasSuffix(base, "/") && a.names {
		base += "/"
	}
	a.base = string(appendEscaped(nil, base, false))
	a.query = string(appendEscaped(nil, query, false))
	return a, nil
}

// url is where a file is (BEP 19), under the name that the torrent has for it.
func (a *address) url(i *metainfo.Info, file int) string {
	if !a.names {
		return a.base + a.query
	}
	b := appendEscaped([]byte(a.base), i.RawName(), true)
	if !i.Single {
		for _, e := range i.RawPath(file) {
			b = appendEscaped(append(b, '/'), e, true)
		}
	}
	return string(append(b, a.query...))
}

// pieceURL is where part of a piece is (BEP 17). The whole piece is asked for
// without naming a range, which every server understands.
func (a *address) pieceURL(i *metainfo.Info, index int, from, length int64) string {
	b := append([]byte(a.base), a.query...)
	if a.query == "" {
		b = append(b, '?')
	} else {
		b = append(b, '&')
	}
	b = append(b, "info_hash="...)
	b = appendEscaped(b, string(i.HashV1[:]), true)
	b = strconv.AppendInt(append(b, "&piece="...), int64(index), 10)
	if length < i.PieceSpan(index) {
		b = strconv.AppendInt(append(b, "&ranges="...), from, 10)
		b = strconv.AppendInt(append(b, '-'), from+length-1, 10)
	}
	return string(b)
}

// appendEscaped percent-encodes what a URL may not hold. A name is encoded down
// to the unreserved characters of RFC 3986; in a URL its own syntax stays.
func appendEscaped(b []byte, s string, name bool) []byte {
	const hex = "0123456789ABCDEF"
	for k := range len(s) {
		c := s[k]
		plain := c > ' ' && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\'
		if name {
			plain = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
		}
		if plain {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// parts are the requests that bring [off, off+n) of the piece space.
func (m *Machine) parts(off, n int64) (parts []Part) {
	info := m.cfg.Info
	if m.cfg.Pieces {
		for n > 0 {
			index := off / info.PieceLength
			from := off - index*info.PieceLength
			k := min(n, info.PieceSpan(int(index))-from)
			parts = append(parts, Part{URL: m.at.pieceURL(info, int(index), from, k), Length: k, Size: k, Pieces: true})
			off, n = off+k, n-k
		}
		return parts
	}
	for _, s := range info.AppendSpans(nil, off, n) {
		f := &info.Files[s.File]
		p := Part{From: s.FileOffset, Length: s.Length, Size: f.Length, Ranged: s.Length < f.Length, file: s.File}
		if !s.Pad {
			p.URL = m.at.url(info, s.File)
		}
		parts = append(parts, p)
	}
	return parts
}
