//go:build !js

package mse

import (
	"bytes"
	stdlib "crypto/rc4"
	"math/rand/v2"
	"testing"
)

// However a stream is cut, it is what crypto/rc4 makes of it.
func TestRC4IsAsTheLibrarys(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 5, 16, 20, 256} {
		key, in := make([]byte, n), make([]byte, 100_000)
		chance(uint64(n)).Read(key)
		chance(uint64(n) + 1).Read(in)
		want := make([]byte, len(in))
		lib, err := stdlib.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		lib.XORKeyStream(want, in)
		ours, got := newRC4(key), bytes.Clone(in)
		for at := 0; at < len(got); {
			k := min(rng.IntN(40)*rng.IntN(40), len(got)-at)
			ours.xor(got[at:at+k], got[at:at+k])
			at += k
		}
		if !bytes.Equal(got, want) {
			t.Errorf("a key of %d bytes: the streams differ", n)
		}
	}
}

func BenchmarkRC4(b *testing.B) {
	buf := make([]byte, 16<<10)
	b.Run("ours", func(b *testing.B) {
		c := newRC4([]byte("a key"))
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			c.xor(buf, buf)
		}
	})
	b.Run("library", func(b *testing.B) {
		c, _ := stdlib.NewCipher([]byte("a key"))
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			c.XORKeyStream(buf, buf)
		}
	})
}
