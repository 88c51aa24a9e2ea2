package place

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// mmdb makes a database with a record for each prefix, as the specification of the MaxMind
// DB format 2.0 has it: an IPv6 tree of 24 bits a record, data, metadata.
func mmdb(records map[string]map[string]any) []byte {
	prefixes := make([]string, 0, len(records))
	for p := range records {
		prefixes = append(prefixes, p)
	}
	slices.Sort(prefixes)

	var data []byte
	offsets := map[string]int{}
	for _, p := range prefixes {
		offsets[p] = len(data)
		data = appendValue(data, records[p])
	}

	// A child is a node, or ^offset of a record, or 0 for nothing.
	nodes := [][2]int{{}}
	for _, s := range prefixes {
		p := netip.MustParsePrefix(s)
		ip, n := p.Addr().As16(), p.Bits()
		if p.Addr().Is4() {
			ip, n = [16]byte{12: ip[12], 13: ip[13], 14: ip[14], 15: ip[15]}, n+96
		}
		at := 0
		for i := range n {
			bit := ip[i/8] >> (7 - i%8) & 1
			switch next := nodes[at][bit]; {
			case i == n-1:
				nodes[at][bit] = ^offsets[s]
			case next > 0:
				at = next
			default:
				nodes = append(nodes, [2]int{})
				nodes[at][bit] = len(nodes) - 1
				at = len(nodes) - 1
			}
		}
	}
	var out []byte
	for _, n := range nodes {
		for _, child := range n {
			switch {
			case child < 0:
				child = len(nodes) + 16 + ^child
			case child == 0:
				child = len(nodes)
			}
			out = append(out, byte(child>>16), byte(child>>8), byte(child))
		}
	}
	out = append(out, make([]byte, 16)...)
	out = append(out, data...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return appendValue(out, map[string]any{
		"node_count": uint32(len(nodes)), "record_size": uint32(24), "ip_version": uint32(6),
		"database_type": "test", "binary_format_major_version": uint32(2), "binary_format_minor_version": uint32(0),
		"build_epoch": uint32(1), "languages": "", "description": map[string]any{"en": "test"},
	})
}

// appendValue writes strings of up to 284 bytes, uint32 and small maps.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		if len(v) >= 29 {
			return append(append(b, 2<<5|29, byte(len(v)-29)), v...)
		}
		return append(append(b, 2<<5|byte(len(v))), v...)
	case uint32:
		return binary.BigEndian.AppendUint32(append(b, 6<<5|4), v)
	case map[string]any:
		b = append(b, 7<<5|byte(len(v)))
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if k == "languages" { // an array without elements
				b = append(appendValue(b, k), 0, 11-7)
				continue
			}
			b = appendValue(appendValue(b, k), v[k])
		}
		return b
	}
	panic("type")
}

func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

type m = map[string]any

var (
	countryDB = map[string]m{
		"192.0.2.0/24":    {"country": m{"iso_code": "DE", "geoname_id": uint32(1), "names": m{"en": "Germany"}}},
		"198.51.100.0/24": {"registered_country": m{"iso_code": "FR"}},
		"2001:db8::/32":   {"country": m{"iso_code": "JP"}},
	}
	asnDB = map[string]m{
		"192.0.2.0/25":    {"autonomous_system_number": uint32(64496), "autonomous_system_organization": "Example"},
		"192.0.2.128/25":  {"autonomous_system_number": uint32(64497)},
		"203.0.113.0/24":  {"autonomous_system_number": uint32(64498)},
		"2001:db8:1::/48": {"autonomous_system_number": uint32(64499)},
	}
)
