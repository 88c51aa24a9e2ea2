package magnet

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	hex40 = "aabbccddeeff00112233445566778899aabbccdd"
	hex64 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

func hash(t *testing.T, s string) *metainfo.Hash {
	t.Helper()
	h, err := metainfo.ParseHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return &h
}

func hash256(t *testing.T, s string) *metainfo.Hash256 {
	t.Helper()
	h, err := metainfo.ParseHash256(s)
	if err != nil {
		t.Fatal(err)
	}
	return &h
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     Magnet
	}{
		{"v1 only", "magnet:?xt=urn:btih:" + hex40, Magnet{HashV1: hash(t, hex40)}},
		{"upper case", "MAGNET:?XT=URN:BTIH:" + strings.ToUpper(hex40), Magnet{HashV1: hash(t, hex40)}},
		{"base32", "magnet:?xt=urn:btih:VK54ZXPO74ABCIRTIRKWM54ITGVLXTG5", Magnet{HashV1: hash(t, hex40)}},
		{"base32 in lower case", "magnet:?xt=urn:btih:vk54zxpo74abcirtirkwm54itgvlxtg5", Magnet{HashV1: hash(t, hex40)}},
		{"escaped colons", "magnet:?xt=urn%3Abtih%3A" + hex40, Magnet{HashV1: hash(t, hex40)}},
		{"v2 only", "magnet:?xt=urn:btmh:1220" + hex64, Magnet{HashV2: hash256(t, hex64)}},
		{
			"hybrid with everything",
			"magnet:?xt=urn:btih:" + hex40 + "&xt=urn:btmh:1220" + hex64 +
				"&dn=A+film%20%26+more&xl=12345&tr=wss%3A%2F%2Ftracker.example%2F&tr.1=http://t.example/announce" +
				"&ws=https://cdn.example/file&xs=https://cdn.example/f.torrent&x.pe=192.0.2.1:6881&x.pe=[2001:db8::1]:6881" +
				"&x.pe=peer.example:1&so=0,2,4-9",
			Magnet{
				HashV1: hash(t, hex40), HashV2: hash256(t, hex64), Name: "A film & more", Length: 12345,
				Trackers: []string{"wss://tracker.example/", "http://t.example/announce"},
				WebSeeds: []string{"https://cdn.example/file"},
				Sources:  []string{"https://cdn.example/f.torrent"},
				Peers:    []string{"192.0.2.1:6881", "[2001:db8::1]:6881", "peer.example:1"},
				Select:   []Range{{0, 0}, {2, 2}, {4, 9}},
			},
		},
		{"copied from HTML source", "magnet:?xt=urn:btih:" + hex40 + "&amp;dn=x", Magnet{HashV1: hash(t, hex40), Name: "x"}},
		{"other networks' hashes are ignored", "magnet:?xt=urn:sha1:X&xt=urn:btih:" + hex40 + "&xt=urn:tree:tiger:Y", Magnet{HashV1: hash(t, hex40)}},
		{"the same hash twice", "magnet:?xt=urn:btih:" + hex40 + "&xt.1=urn:btih:" + hex40, Magnet{HashV1: hash(t, hex40)}},
		{
			"hints that are not usable are left out",
			"magnet:?xt=urn:btih:" + hex40 + "&tr=&tr=nonsense&tr=http://a%20b/&ws=://x&x.pe=host&x.pe=host:0&x.pe=host:99999&x.pe=a/b:1&x.pe=:5&x.pe=2001:db8::1:80",
			Magnet{HashV1: hash(t, hex40)},
		},
		{"one tracker twice", "magnet:?xt=urn:btih:" + hex40 + "&tr=http://a&tr=http://a", Magnet{HashV1: hash(t, hex40), Trackers: []string{"http://a"}}},
		{"name in another encoding", "magnet:?xt=urn:btih:" + hex40 + "&dn=%ff%41", Magnet{HashV1: hash(t, hex40), Name: "\uFFFDA"}},
		{"empty parameters", "magnet:?&&xt=urn:btih:" + hex40 + "&=&dn", Magnet{HashV1: hash(t, hex40)}},
		{"fragment", "magnet:?xt=urn:btih:" + hex40 + "#&dn=x", Magnet{HashV1: hash(t, hex40)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			again, err := Parse(got.String())
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("%s parses to %+v, %v", got.String(), again, err)
			}
		})
	}
}

func TestParseRejects(t *testing.T) {
	ok := "magnet:?xt=urn:btih:" + hex40
	tests := []struct {
		name, in string
		want     error
	}{
		{"nothing", "", ErrScheme},
		{"a URL", "http://example/?xt=urn:btih:" + hex40, ErrScheme},
		{"no question mark", "magnet:xt=urn:btih:" + hex40, ErrScheme},
		{"no hash", "magnet:?dn=x", ErrNoHash},
		{"only another network's hash", "magnet:?xt=urn:sha1:ABC", ErrNoHash},
		{"short v1 hash", "magnet:?xt=urn:btih:" + hex40[1:], ErrInfoHash},
		{"v1 hash with a letter", "magnet:?xt=urn:btih:g" + hex40[1:], ErrInfoHash},
		{"base32 with a one", "magnet:?xt=urn:btih:1K54ZXPO74ABCIRTIRKWM54ITGVLXTG5", ErrInfoHash},
		{"v2 hash without its prefix", "magnet:?xt=urn:btmh:" + hex64, ErrInfoHash},
		{"v2 hash of another function", "magnet:?xt=urn:btmh:1320" + hex64, ErrInfoHash},
		{"short v2 hash", "magnet:?xt=urn:btmh:1220" + hex64[2:], ErrInfoHash},
		{"two v1 hashes", ok + "&xt=urn:btih:" + strings.Repeat("0", 40), ErrConflict},
		{"two v2 hashes", "magnet:?xt=urn:btmh:1220" + hex64 + "&xt=urn:btmh:1220" + strings.Repeat("0", 64), ErrConflict},
		{"truncated escape", ok + "&dn=a%4", ErrEscape},
		{"bad escape", ok + "&dn=%zz", ErrEscape},
		{"negative length", ok + "&xl=-1", ErrLength},
		{"length over 64 bits", ok + "&xl=99999999999999999999", ErrLength},
		{"reversed range", ok + "&so=5-3", ErrSelect},
		{"negative file", ok + "&so=-3", ErrSelect},
		{"file index over 32 bits", ok + "&so=4294967296", ErrSelect},
		{"letters in the selection", ok + "&so=a", ErrSelect},
		{"too many ranges", ok + "&so=" + strings.Repeat("1,", MaxRanges+1), ErrSelect},
		{"too long", ok + "&dn=" + strings.Repeat("x", MaxLength), ErrTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.in)
			var e *Error
			if !errors.Is(err, tt.want) || !errors.As(err, &e) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if len(err.Error()) > 200 || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is not one short line: %q", err)
			}
		})
	}
}

func TestParseBoundsLists(t *testing.T) {
	var b strings.Builder
	b.WriteString("magnet:?xt=urn:btih:" + hex40)
	for k := range MaxList + 50 {
		b.WriteString("&tr=http://t" + strings.Repeat("x", k/10) + string(rune('a'+k%10)))
	}
	m, err := Parse(b.String())
	if err != nil || len(m.Trackers) != MaxList {
		t.Fatalf("%d trackers, %v", len(m.Trackers), err)
	}
}

func TestParseHash(t *testing.T) {
	for _, s := range []string{hex40, "VK54ZXPO74ABCIRTIRKWM54ITGVLXTG5"} {
		if m, err := ParseHash(s); err != nil || m.HashV1 == nil || m.Key().String() != hex40 {
			t.Errorf("%s: %+v, %v", s, m, err)
		}
	}
	for _, s := range []string{hex64, "1220" + hex64} {
		if m, err := ParseHash(s); err != nil || m.HashV2 == nil || m.Key().String() != hex64[:40] {
			t.Errorf("%s: %+v, %v", s, m, err)
		}
	}
	for _, s := range []string{"", "xyz", hex40 + "0", "1320" + hex64, strings.Repeat("!", 32)} {
		if _, err := ParseHash(s); !errors.Is(err, ErrInfoHash) {
			t.Errorf("%q: error %v", s, err)
		}
	}
}

func TestWants(t *testing.T) {
	m := Magnet{Select: []Range{{1, 1}, {4, 6}}}
	for k, want := range []bool{false, true, false, false, true, true, true, false} {
		if m.Wants(k) != want {
			t.Errorf("file %d: %v", k, !want)
		}
	}
	if !new(Magnet).Wants(7) {
		t.Error("no selection must want every file")
	}
}

func TestSwarmHashes(t *testing.T) {
	m := Magnet{HashV1: hash(t, hex40), HashV2: hash256(t, hex64)}
	got := m.SwarmHashes()
	if len(got) != 2 || got[0] != m.Key() || got[0].String() != hex40 || got[1].String() != hex64[:40] {
		t.Errorf("%v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("magnet:?xt=urn:btih:" + hex40 + "&dn=a%20b&tr=http://t/&x.pe=[::1]:80&so=0,3-5&xl=9&ws=http://w/&xs=http://x/")
	f.Add("magnet:?xt=urn:btmh:1220" + hex64)
	f.Fuzz(func(t *testing.T, s string) {
		m, err := Parse(s)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		link := m.String()
		again, err := Parse(link)
		if len(link) <= MaxLength && (err != nil || !reflect.DeepEqual(again, m)) {
			t.Fatalf("%q\nparses to %+v\nthen to   %+v, %v", s, m, again, err)
		}
	})
}
