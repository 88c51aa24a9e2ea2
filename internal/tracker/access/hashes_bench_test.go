package access

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

func BenchmarkHashList(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([][20]byte, 1<<20)
	var text strings.Builder
	for i := range all {
		for j := range all[i] {
			all[i][j] = byte(r.Uint32())
		}
		text.WriteString(hex.EncodeToString(all[i][:]) + "\n")
	}
	sorted, err := parseHashes(strings.NewReader(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	var l HashList
	l.set.Store(newHashSet(sorted))
	b.Run("load 1M", func(b *testing.B) {
		for b.Loop() {
			sorted, _ := parseHashes(strings.NewReader(text.String()))
			newHashSet(sorted)
		}
	})
	b.Run("has of 1M", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i += 7919
			if !l.Has(all[i%len(all)]) {
				b.Fatal("missing")
			}
		}
	})
}
