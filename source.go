//go:build !js

package shoal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Source names a torrent. [ParseSource] and [Link] take whatever a user may have
// at hand, [FromTorrent], [FromMagnet] and [FromHash] what a program has. The
// zero value names nothing.
type Source struct {
	text    string            // as it was given
	magnet  magnet.Magnet     // the hash, where it is known, and hints
	torrent *metainfo.Torrent // nil: not known or not fetched yet
	file    string            // of a .torrent to be read
	guess   bool              // file may be something else that was mistyped
	at      *url.URL          // of a .torrent to be fetched, or of a node's page
	page    bool              // at is a node's page, magnet has the hash
	err     error             // of Link
}

// ParseSource reads the name of a torrent:
//
//	magnet:?xt=urn:btih:...           a magnet link (BEP 9, 53)
//	0123abcd...                       an info hash: 40 or 64 hexadecimal digits, 32 base32 ones
//	http://host:8080/#0123abcd...     the link of a Shoal page, which names its node too
//	http://host/#magnet:?...          a magnet link behind a page
//	https://host/film.torrent         the address of a .torrent, or one that redirects to a magnet link
//	film.torrent                      a .torrent on disk; write ./NAME where NAME looks like a hash
//
// Nothing is read or fetched yet: see [Source.Fetch]. The error says which part of
// s is wrong.
func ParseSource(s string) (Source, error) {
	link := strings.TrimSpace(s)
	switch {
	case hasScheme(link, "magnet:"):
		return parseMagnet(link)
	case hasScheme(link, "http://"), hasScheme(link, "https://"):
		return parseURL(link)
	}
	if m, err := magnet.ParseHash(link); err == nil {
		return FromMagnet(m), nil
	}
	if s == "" {
		return Source{}, errNoSource
	}
	return Source{text: s, file: s, guess: true}, nil
}

// Link is [ParseSource] for calls in one line: what is wrong with s is the error
// of [Client.Add].
func Link(s string) Source {
	src, err := ParseSource(s)
	if err != nil {
		return Source{text: s, err: err}
	}
	return src
}

// FromTorrent names a torrent that is in memory. It must not be changed any more.
func FromTorrent(t *metainfo.Torrent) Source {
	return Source{text: t.Info.Name, torrent: t, magnet: magnet.Magnet{Name: t.Info.Name}}
}

// FromMagnet names a torrent by a magnet link that was parsed before.
func FromMagnet(m magnet.Magnet) Source { return Source{text: m.Name, magnet: m} }

// FromHash names a torrent by its info hash, of version 1 or cut from version 2.
func FromHash(h metainfo.Hash) Source { return FromMagnet(magnet.Magnet{HashV1: &h}) }

// FromFile names a torrent by the path of a .torrent file.
func FromFile(path string) Source { return Source{text: path, file: path} }

var errNoSource = errors.New("no torrent is named: give a magnet link, an info hash, a .torrent file or its address")

// String is what to call the torrent in messages: its name where that is known,
// else the info hash, the path or the address.
func (s Source) String() string {
	if s.text == "" && s.magnet.Key() != (metainfo.Hash{}) {
		return s.magnet.Key().String()
	}
	return s.text
}

// Torrent is the .torrent, nil where it is not known, or not before [Source.Fetch].
func (s Source) Torrent() *metainfo.Torrent { return s.torrent }

// Magnet is what a link says: the info hash, trackers, peers and the selection of
// files (BEP 53). Of a .torrent it is [magnet.Of].
func (s Source) Magnet() magnet.Magnet {
	if s.torrent == nil {
		return s.magnet
	}
	m := magnet.Of(s.torrent)
	m.Trackers = append(m.Trackers, slices.Concat(tiers(s.torrent.Announce, s.magnet.Trackers)...)...)
	m.Peers, m.Select = s.magnet.Peers, s.magnet.Select
	return m
}

// Page reports whether the source is the link of a Shoal page, so that the node
// behind it is a peer.
func (s Source) Page() bool { return s.page }

// Hosts lists the "host:port" of everything that the source names: trackers,
// peers, web seeds, the server of a page or a .torrent. Port 0 stands for the default
// one.
func (s Source) Hosts() []string {
	m := s.Magnet()
	hosts := append([]string(nil), m.Peers...)
	if s.at != nil {
		hosts = append(hosts, hostPort(s.at))
	}
	for _, tr := range slices.Concat(m.Trackers, m.WebSeeds, httpSeeds(s.torrent)) {
		if u, err := url.Parse(tr); err == nil {
			hosts = append(hosts, hostPort(u))
		}
	}
	return hosts
}

// httpSeeds are the web seeds of an older kind (BEP 17), which no magnet link names.
func httpSeeds(t *metainfo.Torrent) []string {
	if t == nil {
		return nil
	}
	return t.HTTPSeeds
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "0"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// Fetch reads the .torrent file or fetches it over HTTP, where the source is one,
// and asks the node behind a page for it. Add does the same; a program calls Fetch
// to learn about a torrent without joining it. A source that needs nothing is
// returned as it is. Files and answers are bounded by metainfo.MaxTorrentSize, an
// answer may take 30 seconds.
func (s Source) Fetch(ctx context.Context) (Source, error) {
	switch {
	case s.err != nil:
		return s, s.err
	case s.torrent != nil:
		return s, nil
	case s.file != "":
		return s.read()
	case s.page:
		return s.askNode(ctx)
	case s.at != nil:
		t, err := fetchTorrent(ctx, s.at)
		if to, ok := errors.AsType[*magnetRedirect](err); ok {
			return parseMagnet(to.link)
		}
		s.torrent = t
		return s, err
	case s.magnet.Key() == (metainfo.Hash{}):
		return s, errNoSource
	}
	return s, nil
}

func (s Source) read() (Source, error) {
	st, err := os.Stat(s.file)
	if s.guess && errors.Is(err, os.ErrNotExist) {
		return s, fmt.Errorf("%s is neither a link, a magnet link, an info hash nor a file: %w", s.file, plainCause(err))
	}
	if err != nil {
		return s, fmt.Errorf("cannot read %s: %w", s.file, plainCause(err))
	}
	if st.IsDir() {
		return s, fmt.Errorf("cannot read %s: it is a folder, not a .torrent file", s.file)
	}
	if st.Size() > metainfo.MaxTorrentSize {
		return s, fmt.Errorf("%s is no .torrent file: it is larger than %d MiB", s.file, metainfo.MaxTorrentSize>>20)
	}
	b, err := os.ReadFile(s.file)
	if err != nil {
		return s, fmt.Errorf("cannot read %s: %w", s.file, plainCause(err))
	}
	if s.torrent, err = metainfo.Parse(b); err != nil {
		return s, fmt.Errorf("%s is no valid .torrent file: %w", s.file, mistaken(b, err))
	}
	return s, nil
}

func parseMagnet(s string) (Source, error) {
	m, err := magnet.Parse(s)
	if err != nil {
		return Source{}, fmt.Errorf("%s is no valid magnet link: %w", brief(s), plainReason(err))
	}
	return FromMagnet(m), nil
}

// hasScheme reports whether s begins with a scheme, in whatever case.
func hasScheme(s, scheme string) bool {
	return len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme)
}

// brief keeps a link short enough for a message of one line.
func brief(s string) string {
	const most = 200 // bytes; what tells links from each other comes first
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// parseURL reads the link of a page (http://host/#<info hash>, or #magnet:...) or
// the URL of a .torrent. What follows # is no part of what the server sees, and a
// magnet link there has escapes of its own, so that it is not decoded as a URL's.
func parseURL(s string) (Source, error) {
	address, fragment, _ := strings.Cut(s, "#")
	u, err := url.Parse(address)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return Source{}, fmt.Errorf("%s is no URL: %w", brief(s), err)
	}
	if u.Host == "" {
		return Source{}, fmt.Errorf("%s names no host", brief(s))
	}
	if fragment == "" {
		return Source{text: s, at: u}, nil
	}
	if decoded, err := url.PathUnescape(fragment); err == nil && !hasScheme(fragment, "magnet:?") {
		fragment = decoded // by what passed it on; a hash is the same either way
	}
	if hasScheme(fragment, "magnet:") {
		return parseMagnet(fragment)
	}
	m, err := magnet.ParseHash(fragment)
	if err != nil {
		return Source{}, fmt.Errorf("%s is no share link: what follows # is no info hash", brief(s))
	}
	// The node behind a page is a tracker for what it shares.
	m.Trackers = []string{strings.Replace(u.Scheme, "http", "ws", 1) + "://" + u.Host + "/announce", u.Scheme + "://" + u.Host + "/announce"}
	return Source{text: m.Key().String(), magnet: m, at: u, page: true}, nil
}

// plainCause is the reason in a system error without the operation and path,
// which our own message names.
func plainCause(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		if errors.Is(pe.Err, syscall.ENOENT) {
			return errors.New("there is no such file or folder")
		}
		return pe.Err
	}
	return err
}

// plainReason is an error of one of our parsers without the package it comes from.
func plainReason(err error) error {
	return &parseError{strings.TrimPrefix(err.Error(), "magnet: "), err}
}

// mistaken is plainReason for bytes that are no torrent, in words for what people most
// often have instead of one.
func mistaken(b []byte, err error) error {
	head := string(bytes.TrimSpace(b[:min(len(b), 512)]))
	switch {
	case strings.HasPrefix(head, "<"):
		return &parseError{"it is a web page", err}
	case hasScheme(head, "magnet:"):
		return &parseError{"it holds a magnet link; give the link itself", err}
	case strings.HasPrefix(head, "\x1f\x8b"), strings.HasPrefix(head, "PK\x03\x04"):
		return &parseError{"it is compressed; unpack it first", err}
	}
	return plainReason(err)
}

// parseError keeps the cause for errors.Is behind a message for users.
type parseError struct {
	msg string
	err error
}

func (e *parseError) Error() string { return e.msg }
func (e *parseError) Unwrap() error { return e.err }
