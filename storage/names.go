//go:build !js

package storage

import (
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/shoal-p2p/shoal/metainfo"
)

// localNames returns the name of every file below the target folder, "" for
// padding. metainfo has made paths safe and told them apart already; a store that
// writes to disk checks again, because only it knows the rules of this system.
func localNames(info *metainfo.Info) ([]string, error) {
	names, err := namesOf(info, func(int) []string { return nil })
	if err == nil && runtime.GOOS == "darwin" {
		tellApart(names)
	}
	return names, err
}

// sourceNames returns the names under which the torrent's files are found where
// it was made: as the torrent spells them, where this system can have such files.
func sourceNames(info *metainfo.Info) ([]string, error) {
	return namesOf(info, func(i int) []string {
		path := info.RawPath(i)
		if !info.Single {
			path = append([]string{info.RawName()}, path...)
		}
		for _, part := range path {
			if local, ok := localName(part, runtime.GOOS == "windows"); !ok || local != part {
				return nil
			}
		}
		return path
	})
}

// namesOf returns the names that instead has for files, or their own where it has
// none.
func namesOf(info *metainfo.Info, instead func(int) []string) ([]string, error) {
	names := make([]string, len(info.Files))
	folds := runtime.GOOS == "windows" || runtime.GOOS == "darwin"
	seen := make(map[string]string)
	for i := range info.Files {
		f := &info.Files[i]
		if f.Pad {
			continue
		}
		parts := append([]string(nil), instead(i)...)
		if len(parts) == 0 {
			if !info.Single {
				parts = append(parts, info.Name)
			}
			parts = append(parts, f.Path...)
		}
		if len(parts) == 0 {
			return nil, &Error{Kind: ErrName, Op: "create", Path: "file " + strconv.Itoa(i), Detail: "it has no name"}
		}
		for k, part := range parts {
			local, ok := localName(part, runtime.GOOS == "windows")
			if !ok {
				return nil, &Error{Kind: ErrOutside, Op: "create", Path: strconv.Quote(strings.Join(parts, "/"))}
			}
			parts[k] = local
		}
		name := filepath.Join(parts...)
		if !filepath.IsLocal(name) {
			return nil, &Error{Kind: ErrOutside, Op: "create", Path: strconv.Quote(name)}
		}
		key := name
		if folds {
			// One file on this disk, two in the torrent: each would
			// destroy the other. The dotted capital I is no other case of
			// "i" there, though Go says so.
			key = strings.ToLower(strings.ReplaceAll(name, "\u0130", "\x00"))
		}
		if other, dup := seen[key]; dup {
			return nil, &Error{Kind: ErrName, Op: "create", Path: name, Detail: "it is the same file as " + other}
		}
		seen[key] = name
		names[i] = name
	}
	return names, nil
}

// localName returns one path component as this system can hold it, false when
// it is none.
func localName(part string, windows bool) (string, bool) {
	if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "/\x00") {
		return "", false
	}
	if windows {
		return metainfo.PortableName(part), true
	}
	return part, true
}
