package metainfo

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// checkDuplicates agrees with the definition on small random lists, in any
// order.
func TestCheckDuplicates(t *testing.T) {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, 0))
	found := 0
	for range 20000 {
		files := make([]File, 2+rnd.IntN(5))
		for k := range files {
			files[k].Path = strings.Split([]string{
				"a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/a/b", "a/b/a", "a b", "a-/x", "c/a", "c/b/d", "c/b/e",
			}[rnd.IntN(13)], "/")
			files[k].Pad = rnd.IntN(8) == 0
		}
		if rnd.IntN(2) == 0 {
			slices.SortFunc(files, func(a, b File) int { return comparePaths(a.Path, b.Path) })
		}
		want := false
		for x := range files {
			for y := range files {
				if x != y && !files[x].Pad && !files[y].Pad && hasPrefix(files[y].Path, files[x].Path) {
					want = true
				}
			}
		}
		if want {
			found++
		}
		if err := checkDuplicates(files); (err != nil) != want {
			t.Fatalf("seed %d: %v for %v", seed, err, files)
		}
	}
	if found < 1000 || found > 19000 {
		t.Errorf("%d of 20000 lists have a clash", found)
	}
}
