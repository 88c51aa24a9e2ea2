package httpfile

import (
	"strings"
	"testing"
)

// The same cases as web/test/range.test.ts: a tab answers as we do, but for several
// ranges, where it sends the whole file.
func TestCanonicalRange(t *testing.T) {
	for _, c := range []struct {
		header string
		size   int64
		want   string
	}{
		{"bytes=0-", 100, "bytes=0-99"},
		{"bytes=0-1", 100, "bytes=0-1"},
		{"bytes=90-200", 100, "bytes=90-99"},
		{"bytes=99-99", 100, "bytes=99-99"},
		{"bytes=-10", 100, "bytes=90-99"},
		{"bytes=-200", 100, "bytes=0-99"},
		{"BYTES = 5 - 6", 100, "bytes=5-6"},
		{"Bytes=0-1", 100, "bytes=0-1"},
		{"bytes=0-18446744073709551615", 100, "bytes=0-99"},
		{"bytes=1-99999999999999999999", 100, "bytes=1-99"},
		{"bytes=-99999999999999999999", 100, "bytes=0-99"},
		{"bytes=007-0008", 100, "bytes=7-8"},
		{"bytes=,0-1 ,\t", 100, "bytes=0-1"},
		{"bytes=0-1,500-", 100, "bytes=0-1"},
		{"bytes=0-1,5-6", 100, "bytes=0-1,5-6"},
		{"bytes=5-6, -0, 0-1", 100, "bytes=5-6,0-1"},
		// Not satisfiable, which http.ServeContent sees from where it begins.
		{"bytes=100-", 100, "bytes=100-"},
		{"bytes=-0", 100, "bytes=100-"},
		{"bytes=-0,200-", 100, "bytes=100-"},
		{"bytes=99999999999999999999-", 100, "bytes=100-"},
		// The whole body.
		{"", 100, ""},
		{"bytes", 100, ""},
		{"bytes=", 100, ""},
		{"bytes=,", 100, ""},
		{"bytes=-", 100, ""},
		{"bytes=9-5", 100, ""},
		{"bytes=0-1,9-5", 100, ""},
		{"bytes=5", 100, ""},
		{"bytes=--5", 100, ""},
		{"bytes=+1-2", 100, ""},
		{"bytes=0x1-2", 100, ""},
		{"bytes=1-2x", 100, ""},
		{"items=0-1", 100, ""},
		{"npt=10-20", 100, ""},
		{"kilobytes=0-1", 100, ""},
		{"bytes=0-", 0, ""},
		{"bytes=-1", 0, ""},
		{"bytes=" + strings.Repeat("0-1,", maxRanges), 100, "bytes=" + strings.TrimSuffix(strings.Repeat("0-1,", maxRanges), ",")},
		{"bytes=" + strings.Repeat("0-1,", maxRanges+1), 100, ""},
	} {
		if got := canonicalRange(c.header, c.size); got != c.want {
			t.Errorf("%q of %d bytes: %q, want %q", c.header, c.size, got, c.want)
		}
	}
}

func FuzzCanonicalRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-0", "bytes=9-,-3", "npt=1-2", "bytes=0-18446744073709551615"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		got := canonicalRange(header, size)
		if again := canonicalRange(got, size); again != got {
			t.Errorf("%q becomes %q, that %q", header, got, again)
		}
	})
}
