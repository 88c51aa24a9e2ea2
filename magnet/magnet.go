// Package magnet reads and writes magnet links to torrents.
//
//	magnet:?xt=urn:btih:<40 hex or 32 base32 digits>   v1 info hash (BEP 9)
//	       &xt=urn:btmh:1220<64 hex digits>            v2 info hash (BEP 52)
//	       &dn=<name>&xl=<bytes>&tr=<tracker>&ws=<web seed>&xs=<.torrent>
//	       &x.pe=<host:port>&so=<file>,<first>-<last>  peers, selection (BEP 53)
//
// Values are percent-encoded. Parameters may carry a number (tr.1), may come
// in any order, and unknown ones are ignored.
package magnet

import (
	"errors"
	"slices"
	"strconv"

	"github.com/shoal-p2p/shoal/metainfo"
)

// The limits of what is accepted.
const (
	MaxLength = 64 << 10 // bytes of a link
	MaxList   = 256      // trackers, web seeds, sources, peers; more are left out
	MaxRanges = 4096     // ranges of a selection; more are left out
)

// What can be wrong with a link. Every error of this package is an *Error that
// wraps one of these.
var (
	ErrScheme   = errors.New("not a magnet link")
	ErrTooLong  = errors.New("link is over the size limit")
	ErrInfoHash = errors.New("malformed info hash")
	ErrNoHash   = errors.New("no BitTorrent info hash")
)

// Error says what is wrong with a link, and in which parameter.
type Error struct {
	Err   error
	Param string // "" for the whole link
}

func (e *Error) Error() string {
	if e.Param == "" {
		return "magnet: " + e.Err.Error()
	}
	return "magnet: " + e.Param + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Range is a range of file indices, both ends included.
type Range struct{ First, Last int }

// Magnet is a link to a torrent. At least one hash is set.
type Magnet struct {
	HashV1   *metainfo.Hash
	HashV2   *metainfo.Hash256
	Name     string   // for display only
	Length   int64    // bytes, 0 is unknown
	Trackers []string // each a tier of its own
	WebSeeds []string
	Sources  []string // where a .torrent can be had
	Peers    []string // host:port, IPv6 hosts in brackets
	Select   []Range  // the files wanted; none is all
	LeftOut  []string // by Parse: the parameters that are malformed, as they came; String has none
}

// Of returns the link to a torrent.
func Of(t *metainfo.Torrent) Magnet {
	m := Magnet{Name: t.Info.Name, Length: t.Info.TotalSize(), WebSeeds: slices.Clone(t.WebSeeds)}
	if t.Info.HasV1 {
		h := t.Info.HashV1
		m.HashV1 = &h
	}
	if t.Info.HasV2 {
		h := t.Info.HashV2
		m.HashV2 = &h
	}
	for _, tier := range t.Announce {
		m.Trackers = append(m.Trackers, tier...)
	}
	return m
}

// Key returns the main key of the swarm: the v1 info hash where there is one,
// else the v2 one cut to 20 bytes.
func (m *Magnet) Key() metainfo.Hash {
	switch {
	case m.HashV1 != nil:
		return *m.HashV1
	case m.HashV2 != nil:
		return m.HashV2.Short()
	}
	return metainfo.Hash{}
}

// SwarmHashes returns every key under which the swarm is found, v1 first.
func (m *Magnet) SwarmHashes() []metainfo.Hash {
	var out []metainfo.Hash
	if m.HashV1 != nil {
		out = append(out, *m.HashV1)
	}
	if m.HashV2 != nil {
		out = append(out, m.HashV2.Short())
	}
	return out
}

// Wants reports whether the link selects a file.
func (m *Magnet) Wants(file int) bool {
	if len(m.Select) == 0 {
		return true
	}
	for _, r := range m.Select {
		if r.First <= file && file <= r.Last {
			return true
		}
	}
	return false
}

// String returns the link in canonical form: hexadecimal hashes, parameters in
// the order of the package comment.
func (m *Magnet) String() string {
	b := append(make([]byte, 0, 256), "magnet:?"...)
	param := func(key string) {
		if b[len(b)-1] != '?' {
			b = append(b, '&')
		}
		b = append(b, key...)
		b = append(b, '=')
	}
	list := func(key string, values []string) {
		for _, v := range values {
			param(key)
			b = appendEscaped(b, v)
		}
	}
	if m.HashV1 != nil {
		param("xt")
		b = append(b, "urn:btih:"+m.HashV1.String()...)
	}
	if m.HashV2 != nil {
		param("xt")
		b = append(b, "urn:btmh:1220"+m.HashV2.String()...)
	}
	if m.Name != "" {
		list("dn", []string{m.Name})
	}
	if m.Length > 0 {
		param("xl")
		b = strconv.AppendInt(b, m.Length, 10)
	}
	list("tr", m.Trackers)
	list("ws", m.WebSeeds)
	list("xs", m.Sources)
	for _, p := range m.Peers {
		// Host and port stay as they are: libtorrent does not decode them.
		param("x.pe")
		b = append(b, p...)
	}
	if len(m.Select) > 0 {
		param("so")
		for k, r := range m.Select {
			if k > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(r.First), 10)
			if r.Last != r.First {
				b = append(b, '-')
				b = strconv.AppendInt(b, int64(r.Last), 10)
			}
		}
	}
	return string(b)
}
