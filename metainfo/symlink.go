package metainfo

import (
	"slices"

	"github.com/shoal-p2p/shoal/internal/bencode"
)

// link is a symlink as the torrent has it.
type link struct {
	path   []string
	target []string // cleaned, but for ".."; empty where there is none
}

// Bounds of what resolving links may cost: libtorrent's own torrents of macOS
// frameworks lead over two links, packages of Node have thousands of links.
const (
	maxLinkRounds = 8       // links that one may lead over
	maxLinkSteps  = 4 << 20 // components looked at for all links together
)

// readLink keeps a symlink until all paths are known.
func (l *fileList) readLink(path []string, target bencode.Value) error {
	if len(l.links) >= MaxFiles {
		return &Error{Err: ErrTooMany, Where: "info", Msg: "too many symlinks"}
	}
	k := link{path: l.path(path)}
	for s := range target.List() {
		raw, ok := s.Bytes()
		if !ok || len(k.target) == MaxPathDepth {
			k.target = nil
			break
		}
		name := cleanName(raw)
		if string(raw) == ".." {
			name = ".."
		}
		if name != "" {
			k.target = append(k.target, name)
		}
	}
	l.links = append(l.links, k)
	return nil
}

// resolver finds out which links lead to something in the torrent.
type resolver struct {
	names *names
	links []link
	at    map[pathHash]int // index of links that could be made
	done  []bool           // the link leads to its target
	steps int
}

// resolveLinks returns the links whose path is free and whose target is a
// file, a folder or such a link of the torrent. The target's path begins at
// the torrent's folder (BEP 47) or, as some programs write it, at the link's.
func resolveLinks(u *names, links []link) (out []Symlink) {
	r := resolver{names: u, links: links, at: make(map[pathHash]int), done: make([]bool, len(links))}
	var open []int
	for k := range links {
		h := hashStart.of(links[k].path)
		if _, twice := r.at[h]; !twice && u.at[h] == 0 && len(links[k].target) > 0 {
			r.at[h] = k
			open = append(open, k)
		}
	}
	for range maxLinkRounds {
		n := len(open)
		open = slices.DeleteFunc(open, r.resolve)
		if len(open) == n {
			break
		}
	}
	for k := range links {
		if r.done[k] {
			out = append(out, Symlink{Path: links[k].path, Target: links[k].target})
		}
	}
	return out
}

// resolve settles a link's target if it can be followed by now.
func (r *resolver) resolve(k int) bool {
	l := &r.links[k]
	if !slices.Contains(l.target, "..") && r.leads(l.target) {
		r.done[k] = true
		return true
	}
	path := slices.Clone(l.path[:len(l.path)-1])
	for _, name := range l.target {
		switch {
		case name != "..":
			path = append(path, name)
		case len(path) == 0:
			return false // outside
		default:
			path = path[:len(path)-1]
		}
	}
	if len(path) == 0 || len(path) > MaxPathDepth || !r.leads(path) {
		return false
	}
	l.target, r.done[k] = path, true
	return true
}

// leads follows a path over links that are done to something that exists.
func (r *resolver) leads(path []string) bool {
follow:
	for range maxLinkRounds {
		h := hashStart
		for n, name := range path {
			if r.steps++; r.steps > maxLinkSteps {
				return false
			}
			h = h.add(name)
			k, isLink := r.at[h]
			switch {
			case !isLink:
				continue
			case !r.done[k]:
				return false
			case n == len(path)-1:
				return true
			}
			path = append(slices.Clone(r.links[k].target), path[n+1:]...)
			continue follow
		}
		return r.names.at[h] != 0
	}
	return false
}
