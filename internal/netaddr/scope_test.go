package netaddr

import (
	"net/netip"
	"testing"
)

func TestScopes(t *testing.T) {
	for text, want := range map[string]Scope{
		"9.9.9.9": Public, "2001:4860::8888": Public, "::ffff:9.9.9.9": Public, "100.63.255.255": Public, "100.128.0.0": Public,
		"172.32.0.1": Public, "fec0::1": Public,
		"10.0.0.1": Private, "172.16.0.1": Private, "172.31.255.255": Private, "192.168.1.1": Private, "::ffff:192.168.1.1": Private,
		"100.64.0.1": Private, "100.127.255.255": Private, "169.254.1.1": Private, "fe80::1": Private, "fe80::1%eth0": Private,
		"fc00::1": Private, "fdff::1": Private,
		"127.0.0.1": Loopback, "127.9.9.9": Loopback, "::1": Loopback, "::ffff:127.0.0.1": Loopback, "0.0.0.0": Loopback, "::": Loopback,
	} {
		if got := ScopeOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}
