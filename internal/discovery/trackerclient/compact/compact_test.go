package compact

import (
	"net/netip"
	"slices"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("1.2.3.4:51413"), netip.MustParseAddrPort("[2001:db8::1]:6881")
	b := Append(nil, v4)
	if string(b) != "\x01\x02\x03\x04\xc8\xd5" {
		t.Errorf("IPv4: %q", b)
	}
	if got := Parse4(nil, b, 10); !slices.Equal(got, []netip.AddrPort{v4}) {
		t.Errorf("IPv4: %v", got)
	}
	b = Append(nil, v6)
	if got := Parse6(nil, b, 10); len(b) != Len6 || !slices.Equal(got, []netip.AddrPort{v6}) {
		t.Errorf("IPv6: %v", got)
	}
	if b := Append(nil, netip.MustParseAddrPort("[::ffff:1.2.3.4]:51413")); len(b) != Len4 {
		t.Errorf("mapped IPv4 takes %d bytes", len(b))
	}
}

func TestUselessAddressesAreLeftOut(t *testing.T) {
	var b []byte
	for _, s := range []string{"1.2.3.4:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "1.2.3.4:1", "1.2.3.5:1"} {
		b = Append(b, netip.MustParseAddrPort(s))
	}
	if got := Parse4(nil, append(b, 1, 2, 3), 100); len(got) != 2 {
		t.Errorf("%v", got)
	}
	if got := Parse4(nil, b, 1); len(got) != 1 {
		t.Errorf("max 1: %v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x01\x02\x03\x04\xc8\xd5\x01\x02\x03\x04\xc8\xd5\x01\x02\x03\x04\xc8\xd5x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]netip.AddrPort, []byte, int) []netip.AddrPort{Parse4, Parse6} {
			got := parse(nil, b, 100)
			if len(got) > 100 {
				t.Fatal("more than asked for")
			}
			var again []byte
			for _, a := range got {
				if !Usable(a) {
					t.Fatalf("%v", a)
				}
				again = Append(again, a)
			}
			if v4 := parse(nil, b, 1<<20); len(v4) < len(got) {
				t.Fatal("a larger bound finds fewer")
			}
		}
		// What Parse4 keeps is packed as it was.
		if got := Parse4(nil, b, 1<<20); len(got) == len(b)/Len4 {
			var again []byte
			for _, a := range got {
				again = Append(again, a)
			}
			if string(again) != string(b[:len(again)]) {
				t.Fatalf("%x became %x", b, again)
			}
		}
	})
}
