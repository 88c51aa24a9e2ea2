package dht

import (
	"math/big"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func testRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// BEP 5: "the distance metric is XOR and the result is interpreted as an
// unsigned integer. Smaller values are closer."
func TestCloserIsXORAsInteger(t *testing.T) {
	r := testRand()
	distance := func(a, b ID) *big.Int {
		var x ID
		for i := range x {
			x[i] = a[i] ^ b[i]
		}
		return new(big.Int).SetBytes(x[:])
	}
	for range 1000 {
		target, a := randomID(r), randomID(r)
		b := randomIDSharing(r, a, r.IntN(160), true)
		if got, want := Closer(target, a, b), distance(target, a).Cmp(distance(target, b)) < 0; got != want {
			t.Fatalf("Closer(%v, %v, %v) = %v", target, a, b, got)
		}
	}
	if id := randomID(r); Closer(id, id, id) {
		t.Error("an ID is closer than itself")
	}
}

func TestPrefixLen(t *testing.T) {
	r := testRand()
	a := randomID(r)
	for n := range 160 {
		if got := prefixLen(a, randomIDSharing(r, a, n, true)); got != n {
			t.Errorf("prefixLen = %d, want %d", got, n)
		}
	}
	if got := prefixLen(a, a); got != 160 {
		t.Errorf("prefixLen of equal IDs = %d", got)
	}
}

// The test vectors of BEP 42.
func TestSecureIDVectors(t *testing.T) {
	for _, v := range []struct {
		ip     string
		rand   byte
		prefix [3]byte // the lowest three bits of the last byte are free
	}{
		{"124.31.75.21", 1, [3]byte{0x5f, 0xbf, 0xbf}},
		{"21.75.31.124", 86, [3]byte{0x5a, 0x3c, 0xe9}},
		{"65.23.51.170", 22, [3]byte{0xa5, 0xd4, 0x32}},
		{"84.124.73.14", 65, [3]byte{0x1b, 0x03, 0x21}},
		{"43.213.53.83", 90, [3]byte{0xe5, 0x6f, 0x6c}},
	} {
		a := netip.MustParseAddr(v.ip)
		id := ID{v.prefix[0], v.prefix[1], v.prefix[2]}
		id[19] = v.rand
		if !Secure(id, a) {
			t.Errorf("%s: the ID of the vector is refused", v.ip)
		}
		for bit := range 21 {
			bad := id
			bad[bit/8] ^= 1 << (7 - bit%8)
			if Secure(bad, a) {
				t.Errorf("%s: an ID with bit %d inverted passes", v.ip, bit)
			}
		}
	}
}

func TestSecureID(t *testing.T) {
	r := testRand()
	for _, s := range []string{"1.2.3.4", "203.0.113.200", "2001:db8:1234:5678::1", "2a00::1"} {
		a := netip.MustParseAddr(s)
		for range 50 {
			if id := SecureID(a, r); !Secure(id, a) {
				t.Errorf("SecureID(%s) = %v is refused", s, id)
			}
		}
		hits := 0
		for range 2000 {
			if Secure(randomID(r), a) {
				hits++
			}
		}
		if hits > 1 { // one in 2^18
			t.Errorf("%d of 2000 random IDs pass for %s", hits, s)
		}
	}
	// "Any peer on a local network address is exempt."
	for _, s := range []string{"10.1.2.3", "172.16.0.1", "172.31.255.1", "192.168.1.1", "169.254.1.1", "127.0.0.1", "::1", "fe80::1", "fd00::1"} {
		if !Secure(ID{1}, netip.MustParseAddr(s)) {
			t.Errorf("%s is not exempt", s)
		}
	}
}

func TestUsableAndBelievable(t *testing.T) {
	public, local := netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("192.168.1.9")
	for s, want := range map[string][2]bool{ // told by a public, a local node
		"9.9.9.9:6881":            {true, true},
		"9.9.9.9:0":               {},
		"0.0.0.0:6881":            {},
		"0.1.2.3:6881":            {},
		"224.0.0.1:6881":          {},
		"255.255.255.255:6881":    {},
		"250.1.1.1:6881":          {},
		"192.168.1.7:6881":        {false, true},
		"127.0.0.1:22":            {false, true},
		"[::1]:22":                {false, true},
		"[fe80::1]:6881":          {false, true},
		"[ff02::1]:6881":          {},
		"[::]:6881":               {},
		"[::ffff:9.9.9.9]:6881":   {},
		"[2001:db8::1%eth0]:6881": {},
		"[2001:db8::1]:6881":      {true, true},
	} {
		ap := netip.MustParseAddrPort(s)
		if got := [2]bool{believable(ap, public), believable(ap, local)}; got != want {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
}
