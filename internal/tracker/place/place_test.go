package place

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestOfAddr(t *testing.T) {
	for _, tc := range []struct {
		name, a, b      string
		addrs, prefixes bool
	}{
		{"one IPv4 address", "192.0.2.1", "::ffff:192.0.2.1", true, true},
		{"one IPv4 /24", "192.0.2.1", "192.0.2.2", false, true},
		{"two IPv4 /24", "192.0.2.1", "192.0.3.1", false, false},
		{"private addresses are like others", "10.0.0.1", "10.0.0.2", false, true},
		{"one IPv6 /64", "2001:db8:1:2::1", "2001:db8:1:2:ffff::2", true, true},
		{"one IPv6 /48", "2001:db8:1:2::1", "2001:db8:1:3::1", false, true},
		{"two IPv6 /48", "2001:db8:1:2::1", "2001:db8:2:2::1", false, false},
		{"one link", "fe80::1", "fe80::2", true, true},
	} {
		a, b := OfAddr(addr(tc.a)), OfAddr(addr(tc.b))
		if (a.Addr == b.Addr) != tc.addrs || (a.Prefix == b.Prefix) != tc.prefixes {
			t.Errorf("%s: %+v, %+v", tc.name, a, b)
		}
		if a.Addr == 0 || a.Prefix == 0 || a.ASN != 0 || a.Country != [2]byte{} {
			t.Errorf("%s: %+v", tc.name, a)
		}
	}
	if p := OfAddr(netip.Addr{}); p != (swarm.Place{}) {
		t.Errorf("no address: %+v", p)
	}
	if OfAddr(addr("0.0.0.0")).Addr == 0 || OfAddr(addr("::")).Prefix == 0 {
		t.Error("zero means unknown; no address may have it")
	}
}

func TestLocate(t *testing.T) {
	db, err := Open(write(t, "country.mmdb", mmdb(countryDB)), write(t, "asn.mmdb", mmdb(asnDB)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		addr    string
		country string
		asn     uint32
	}{
		{"192.0.2.1", "DE", 64496},
		{"::ffff:192.0.2.1", "DE", 64496},
		{"192.0.2.129", "DE", 64497},
		{"198.51.100.7", "FR", 0},
		{"203.0.113.1", "", 64498},
		{"2001:db8::1", "JP", 0},
		{"2001:db8:1::1", "JP", 64499},
		{"10.0.0.1", "", 0},
		{"::1", "", 0},
	} {
		p := db.Locate(addr(tc.addr))
		want := OfAddr(addr(tc.addr))
		want.ASN = tc.asn
		copy(want.Country[:], tc.country)
		if p != want {
			t.Errorf("%s: %+v, want %+v", tc.addr, p, want)
		}
	}
	if p := db.Locate(netip.Addr{}); p != (swarm.Place{}) {
		t.Errorf("no address: %+v", p)
	}
	a := addr("192.0.2.1")
	if n := testing.AllocsPerRun(100, func() { db.Locate(a) }); n != 0 {
		t.Errorf("%v allocations for a lookup", n)
	}
}

// Each maker has names of its own for the same two things.
func TestMakers(t *testing.T) {
	for _, tc := range []struct {
		maker   string
		record  m
		country string
		asn     uint32
	}{
		{"MaxMind, DB-IP: country, city", m{"continent": m{"code": "EU"}, "country": m{"iso_code": "DE"}, "registered_country": m{"iso_code": "FR"}}, "DE", 0},
		{"MaxMind, DB-IP: ASN", m{"autonomous_system_number": uint32(64496)}, "", 64496},
		{"IPinfo Lite", m{"asn": "AS64496", "as_name": "Example", "country": "Germany", "country_code": "DE"}, "DE", 64496},
		{"IPinfo country_asn", m{"asn": "AS64496", "country": "DE", "country_name": "Germany"}, "DE", 64496},
		{"ip-location-db: country", m{"country_code": "de"}, "DE", 0},
		{"ip-location-db: ASN", m{"autonomous_system_number": uint32(64496)}, "", 64496},
		{"number as text", m{"asn": "64496"}, "", 64496},
	} {
		db, err := Open(write(t, "x.mmdb", mmdb(map[string]m{"192.0.2.0/24": tc.record})))
		if err != nil {
			t.Errorf("%s: %v", tc.maker, err)
			continue
		}
		p := db.Locate(addr("192.0.2.1"))
		if p.ASN != tc.asn || strings.TrimRight(string(p.Country[:]), "\x00") != tc.country {
			t.Errorf("%s: %+v", tc.maker, p)
		}
	}
	for _, r := range []m{
		{"country": "Germany"}, {"country_code": "D1"}, {"country": m{"names": "x"}}, {"asn": "ASx"}, {"asn": ""},
		{"asn": m{}}, {"is_anonymous": "yes"}, {"autonomous_system_number": uint32(0)},
	} {
		if _, err := Open(write(t, "x.mmdb", mmdb(map[string]m{"192.0.2.0/24": r}))); err == nil || !strings.Contains(err.Error(), "neither countries nor") {
			t.Errorf("%v: %v", r, err)
		}
	}
}

func TestWithoutFiles(t *testing.T) {
	db, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if a := addr("192.0.2.1"); db.Locate(a) != OfAddr(a) {
		t.Errorf("%+v", db.Locate(a))
	}
}

func TestBadFiles(t *testing.T) {
	good := mmdb(asnDB)
	damaged := mmdb(asnDB)
	// A record of type 0 with an unknown extended type, in place of the first.
	at := strings.Index(string(damaged), string(appendValue(nil, asnDB["192.0.2.0/25"])))
	damaged[at], damaged[at+1] = 0, 200
	loop := mmdb(asnDB)
	copy(loop[3:6], []byte{0xff, 0xff, 0xff}) // a child far behind the data
	circle := mmdb(asnDB)
	copy(circle[:6], []byte{0, 0, 0, 0, 0, 0}) // both children of the root are the root
	for name, b := range map[string][]byte{
		"circle.mmdb": circle,
		"empty.mmdb":  {}, "text.mmdb": []byte("<html>404</html>"), "short.mmdb": good[:len(good)/2],
		"damaged.mmdb": damaged, "tree.mmdb": loop,
	} {
		path := write(t, name, b)
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "fetch it again") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open("/no/such.mmdb"); err == nil || strings.Count(err.Error(), "/no/such.mmdb") != 1 {
		t.Errorf("no file: %v", err)
	}
}

func TestReload(t *testing.T) {
	path := write(t, "asn.mmdb", mmdb(asnDB))
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	locate := func() uint32 { return db.Locate(addr("192.0.2.1")).ASN }
	if err := os.WriteFile(path, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.Reload(); err == nil || locate() != 64496 {
		t.Errorf("after a bad file: %v, AS%d", err, locate())
	}
	if err := os.WriteFile(path, mmdb(map[string]m{"192.0.2.0/24": {"asn": "AS64511"}}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.Reload(); err != nil || locate() != 64511 {
		t.Errorf("after a new file: %v, AS%d", err, locate())
	}
}

// FuzzOpen reads what is no database; lookups in what is accepted must not panic.
func FuzzOpen(f *testing.F) {
	f.Add(mmdb(countryDB))
	f.Add(mmdb(asnDB))
	f.Add([]byte("\xab\xcd\xefMaxMind.com"))
	f.Fuzz(func(t *testing.T, b []byte) {
		one, err := parse(b)
		if err != nil {
			return
		}
		var db DB
		db.files.Store(&[]*mmdbFile{one})
		for _, a := range []string{"192.0.2.1", "2001:db8::1", "255.255.255.255", "::"} {
			db.Locate(addr(a))
		}
	})
}

func BenchmarkLocate(b *testing.B) {
	db := new(DB)
	one, err := parse(mmdb(asnDB))
	if err != nil {
		b.Fatal(err)
	}
	db.files.Store(&[]*mmdbFile{one})
	a := addr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		db.Locate(a)
	}
}
