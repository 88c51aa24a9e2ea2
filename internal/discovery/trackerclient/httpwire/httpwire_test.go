package httpwire

import (
	"bytes"
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var hash = [20]byte([]byte("\x00\x01+%&=?/ \xffabcdefghij"))

func TestAnnounceQuery(t *testing.T) {
	a := Announce{InfoHash: hash, PeerID: [20]byte([]byte("-SH0001-\x80\x81\x82abcdefghi")), Port: 6881, Uploaded: 1, Downloaded: 2, Left: 3,
		Event: "started", NumWant: 50, NoPeerID: true, Key: "k&y", TrackerID: "t=d"}
	q := string(AppendQuery(nil, &a))
	if strings.ContainsAny(q, "+ ?") {
		t.Errorf("not safe in a URL: %s", q)
	}
	// The standard library is the witness that the escaping is right.
	vals, err := url.ParseQuery(q)
	if err != nil || vals.Get("info_hash") != string(hash[:]) || vals.Get("trackerid") != "t=d" || vals.Get("compact") != "1" {
		t.Errorf("%v, %v", err, vals)
	}
	got, err := ParseAnnounce(q)
	if err != nil || got != a {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, a)
	}
	if q := string(AppendQuery(nil, &Announce{Left: -1, NumWant: -1})); !strings.Contains(q, "left=9223372036854775807") || strings.Contains(q, "numwant") {
		t.Errorf("unknown left: %s", q)
	}
}

func TestAnnounceSaysWhetherItEncrypts(t *testing.T) {
	for want, a := range map[string]Announce{
		"": {}, "supportcrypto=1": {SupportCrypto: true}, "supportcrypto=1&requirecrypto=1": {SupportCrypto: true, RequireCrypto: true},
	} {
		q := string(AppendQuery(nil, &a))
		if _, got, _ := strings.Cut(q, "numwant=0"); strings.TrimPrefix(got, "&") != want {
			t.Errorf("%+v: %s", a, q)
		}
	}
}

func TestAnnounceQueryTraps(t *testing.T) {
	base := "info_hash=" + strings.Repeat("%ff", 20) + "&peer_id=aaaaaaaaaaaaaaaaaaaa&port=1"
	for _, tc := range []struct {
		name, query string
		err         error
		check       func(a Announce) bool
	}{
		{"least", base, nil, func(a Announce) bool { return a.Left == -1 && a.NumWant == -1 && !a.NoCompact && a.InfoHash[0] == 0xff }},
		{"plus is a plus", strings.Replace(base, "aa", "+%2b", 1), nil, func(a Announce) bool { return string(a.PeerID[:2]) == "++" }},
		{"left beyond int64", base + "&left=18446744073709551615", nil, func(a Announce) bool { return a.Left == math.MaxInt64 }},
		{"negative left", base + "&left=-5", nil, func(a Announce) bool { return a.Left == -1 }},
		{"left is no number", base + "&left=many&uploaded=NaN", nil, func(a Announce) bool { return a.Left == -1 && a.Uploaded == 0 }},
		{"empty left", base + "&left=", nil, func(a Announce) bool { return a.Left == -1 }},
		{"first of two", base + "&port=2&info_hash=x", nil, func(a Announce) bool { return a.Port == 1 }},
		{"numwant 0", base + "&numwant=0", nil, func(a Announce) bool { return a.NumWant == 0 }},
		{"numwant huge", base + "&numwant=99999999999999", nil, func(a Announce) bool { return a.NumWant == 1<<20 }},
		{"numwant negative", base + "&numwant=-1", nil, func(a Announce) bool { return a.NumWant == -1 }},
		{"odd pairs", "&&=&a&" + base + "&=x&b==&", nil, nil},
		{"no info_hash", "peer_id=aaaaaaaaaaaaaaaaaaaa&port=1", ErrInfoHash, nil},
		{"short info_hash", strings.Replace(base, "%ff", "", 1), ErrInfoHash, nil},
		{"long info_hash", "info_hash=x" + base[10:], ErrInfoHash, nil},
		{"no peer_id", strings.Replace(base, "peer_id", "p", 1), ErrPeerID, nil},
		{"port 0", strings.Replace(base, "port=1", "port=0", 1), ErrPort, nil},
		{"port 65536", strings.Replace(base, "port=1", "port=65536", 1), ErrPort, nil},
		{"no port", strings.Replace(base, "port=1", "", 1), ErrPort, nil},
		{"broken escape", base + "&key=%4", ErrQuery, nil},
		{"no hex", base + "&key=%zz", ErrQuery, nil},
		{"too long", base + "&key=" + strings.Repeat("x", MaxAnnounceQuery), ErrTooLong, nil},
	} {
		a, err := ParseAnnounce(tc.query)
		if err != tc.err {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.err)
		} else if tc.check != nil && !tc.check(a) {
			t.Errorf("%s: %+v", tc.name, a)
		}
	}
}

func TestScrapeQuery(t *testing.T) {
	other := [20]byte{19: 1}
	q := string(AppendScrapeQuery(nil, hash, other))
	got, err := ParseScrape(q, 10)
	if err != nil || !slices.Equal(got, [][20]byte{hash, other}) {
		t.Errorf("%v, %q", err, got)
	}
	if got, err := ParseScrape(q, 1); err != nil || len(got) != 1 {
		t.Errorf("at most one: %v, %q", err, got)
	}
	if got, err := ParseScrape("", 10); err != nil || len(got) != 0 {
		t.Errorf("none: %v, %q", err, got)
	}
	if _, err := ParseScrape("info_hash=abc", 10); err != ErrInfoHash {
		t.Errorf("short: %v", err)
	}
}

func TestReplyForms(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("1.2.3.4:5"), netip.MustParseAddrPort("[2001::1]:6")
	r := Reply{Interval: 900, MinInterval: 60, Complete: 1, Incomplete: 2, ExternalIP: netip.MustParseAddr("9.8.7.6"), TrackerID: "t", Warning: "w",
		Peers: []Peer{{Addr: v4, ID: hash}, {Addr: v6, ID: hash}}}
	got, err := ParseReply(AppendReply(nil, &r, false, false))
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("dictionaries: %v\n got %+v\nwant %+v", err, got, r)
	}
	for i := range r.Peers {
		r.Peers[i].ID = [20]byte{}
	}
	got, err = ParseReply(AppendReply(nil, &r, true, false))
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("compact: %v\n got %+v\nwant %+v", err, got, r)
	}
	b := AppendReply(nil, &r, false, true)
	if bytes.Contains(b, []byte("peer id")) {
		t.Errorf("no_peer_id: %q", b)
	}
	// Byte for byte as the specifications show it, keys sorted.
	small := Reply{Interval: 900, Complete: 0, Incomplete: 1, Peers: []Peer{{Addr: v4}}}
	if got, want := string(AppendReply(nil, &small, true, false)), "d8:completei0e10:incompletei1e8:intervali900e5:peers6:\x01\x02\x03\x04\x00\x05e"; got != want {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

func TestReplyTraps(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		ok       bool
		check    func(r Reply) bool
	}{
		{"failure", "d14:failure reason2:noe", true, func(r Reply) bool { return r.Failure == "no" && r.RetryIn == 0 }},
		{"failure without text", "d14:failure reason0:e", true, func(r Reply) bool { return r.Failure != "" }},
		{"failure of another type", "d14:failure reasoni7ee", true, func(r Reply) bool { return r.Failure != "" }},
		{"retry never", "d14:failure reason2:no8:retry in5:nevere", true, func(r Reply) bool { return r.RetryIn == -1 }},
		{"retry in 5", "d14:failure reason2:no8:retry ini5ee", true, func(r Reply) bool { return r.RetryIn == 5 }},
		{"failure in a peer list", "d8:intervali5e5:peersl14:failure reasonee", true, func(r Reply) bool { return r.Failure == "" }},
		{"unsorted", "d5:peers0:8:intervali5ee", true, func(r Reply) bool { return r.Interval == 5 }},
		{"interval is text", "d8:interval2:30e", true, func(r Reply) bool { return r.Interval == 0 }},
		{"negative interval", "d8:intervali-5ee", true, func(r Reply) bool { return r.Interval == 0 }},
		{"interval with a fraction", "d8:intervali1.5ee", false, nil},
		{"no peers", "d8:intervali5ee", true, func(r Reply) bool { return len(r.Peers) == 0 && r.Complete == -1 }},
		{"peers is a number", "d5:peersi5ee", false, nil},
		{"peers6 is a number", "d6:peers6i5ee", true, nil},
		{"half a peer", "d5:peers8:\x01\x02\x03\x04\x00\x05xxe", true, func(r Reply) bool { return len(r.Peers) == 1 }},
		{"host name", "d5:peersld2:ip11:example.com4:porti5eeee", true, func(r Reply) bool { return len(r.Peers) == 0 }},
		{"port out of range", "d5:peersld2:ip7:1.2.3.44:porti65536eeee", true, func(r Reply) bool { return len(r.Peers) == 0 }},
		{"peer without ip", "d5:peersld4:porti5eeee", true, func(r Reply) bool { return len(r.Peers) == 0 }},
		{"short peer id", "d5:peersld2:ip7:1.2.3.47:peer id3:abc4:porti5eeee", true, func(r Reply) bool { return len(r.Peers) == 1 }},
		{"a list", "le", false, nil},
		{"html", "<html>", false, nil},
		{"empty", "", false, nil},
		{"a line's end behind it", "d8:intervali5ee\r\n", true, func(r Reply) bool { return r.Interval == 5 }},
		{"another value behind it", "d8:intervali5eed5:peers0:e", true, func(r Reply) bool { return r.Interval == 5 }},
		{"failure with more behind it", "d14:failure reason2:noe<!-- x -->", true, func(r Reply) bool { return r.Failure == "no" }},
		{"something before it", "\nd8:intervali5ee", false, nil},
		{"deep", "d1:x" + strings.Repeat("l", 100) + strings.Repeat("e", 100) + "e", false, nil},
	} {
		r, err := ParseReply([]byte(tc.in))
		if (err == nil) != tc.ok {
			t.Errorf("%s: error %v", tc.name, err)
		} else if tc.check != nil && !tc.check(r) {
			t.Errorf("%s: %+v", tc.name, r)
		}
	}
	many := Reply{Interval: 1, Peers: make([]Peer, 3000)}
	for i := range many.Peers {
		many.Peers[i].Addr = netip.MustParseAddrPort("1.2.3.4:5")
	}
	for _, compactly := range []bool{true, false} {
		if r, err := ParseReply(AppendReply(nil, &many, compactly, true)); err != nil || len(r.Peers) != MaxPeers {
			t.Errorf("3000 peers, compact %v: %v, %d", compactly, err, len(r.Peers))
		}
	}
}

func TestScrapeReply(t *testing.T) {
	a, b := ScrapeFile{InfoHash: [20]byte{1}, Complete: 1, Incomplete: 2, Downloaded: 3}, ScrapeFile{InfoHash: [20]byte{2}}
	out := AppendScrape(nil, []ScrapeFile{b, a, b}, 60)
	got, failure, err := ParseScrapeReply(out)
	if err != nil || failure != "" || !slices.Equal(got, []ScrapeFile{a, b}) {
		t.Errorf("%v %q %+v", err, failure, got)
	}
	if _, failure, err := ParseScrapeReply(AppendFailure(nil, "no", 0)); err != nil || failure != "no" {
		t.Errorf("%v %q", err, failure)
	}
}

func FuzzParseAnnounce(f *testing.F) {
	f.Add(string(AppendQuery(nil, &Announce{InfoHash: hash, PeerID: hash, Port: 1, Event: "paused", Left: -1, NumWant: -1})))
	f.Add("info_hash=%&&=&+")
	f.Fuzz(func(t *testing.T, q string) {
		if _, err := ParseScrape(q, 100); err != nil && err != ErrQuery && err != ErrInfoHash && err != ErrTooLong {
			t.Fatal(err)
		}
		a, err := ParseAnnounce(q)
		if err != nil {
			return
		}
		again, err := ParseAnnounce(string(AppendQuery(nil, &a)))
		if a.Left == -1 {
			a.Left = math.MaxInt64
		}
		if err != nil && err != ErrTooLong || err == nil && again != a {
			t.Fatalf("%v\n%+v became\n%+v", err, a, again)
		}
	})
}

func FuzzParseReply(f *testing.F) {
	v4, v6 := netip.MustParseAddrPort("1.2.3.4:5"), netip.MustParseAddrPort("[2001::1]:6")
	r := Reply{Interval: 900, Complete: 1, Peers: []Peer{{Addr: v4, ID: hash}, {Addr: v6, ID: hash}}}
	f.Add(AppendReply(nil, &r, true, false))
	f.Add(AppendReply(nil, &r, false, false))
	f.Add(AppendFailure(nil, "no", -1))
	f.Add(AppendScrape(nil, []ScrapeFile{{InfoHash: hash, Complete: 1}}, 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		ParseScrapeReply(b)
		r, err := ParseReply(b)
		if err != nil {
			return
		}
		if len(r.Peers) > MaxPeers {
			t.Fatal("too many peers")
		}
		again, err := ParseReply(AppendReply(nil, &r, false, false))
		if r.Failure == "" {
			r.RetryIn = again.RetryIn
		}
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%v\n%+v became\n%+v", err, r, again)
		}
	})
}
