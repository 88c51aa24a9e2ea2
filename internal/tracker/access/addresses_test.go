package access

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
)

func addresses(t *testing.T, text string) *AddressList {
	t.Helper()
	l, err := LoadAddresses(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func TestAddressList(t *testing.T) {
	for _, c := range []struct{ name, text, yes, no string }{
		{"networks", "192.0.2.0/24\n2001:db8::/33\n", "192.0.2.0 192.0.2.255 2001:db8:: 2001:db8:7fff:ffff::1", "192.0.1.255 192.0.3.0 2001:db8:8000:: 2001:db7:ffff:: ::"},
		{"a network that names a host", "192.0.2.77/24", "192.0.2.1 192.0.2.255", "192.0.3.1"},
		{"single addresses", "192.0.2.5\n2001:db8::5", "192.0.2.5 2001:db8::5 ::ffff:192.0.2.5", "192.0.2.4 192.0.2.6 2001:db8::4 2001:db8::6"},
		{"everything", "0.0.0.0/0\n::/0", "0.0.0.0 255.255.255.255 :: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 1.2.3.4", ""},
		{"one family", "::/0", "::1 2001::", "1.2.3.4 ::ffff:1.2.3.4"},
		{"IPv4 in IPv6", "::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9 ::c000:209"},
		{"comments and space", "\ufeff# a\n; b\n// c\n\n \t 192.0.2.1 # d\r\n192.0.2.3/32 ; SBL1\n", "192.0.2.1 192.0.2.3", "192.0.2.2"},
		{"ranges", "192.0.2.3-192.0.2.5\n2001:db8::3 - 2001:db8::5", "192.0.2.3 192.0.2.5 2001:db8::3 2001:db8::5", "192.0.2.2 192.0.2.6 2001:db8::2 2001:db8::6"},
		{"P2P text", "Some name:192.0.2.3-192.0.2.5\nA: b-c #1, d:198.51.100.7-198.51.100.7\n:10.0.0.1-10.0.0.2", "192.0.2.4 198.51.100.7 10.0.0.1", "192.0.2.6 198.51.100.8 10.0.0.3"},
		{"P2P text with IPv6", "Some name:2001:db8::3-2001:db8::5\nxyz: a:2001:db8:1::-2001:db8:1::1", "2001:db8::4 2001:db8:1::1", "2001:db8::6 ::3 db8::4"},
		{"eMule", "192.000.002.003 - 192.000.002.005 , 000 , Some, name\n010.000.000.009-010.000.000.010,127,x\n198.51.100.0 - 198.51.100.255 , 128 , let in\n", "192.0.2.4 10.0.0.10", "192.0.2.6 198.51.100.7 8.0.0.9"},
		{"overlaps", "10.0.0.0/8\n10.5.0.0/16\n11.0.0.0-11.0.0.9\n11.0.0.5-11.0.0.20\n2001::1-2001::9\n2001::2-2001::4", "10.4.255.255 10.6.0.0 10.255.255.255 11.0.0.20 2001::9", "11.0.0.21 9.255.255.255 2001::a"},
	} {
		for _, text := range []string{c.text, packed(t, c.text)} {
			l := addresses(t, text)
			if err := l.Skipped().Err(); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			for _, a := range strings.Fields(c.yes) {
				if !l.Has(netip.MustParseAddr(a)) {
					t.Errorf("%s: %s is missing", c.name, a)
				}
			}
			for _, a := range strings.Fields(c.no) {
				if l.Has(netip.MustParseAddr(a)) {
					t.Errorf("%s: %s is in it", c.name, a)
				}
			}
		}
	}
	if addresses(t, "0.0.0.0/0\n::/0").Has(netip.Addr{}) {
		t.Error("no address is in a list")
	}
	if n := addresses(t, "10.0.0.0/9\n10.128.0.0/9\n11.0.0.0/8\n2001::/17\n2001:8000::/17").Len(); n != 2 {
		t.Errorf("neighbours make %d ranges, want 2", n)
	}
}

func TestAddressListSkipsWhatItCannotRead(t *testing.T) {
	path := write(t, "192.0.2.1\n192.0.2.300\n192.0.2.5-192.0.2.4\n1.2.3.4-::5\nname:1.2.3.4\n192.0.2.0/33\nfe80::1%eth0\n"+strings.Repeat("x", 9000)+"\n198.51.100.1\n010.0.0.1\nexample.org\n\xff\xfe\n1.2.3-1.2.4")
	l, err := LoadAddresses(path)
	if err != nil {
		t.Fatal(err)
	}
	if !l.Has(netip.MustParseAddr("192.0.2.1")) || !l.Has(netip.MustParseAddr("198.51.100.1")) || l.Len() != 2 {
		t.Errorf("%d ranges of the good lines", l.Len())
	}
	s := l.Skipped()
	if s.Lines != 11 || len(s.First) != 3 {
		t.Errorf("%d skipped, %d named", s.Lines, len(s.First))
	}
	for _, want := range []string{"11 lines were skipped", path + `:2: "192.0.2.300" is no address`, path + ":3: ", path + ":4: "} {
		if !strings.Contains(s.Err().Error(), want) {
			t.Errorf("%v does not say %s", s.Err(), want)
		}
	}
	l = addresses(t, "192.0.2.1\n"+strings.Repeat("x", 5000)+"\n192.0.2.2")
	if s := l.Skipped(); s.Lines != 1 || !strings.Contains(s.Err().Error(), ":2: the line has more than 4096 bytes") || l.Len() != 1 {
		t.Errorf("a long line: %v", s.Err())
	}
}

func TestAddressFileErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a page", "<!DOCTYPE html>\n<title>Not found</title>\n", "is no such list: "},
		{"half a gzip file", packed(t, strings.Repeat("192.0.2.1\n", 99))[:20], "unexpected EOF"},
		{"a broken gzip file", "\x1f\x8bxx", "unexpected EOF"},
		{"a gzip bomb", packed(t, strings.Repeat("# ", 4<<20)), "inflates to more than 100 times"},
		{"a gzip bomb of lines", packed(t, strings.Repeat("::\n", 1<<20)), "inflates to more than 100 times"},
	} {
		path := write(t, c.text)
		if _, err := LoadAddresses(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := LoadAddresses(t.TempDir() + "/missing"); err == nil || strings.Count(err.Error(), "missing") != 1 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if l := addresses(t, "# nothing yet\n"); l.Len() != 0 || l.Has(netip.MustParseAddr("::")) || l.Has(netip.MustParseAddr("1.2.3.4")) {
		t.Error("an empty list has something")
	}
}

func TestAddressListReload(t *testing.T) {
	path := write(t, "192.0.2.1")
	l, err := LoadAddresses(path)
	if err != nil {
		t.Fatal(err)
	}
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	os.WriteFile(path, []byte("192.0.2.2"), 0o600)
	if err := l.Reload(); err != nil || l.Has(a) || !l.Has(b) {
		t.Errorf("after a reload: %v, the old %v, the new %v", err, l.Has(a), l.Has(b))
	}
	os.WriteFile(path, []byte("rubbish"), 0o600)
	if err := l.Reload(); err == nil || !l.Has(b) {
		t.Errorf("after a bad reload: %v", err)
	}
	os.WriteFile(path, []byte("192.0.2.2\n192.0.2.9"), 0o600)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 50 {
			l.Reload()
		}
	})
	wg.Go(func() {
		for range 5000 {
			if !l.Has(b) {
				t.Error("it was away for a moment")
				return
			}
		}
	})
	wg.Wait()
}

func TestAddresses(t *testing.T) {
	a, b, c := addresses(t, "10.0.0.0/8"), addresses(t, "10.1.0.0/16"), addresses(t, "2001:db8::/32")
	for _, tc := range []struct {
		name   string
		l      Addresses
		served [3]bool // 10.0.0.1, 10.1.0.1, 2001:db8::1
		nobody bool    // an address that is not known
	}{
		{"no list", Addresses{}, [3]bool{true, true, true}, true},
		{"allow", Addresses{Allow: []*AddressList{a}}, [3]bool{true, true, false}, false},
		{"allow two", Addresses{Allow: []*AddressList{b, c}}, [3]bool{false, true, true}, false},
		{"deny", Addresses{Deny: []*AddressList{b, c}}, [3]bool{true, false, false}, true},
		{"both", Addresses{Allow: []*AddressList{a}, Deny: []*AddressList{b}}, [3]bool{true, false, false}, false},
	} {
		for i, addr := range []string{"10.0.0.1", "10.1.0.1", "2001:db8::1"} {
			if err := tc.l.Check(netip.MustParseAddr(addr)); (err == nil) != tc.served[i] || err != nil && err != ErrAddress {
				t.Errorf("%s: %s gives %v", tc.name, addr, err)
			}
		}
		if err := tc.l.Check(netip.Addr{}); (err == nil) != tc.nobody {
			t.Errorf("%s: an unknown address gives %v", tc.name, err)
		}
	}
}

// A plain search through all ranges says the same.
func TestRangesAgainstEveryRange(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var set ranges
		var all [][2]netip.Addr
		for range r.IntN(30) {
			x, n := byte(r.IntN(256)), byte(r.IntN(20))
			n = min(n, 255-x)
			from, to := netip.AddrFrom4([4]byte{9, 9, 9, x}), netip.AddrFrom4([4]byte{9, 9, 9, x + n})
			if r.IntN(2) == 0 {
				from, to = netip.AddrFrom16([16]byte{7: 9, 8: 255, 15: x}), netip.AddrFrom16([16]byte{7: 9, 8: 255, 15: x + n})
			}
			all = append(all, [2]netip.Addr{from, to})
			set.add(from, to)
		}
		set.settle()
		for x := range 256 {
			for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{9, 9, 9, byte(x)}), netip.AddrFrom16([16]byte{7: 9, 8: 255, 15: byte(x)})} {
				want := false
				for _, s := range all {
					want = want || s[0].Is4() == a.Is4() && s[0].Compare(a) <= 0 && a.Compare(s[1]) <= 0
				}
				if set.has(a) != want {
					t.Fatalf("%v of %v: %v", a, all, !want)
				}
			}
		}
	}
}

func TestAddressLookUpTakesNoMemory(t *testing.T) {
	l := addresses(t, "10.0.0.0/8\n2001:db8::/32")
	lists := Addresses{Deny: []*AddressList{l}}
	a, b := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db9::1")
	if n := testing.AllocsPerRun(100, func() { lists.Check(a); lists.Check(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"192.0.2.0/24", "::/0", "a:b:1.2.3.4-1.2.3.5", "001.002.003.004 - 1.2.3.5 , 100 , x", "n:2001::1-2001::2", "# x", "1.2.3.4 ; y", ":-:", "::ffff:1.2.3.4/96", "fe80::1%a-fe80::2%a", "::ffff:0.0.0.0/90"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		from, to, err := parseAddresses(line)
		if err != nil || !from.IsValid() {
			return
		}
		if !to.IsValid() || from.Is4() != to.Is4() || to.Less(from) || from.Zone() != "" || to.Zone() != "" || from.Is4In6() && to.Is4In6() {
			t.Fatalf("%q: %v to %v", line, from, to)
		}
		var r ranges
		r.add(from, to)
		r.settle()
		if !r.has(from) || !r.has(to) {
			t.Fatalf("%q: an end is missing", line)
		}
		if next := to.Next(); next.IsValid() && r.has(next) {
			t.Fatalf("%q: has %v", line, next)
		}
	})
}

func BenchmarkAddressList(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var text bytes.Buffer
	for i := range 400_000 {
		a := r.Uint32()
		fmt.Fprintf(&text, "Some company, Inc. %d:%d.%d.%d.%d-%d.%d.%d.255\n", i, a>>24, byte(a>>16), byte(a>>8), byte(a), a>>24, byte(a>>16), byte(a>>8))
	}
	path := b.TempDir() + "/p2p.txt"
	os.WriteFile(path, text.Bytes(), 0o600)
	l, err := LoadAddresses(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("load 400k", func(b *testing.B) {
		for b.Loop() {
			l.Reload()
		}
	})
	b.Run("has of 400k", func(b *testing.B) {
		b.ReportAllocs()
		x := uint32(1)
		for b.Loop() {
			x = x*1664525 + 1013904223
			l.Has(netip.AddrFrom4([4]byte{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)}))
		}
	})
}
