//go:build !js

package storage

import (
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// tellApart numbers the files whose names are one on macOS because they differ
// only in how letters with accents are spelled, as one code point or as several.
// Other systems keep them apart, and so do their names elsewhere: what Unicode's
// tables weigh is not linked into the tab.
func tellApart(names []string) {
	if !hasAccents(names) {
		return
	}
	owner := make(map[string]int)
	for i, name := range names {
		key := sameOnMac(name)
		if _, ok := owner[key]; !ok {
			owner[key] = i
		}
	}
	next := make(map[string]int) // number to try, by name
	for i, name := range names {
		first := sameOnMac(name)
		if name == "" || owner[first] == i {
			continue
		}
		ext := filepath.Ext(name)
		for {
			next[first]++
			fresh := strings.TrimSuffix(name, ext) + "." + strconv.Itoa(next[first]) + ext
			key := sameOnMac(fresh)
			if _, ok := owner[key]; !ok {
				owner[key], names[i] = i, fresh
				break
			}
		}
	}
}

// hasAccents reports whether a name has more than ASCII, without which there is
// only one way to spell it.
func hasAccents(names []string) bool {
	for _, name := range names {
		for k := range len(name) {
			if name[k] >= 0x80 {
				return true
			}
		}
	}
	return false
}

// sameOnMac returns one string for all names that are one file on macOS.
func sameOnMac(name string) string { return strings.ToLower(norm.NFD.String(name)) }
