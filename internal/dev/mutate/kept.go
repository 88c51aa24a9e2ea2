//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A keptChange is a change with a meaning, that a tester which knows only
// syntax would not think of. Each stands for a fault that once went unnoticed.
type keptChange struct {
	name     string // what goes wrong
	below    string // the folder of the package, or one above
	old, new string // old occurs exactly once below that folder, but for tests
}

// kept are the changes that must be noticed.
var kept = slices.Concat(keptBytes, keptPeers, keptRest)

// find looks the change up in the sources as they are.
func (k *keptChange) find(root string, all []*target) (*mutant, error) {
	var found *mutant
	for _, t := range all {
		if !chosen(t.path, k.below) {
			continue
		}
		for _, file := range t.files {
			src, err := os.ReadFile(filepath.Join(root, file))
			if err != nil {
				return nil, err
			}
			n := strings.Count(string(src), k.old)
			if n > 1 || n == 1 && found != nil {
				return nil, fmt.Errorf("%s: its old text is below %s more than once, a longer one is needed:\n%s", k.name, k.below, k.old)
			}
			if n == 0 {
				continue
			}
			at := strings.Index(string(src), k.old)
			found = &mutant{
				pkg: t, file: file, line: 1 + strings.Count(string(src[:at]), "\n"),
				start: at, end: at + len(k.old), was: k.old, now: k.new, name: k.name,
			}
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s: its old text is nowhere below %s; the code has changed, so must internal/dev/mutate/kept_*.go:\n%s", k.name, k.below, k.old)
	}
	return found, nil
}
