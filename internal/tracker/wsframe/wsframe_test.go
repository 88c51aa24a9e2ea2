package wsframe

import (
	"bytes"
	"errors"
	"testing"
)

func TestHeaders(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		b := AppendHeader(nil, Text, n%2 == 0, n)
		h, used, err := ParseHeader(b)
		if err != nil || used != len(b) || h.Len != n || h.Op != Text || !h.Fin || h.RSV1 != (n%2 == 0) || h.Masked {
			t.Errorf("%d: %+v, %d of %d, %v", n, h, used, len(b), err)
		}
		for i := range b {
			if _, used, err := ParseHeader(b[:i]); used != 0 || err != nil {
				t.Errorf("%d: %d bytes give %d, %v", n, i, used, err)
			}
		}
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"RSV2":                  {[]byte{0xa1, 0}, ErrReserved},
		"RSV3":                  {[]byte{0x91, 0}, ErrReserved},
		"opcode 3":              {[]byte{0x83, 0}, ErrReserved},
		"opcode 11":             {[]byte{0x8b, 0}, ErrReserved},
		"ping in parts":         {[]byte{0x09, 0}, ErrControl},
		"deflated ping":         {[]byte{0xc9, 0}, ErrControl},
		"ping of 126 bytes":     {[]byte{0x89, 126, 0, 126}, ErrControl},
		"125 bytes in two":      {[]byte{0x81, 126, 0, 125}, ErrLength},
		"65535 bytes in eight":  {[]byte{0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, ErrLength},
		"an unthinkable length": {[]byte{0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, ErrLength},
		"two GiB, one too many": {[]byte{0x81, 127, 0, 0, 0, 0, 0x80, 0, 0, 0}, ErrLength},
	} {
		if _, n, err := ParseHeader(c.b); !errors.Is(err, c.want) || n != 0 {
			t.Errorf("%s: %d, %v, want %v", name, n, err, c.want)
		}
	}
}

func TestXor(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	for n := range 100 {
		b := bytes.Repeat([]byte{0x55}, n)
		Xor(b, mask)
		for i := range b {
			if b[i] != 0x55^mask[i%4] {
				t.Fatalf("%d bytes: wrong at %d", n, i)
			}
		}
	}
}

func TestClose(t *testing.T) {
	b := AppendClose(nil, ClosePolicy, string(bytes.Repeat([]byte{'x'}, 200)))
	h, n, err := ParseHeader(b)
	if err != nil || h.Op != Close || h.Len != MaxControl || len(b) != n+h.Len || b[n] != 1008>>8 || b[n+1] != 1008&255 {
		t.Errorf("%+v %d %v", h, n, err)
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte{0x81, 0xfe, 0x01, 0x00, 1, 2, 3, 4})
	f.Add([]byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := ParseHeader(b)
		if n > len(b) || n > MaxHeader || err != nil && n != 0 || h.Len < 0 {
			t.Fatalf("%+v %d %v", h, n, err)
		}
		if n > 0 && !h.Masked && h.Fin && !bytes.Equal(AppendHeader(nil, h.Op, h.RSV1, h.Len), b[:n]) {
			t.Fatalf("%x is not what is written for %+v", b[:n], h)
		}
	})
}

func BenchmarkXor(b *testing.B) {
	buf := make([]byte, 1400)
	b.SetBytes(1400)
	for b.Loop() {
		Xor(buf, [4]byte{1, 2, 3, 4})
	}
}
