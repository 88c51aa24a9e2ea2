package netaddr

import (
	"net"
	"net/netip"
	"testing"
)

func TestOneClientHasOneForm(t *testing.T) {
	want := netip.MustParseAddrPort("192.0.2.1:80")
	for _, a := range []net.Addr{
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80},
		&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 80},
		named("[::ffff:192.0.2.1]:80"),
	} {
		if got := Of(a); got != want {
			t.Errorf("%v is %v", a, got)
		}
	}
	if got := Of(&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 80, Zone: "eth0"}); got != netip.MustParseAddrPort("[fe80::1]:80") {
		t.Errorf("with a zone: %v", got)
	}
	for _, a := range []net.Addr{nil, named("pipe"), (*net.TCPAddr)(nil)} {
		if got := Of(a); got.IsValid() {
			t.Errorf("%v is %v", a, got)
		}
	}
}

// named is an address of a kind that only has a name.
type named string

func (named) Network() string  { return "test" }
func (n named) String() string { return string(n) }

func TestKeys(t *testing.T) {
	addr := func(s string) uint64 { return Key(netip.MustParseAddr(s)) }
	prefix := func(s string) uint64 { return PrefixKey(netip.MustParseAddr(s)) }
	same := func(a, b uint64, what string) {
		t.Helper()
		if a != b {
			t.Errorf("%s: %x and %x differ", what, a, b)
		}
	}
	differ := func(a, b uint64, what string) {
		t.Helper()
		if a == b {
			t.Errorf("%s: both are %x", what, a)
		}
	}
	same(addr("192.0.2.1"), addr("::ffff:192.0.2.1"), "an IPv4-mapped address")
	differ(addr("192.0.2.1"), addr("192.0.2.2"), "two IPv4 addresses")
	same(addr("2001:db8:1:2::1"), addr("2001:db8:1:2:ffff::9"), "one /64")
	same(addr("fe80::1%eth0"), addr("fe80::1"), "a zone")
	differ(addr("2001:db8:1:2::1"), addr("2001:db8:1:3::1"), "two /64")
	same(prefix("192.0.2.1"), prefix("192.0.2.254"), "one /24")
	differ(prefix("192.0.2.1"), prefix("192.0.3.1"), "two /24")
	same(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:3::1"), "one /48")
	differ(prefix("2001:db8:1::1"), prefix("2001:db8:2::1"), "two /48")
	differ(addr("0.0.0.0"), addr("::"), "the unspecified ones")
	same(Key(netip.Addr{}), 0, "no address")
	same(PrefixKey(netip.Addr{}), 0, "no address")
}
