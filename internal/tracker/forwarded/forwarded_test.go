package forwarded

import (
	"net/netip"
	"strings"
	"testing"
)

// inside are the trusted proxies of the tests.
func inside(a netip.Addr) bool {
	return netip.MustParsePrefix("10.0.0.0/8").Contains(a) || netip.MustParsePrefix("fd00::/8").Contains(a)
}

func TestClient(t *testing.T) {
	for _, c := range []struct {
		name   string
		conn   string
		kind   Kind
		header string
		want   string
	}{
		{"no proxy", "1.1.1.1", List, "6.6.6.6", "1.1.1.1"},
		{"no header", "10.0.0.1", List, "", "10.0.0.1"},
		{"a proxy", "10.0.0.1", List, "2.2.2.2", "2.2.2.2"},
		{"a proxy over IPv6", "fd00::1", List, "2001::2", "2001::2"},
		{"a proxy by IPv4 in IPv6", "::ffff:10.0.0.1", List, "::ffff:2.2.2.2", "2.2.2.2"},
		{"the client made up more", "10.0.0.1", List, "6.6.6.6, 2.2.2.2", "2.2.2.2"},
		{"the client made up a proxy", "10.0.0.1", List, "10.6.6.6, 2.2.2.2", "2.2.2.2"},
		{"two proxies", "10.0.0.1", List, "6.6.6.6, 2.2.2.2, 10.0.0.2", "2.2.2.2"},
		{"proxies alone", "10.0.0.1", List, "10.0.0.3,10.0.0.2", "10.0.0.3"},
		{"with ports", "10.0.0.1", List, "2.2.2.2:1234 , 10.0.0.2:80", "2.2.2.2"},
		{"IPv6 with a port", "10.0.0.1", List, "[2001::2]:1234", "2001::2"},
		{"IPv6 in brackets", "10.0.0.1", List, "[2001::2]", "2001::2"},
		{"IPv6 with a zone", "10.0.0.1", List, "fe80::2%eth0", "fe80::2"},
		{"nonsense", "10.0.0.1", List, "2.2.2.2, nonsense", "10.0.0.1"},
		{"nonsense behind two", "10.0.0.1", List, "nonsense, 10.0.0.2", "10.0.0.2"},
		{"nothing after the comma", "10.0.0.1", List, "2.2.2.2,", "10.0.0.1"},
		{"an empty element", "10.0.0.1", List, "2.2.2.2, , 10.0.0.2", "10.0.0.2"},
		{"brackets that stay open", "10.0.0.1", List, "[2001::2", "10.0.0.1"},
		{"brackets about IPv4", "10.0.0.1", List, "[2.2.2.2]", "10.0.0.1"},
		{"quotes are not of this header", "10.0.0.1", List, `"2.2.2.2"`, "10.0.0.1"},

		{"RFC 7239", "10.0.0.1", Forwarded, "for=2.2.2.2;proto=https;by=10.0.0.1", "2.2.2.2"},
		{"RFC 7239, in capitals", "10.0.0.1", Forwarded, "Proto=http; FOR=2.2.2.2", "2.2.2.2"},
		{"RFC 7239, IPv6", "10.0.0.1", Forwarded, `For="[2001:db8:cafe::17]:4711"`, "2001:db8:cafe::17"},
		{"RFC 7239, two proxies", "10.0.0.1", Forwarded, `for=6.6.6.6, for="2.2.2.2:99";host=a, for=10.0.0.2`, "2.2.2.2"},
		{"RFC 7239, hidden", "10.0.0.1", Forwarded, "for=2.2.2.2, for=_gazonk", "10.0.0.1"},
		{"RFC 7239, unknown", "10.0.0.1", Forwarded, "for=unknown, for=10.0.0.2", "10.0.0.2"},
		{"RFC 7239, no for", "10.0.0.1", Forwarded, "proto=https", "10.0.0.1"},
		{"RFC 7239, two for", "10.0.0.1", Forwarded, "for=6.6.6.6;for=2.2.2.2", "10.0.0.1"},
		{"an open quote of the client", "10.0.0.1", Forwarded, `for="6.6.6.6, for=2.2.2.2`, "2.2.2.2"},
		{"an address in the host name", "10.0.0.1", Forwarded, `for=2.2.2.2;host="a, for=6.6.6.6;b="`, "2.2.2.2"},
		{"an escaped quote in the host name", "10.0.0.1", Forwarded, `for=2.2.2.2;host="a\", for=6.6.6.6;b=\""`, "2.2.2.2"},
		{"for in the host name", "10.0.0.1", Forwarded, `host="x;for=6.6.6.6;y=";for=2.2.2.2`, "2.2.2.2"},
	} {
		if got := Client(netip.MustParseAddr(c.conn), c.kind, c.header, inside); got != netip.MustParseAddr(c.want) {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

func TestClientOfAConnectionWithoutAddress(t *testing.T) {
	if got := Client(netip.Addr{}, List, "6.6.6.6", inside); got.IsValid() {
		t.Errorf("%v from nowhere", got)
	}
	// A Unix socket: its owner may trust who can open it.
	all := func(a netip.Addr) bool { return !a.IsValid() }
	if got := Client(netip.Addr{}, List, "6.6.6.6, 2.2.2.2", all); got != netip.MustParseAddr("2.2.2.2") {
		t.Errorf("behind a Unix socket: %v", got)
	}
}

// Whatever the client sends first, what the proxy adds decides.
func FuzzClient(f *testing.F) {
	for _, s := range []string{"", "6.6.6.6", `for="6.6.6.6`, `"`, `\`, `\"`, `a="b\`, ",,,", "for=[::1]:5;by=x", `"\",`} {
		f.Add(s, false)
		f.Add(s, true)
	}
	proxy, want := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2.2.2.2")
	f.Fuzz(func(t *testing.T, made string, rfc bool) {
		kind, added := List, "2.2.2.2"
		if rfc {
			kind, added = Forwarded, `for="2.2.2.2:80";proto=https`
		}
		if got := Client(proxy, kind, made+", "+added, inside); got != want {
			t.Fatalf("%v after %q", got, made)
		}
		got := Client(proxy, kind, made, inside)
		if !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Fatalf("%v of %q", got, made)
		}
		if got != proxy && got.Is4() && !strings.Contains(made, ".") {
			t.Fatalf("%v is not in %q", got, made)
		}
	})
}
