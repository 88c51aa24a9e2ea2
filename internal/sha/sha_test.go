package sha

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"testing"
)

func TestSmallAgreesWithStandardLibraryAtEveryLength(t *testing.T) {
	data := make([]byte, 400)
	for i := range data {
		data[i] = byte(i * 7)
	}
	for n := range data {
		p := data[:n]
		if small1(p) != sha1.Sum(p) {
			t.Fatalf("SHA-1 of %d bytes differs", n)
		}
		if small256(p) != sha256.Sum256(p) {
			t.Fatalf("SHA-256 of %d bytes differs", n)
		}
	}
}

func FuzzSmall(f *testing.F) {
	f.Add([]byte("abc"), 1)
	f.Add(bytes.Repeat([]byte{0xff}, 130), 64)
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		cut = min(max(cut, 0), len(p))
		want := sha1.Sum(p)
		d := newSmall1()
		d.Write(p[:cut])
		d.Sum(nil) // must not disturb
		d.Write(p[cut:])
		if !bytes.Equal(d.Sum(nil), want[:]) {
			t.Fatal("SHA-1 in two parts differs")
		}
		if small256(p) != sha256.Sum256(p) {
			t.Fatal("SHA-256 differs")
		}
	})
}

func BenchmarkSum1(b *testing.B) {
	p := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		Sum1(p)
	}
}

func BenchmarkSum256(b *testing.B) {
	p := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		Sum256(p)
	}
}

func BenchmarkStandard(b *testing.B) {
	p := make([]byte, 1<<20)
	b.Run("sha1", func(b *testing.B) {
		b.SetBytes(1 << 20)
		for b.Loop() {
			sha1.Sum(p)
		}
	})
	b.Run("sha256", func(b *testing.B) {
		b.SetBytes(1 << 20)
		for b.Loop() {
			sha256.Sum256(p)
		}
	})
}
