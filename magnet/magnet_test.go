package magnet

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

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
	ok := "magnet:?xt=urn:btih:" + hex40
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
			"magnet:?xt=urn:btih:" + hex40 + "&tr=&tr=nonsense&tr=http:///x&tr=http://a%20b/&tr=1~2://a&tr=http://a/%ff&ws=://x&x.pe=host&x.pe=host:0&x.pe=host:99999&x.pe=a/b:1&x.pe=:5&x.pe=2001:db8::1:80",
			Magnet{HashV1: hash(t, hex40), LeftOut: []string{
				"tr=nonsense", "tr=http:///x", "tr=http://a%20b/", "tr=1~2://a", "tr=http://a/%ff", "ws=://x",
				"x.pe=host", "x.pe=host:0", "x.pe=host:99999", "x.pe=a/b:1", "x.pe=:5", "x.pe=2001:db8::1:80",
			}},
		},
		{"one tracker twice", "magnet:?xt=urn:btih:" + hex40 + "&tr=http://a&tr=http://a", Magnet{HashV1: hash(t, hex40), Trackers: []string{"http://a"}}},
		{"name in another encoding", "magnet:?xt=urn:btih:" + hex40 + "&dn=%ff%41", Magnet{HashV1: hash(t, hex40), Name: "\uFFFDA"}},
		{"empty parameters", "magnet:?&&xt=urn:btih:" + hex40 + "&=&dn", Magnet{HashV1: hash(t, hex40)}},
		{"nothing but a percent sign", ok + "&dn=100%+real", Magnet{HashV1: hash(t, hex40), Name: "100% real"}},
		{"escapes cut off", ok + "&dn=%41%zz%4&tr=http://t.example/%zz%2F%", Magnet{HashV1: hash(t, hex40), Name: "A%zz%4", Trackers: []string{"http://t.example/%25zz/%25"}}},
		{
			"number signs in a name and an address", ok + "&dn=Track #1&tr=http://t.example/#2&ws=http://w.example/a",
			Magnet{HashV1: hash(t, hex40), Name: "Track #1", Trackers: []string{"http://t.example/#2"}, WebSeeds: []string{"http://w.example/a"}},
		},
		{"a fragment behind the hash", ok + "#top&xl=7#x&so=1#x&x.pe=192.0.2.1:1#x", Magnet{HashV1: hash(t, hex40), Length: 7, Select: []Range{{1, 1}}, Peers: []string{"192.0.2.1:1"}}},
		{"lengths that are none", ok + "&xl=-1&xl=abc&xl=1.5&xl=99999999999999999999&xl=&xl=0", Magnet{
			HashV1: hash(t, hex40), LeftOut: []string{"xl=-1", "xl=abc", "xl=1.5", "xl=99999999999999999999"},
		}},
		{"a good length between", ok + "&xl=x&xl=9&xl=y", Magnet{HashV1: hash(t, hex40), Length: 9, LeftOut: []string{"xl=x", "xl=y"}}},
		{"selections that are none", ok + "&so=a&so=5-3&so=-3&so=3-&so=4294967296&so=0,x&so=1;2&so=,&so=-&so=", Magnet{HashV1: hash(t, hex40), LeftOut: []string{"so=a", "so=0,x", "so=1;2"}}},
		{"ranges that go nowhere beside good ones", ok + "&so=5-3,1,,7-&so=x&so=3-4", Magnet{HashV1: hash(t, hex40), Select: []Range{{1, 1}, {3, 4}}, LeftOut: []string{"so=x"}}},
		{"control characters in a name", ok + "&dn=a%00%1b[31mb%0d%0ac%7f%c2%9b", Magnet{HashV1: hash(t, hex40), Name: "a[31mbc"}},
		{"keys in capitals and escaped", "magnet:?XT.1=urn:btih:" + hex40 + "&DN=x&T%72=UDP://t.example:1", Magnet{HashV1: hash(t, hex40), Name: "x", Trackers: []string{"udp://t.example:1"}}},
		{
			"addresses that were encoded for the link alone", ok + "&ws=HTTPS://W.example/a%20%22b%22+c%3Cd%3E&tr=http://t.example/?a=1+2",
			Magnet{HashV1: hash(t, hex40), WebSeeds: []string{"https://W.example/a%20%22b%22+c%3Cd%3E"}, Trackers: []string{"http://t.example/?a=1+2"}},
		},
		{"white space around", " \n" + ok + "%20&dn= x \r\n", Magnet{HashV1: hash(t, hex40), Name: " x"}},
		{"slashes from a program that thinks it is a URL", "magnet://?xt=urn:btih:" + hex40, Magnet{HashV1: hash(t, hex40)}},
		{"a v2 hash where one of v1 is due", "magnet:?xt=urn:btih:" + hex64, Magnet{HashV2: hash256(t, hex64)}},
		{"a v2 hash with its prefix there", "magnet:?xt=urn:btih:1220" + hex64, Magnet{HashV2: hash256(t, hex64)}},
		{"a v2 hash without its prefix", "magnet:?xt=urn:btmh:" + strings.ToUpper(hex64), Magnet{HashV2: hash256(t, hex64)}},
		{"the last of two hashes of one version", "magnet:?xt=urn:btih:" + strings.Repeat("0", 40) + "&xt.2=urn:btih:" + hex40, Magnet{HashV1: hash(t, hex40)}},
		{"a malformed hash beside a good one", "magnet:?xt=urn:btih:123&xt=urn:btih:" + hex40 + "&xt=urn:btmh:1320" + hex64, Magnet{
			HashV1: hash(t, hex40), LeftOut: []string{"xt=urn:btih:123", "xt=urn:btmh:1320" + hex64},
		}},
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
			got.LeftOut = nil
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
		{"v2 hash of another function", "magnet:?xt=urn:btmh:1320" + hex64, ErrInfoHash},
		{"v1 hash as a v2 one", "magnet:?xt=urn:btmh:" + hex40, ErrInfoHash},
		{"other slashes", "magnet:x?xt=urn:btih:" + hex40, ErrScheme},
		{"short v2 hash", "magnet:?xt=urn:btmh:1220" + hex64[2:], ErrInfoHash},
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
	m, err = Parse("magnet:?xt=urn:btih:" + hex40 + "&so=" + strings.Repeat("1,", MaxRanges+1) + "&so=2")
	if err != nil || len(m.Select) != MaxRanges {
		t.Fatalf("%d ranges, %v", len(m.Select), err)
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
	ok := "magnet:?xt=urn:btih:" + hex40
	for _, seed := range []string{
		ok + "&dn=a%20b&tr=http://t/&x.pe=[::1]:80&so=0,3-5&xl=9&ws=http://w/&xs=http://x/",
		"magnet:?xt=urn:btmh:1220" + hex64,
		ok + "&xt.2=urn:btmh:1220" + hex64 + "&dn=100%+real&tr=%zz&ws=%",
		ok + "&dn=Track #1&tr=udp://t:1/#x&xl=1#",
		"MAGNET://?XT=urn%3Abtih%3AVK54ZXPO74ABCIRTIRKWM54ITGVLXTG5&amp;DN=x",
		ok + "&xl=-1&so=1-,0,x&so=5-3&x.pe=a:99999&x.pe=h:1&so=2",
		ok + "&ws=HTTP://w/a b\"<>%ff&tr=http://a b/&tr=http://\u00a0/&xs=x://\u2003",
		ok + "&dn=%ff%1b%c2%9b\u202e&dn=y",
		"magnet:?xt=urn:btih:" + hex64 + "&xt=urn:btih:1220" + hex64 + "&xt=urn:btih:z",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := Parse(s)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		if strings.ContainsFunc(m.Name, unicode.IsControl) {
			t.Fatalf("%q: control characters in the name %q", s, m.Name)
		}
		for _, u := range slices.Concat(m.Trackers, m.WebSeeds, m.Sources) {
			if strings.ContainsFunc(u, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
				t.Fatalf("%q: address %q", s, u)
			}
		}
		m.LeftOut = nil
		link := m.String()
		again, err := Parse(link)
		if len(link) <= MaxLength && (err != nil || !reflect.DeepEqual(again, m)) {
			t.Fatalf("%q\nparses to %+v\nthen to   %+v, %v", s, m, again, err)
		}
	})
}
