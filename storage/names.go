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
// padding. metainfo has refused unsafe paths already; a store that writes to
// disk checks again, because only it knows the rules of this system.
func localNames(info *metainfo.Info) ([]string, error) {
	names := make([]string, len(info.Files))
	folds := runtime.GOOS == "windows" || runtime.GOOS == "darwin"
	seen := make(map[string]string)
	for i := range info.Files {
		f := &info.Files[i]
		if f.Pad {
			continue
		}
		parts := make([]string, 0, 1+len(f.Path))
		if !info.Single {
			parts = append(parts, info.Name)
		}
		parts = append(parts, f.Path...)
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
			// destroy the other.
			key = strings.ToLower(name)
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
	if !windows {
		return part, true
	}
	// A colon would name an alternate stream of another file; a dot or space
	// at the end is dropped by Windows, which makes two names one.
	out := strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`<>:"\|?*`, r) {
			return '_'
		}
		return r
	}, part)
	if last := out[len(out)-1]; last == '.' || last == ' ' {
		out = out[:len(out)-1] + "_"
	}
	return out, true
}
