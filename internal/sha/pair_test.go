package sha

import (
	"bytes"
	"testing"
)

func TestPairsAgreeAtEveryLength(t *testing.T) {
	data := make([]byte, 1000)
	for i := range data {
		data[i] = byte(i*i + 3*i)
	}
	for n := range 400 {
		for _, m := range []int{n, n + 1, 0} { // of one length, and of two
			p, q := data[:n], data[500:500+m]
			if x, y := Sum256Pair(p, q); x != Sum256(p) || y != Sum256(q) {
				t.Fatalf("SHA-256 of %d and %d bytes differ", n, m)
			}
		}
	}
}

func FuzzPair(f *testing.F) {
	f.Add([]byte("abc"), []byte("abd"))
	f.Add(bytes.Repeat([]byte{0xff}, 1<<14), bytes.Repeat([]byte{1}, 1<<14))
	f.Fuzz(func(t *testing.T, p, q []byte) {
		n := min(len(p), len(q))
		p, q = p[:n], q[:n]
		if x, y := Sum256Pair(p, q); x != Sum256(p) || y != Sum256(q) {
			t.Fatal("differs")
		}
	})
}

func BenchmarkSum256Pair(b *testing.B) {
	p, q := make([]byte, 16<<10), make([]byte, 16<<10)
	b.SetBytes(32 << 10)
	for b.Loop() {
		Sum256Pair(p, q)
	}
}
