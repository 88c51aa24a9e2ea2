package udpwire

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/trackerclient/compact"
)

// The sizes and offsets are those of the tables in BEP 15.
func TestLayout(t *testing.T) {
	if got := hex.EncodeToString(AppendConnect(nil, 0x01020304)); got != "00000417271019800000000001020304" {
		t.Errorf("connect: %s", got)
	}
	a := AnnounceRequest{
		InfoHash: [20]byte([]byte("HHHHHHHHHHHHHHHHHHHH")), PeerID: [20]byte([]byte("PPPPPPPPPPPPPPPPPPPP")),
		Downloaded: 1, Left: 2, Uploaded: 3, Event: EventStarted, IP: [4]byte{9, 8, 7, 6}, Key: 0xaabbccdd, NumWant: -1, Port: 6881,
	}
	want := "1122334455667788" + "00000001" + "0a0b0c0d" + strings.Repeat("48", 20) + strings.Repeat("50", 20) +
		"0000000000000001" + "0000000000000002" + "0000000000000003" + "00000002" + "09080706" + "aabbccdd" + "ffffffff" + "1ae1"
	b := AppendAnnounce(nil, 0x1122334455667788, 0x0a0b0c0d, &a)
	if got := hex.EncodeToString(b); got != want || len(b) != 98 {
		t.Errorf("announce:\n got %s\nwant %s", got, want)
	}
	if n := len(AppendScrape(nil, 1, 2, [20]byte{}, [20]byte{})); n != 56 {
		t.Errorf("scrape of two: %d bytes", n)
	}
	if n := len(AppendScrape(nil, 1, 2, make([][20]byte, 100)...)); n != 16+20*MaxScrape {
		t.Errorf("scrape of many: %d bytes", n)
	}
}

func TestURLData(t *testing.T) {
	long := "/announce?passkey=" + strings.Repeat("x", 300)
	b := AppendAnnounce(nil, 1, 2, &AnnounceRequest{URLData: []byte(long)})
	r, err := ParseRequest(b)
	if err != nil || string(r.Announce.URLData) != long {
		t.Errorf("%v, %q", err, r.Announce.URLData)
	}
	head := b[:98:98]
	for _, tc := range []struct{ name, options, want string }{
		{"nothing", "", ""},
		{"end", "\x00\x02\x01x", ""},
		{"no operation first", "\x01\x01\x02\x01x", "x"},
		{"two parts", "\x02\x01x\x01\x02\x02yz\x00", "xyz"},
		{"unknown option is skipped", "\x07\x03abc\x02\x01x", "x"},
		{"length past the end", "\x02\x01x\x02\x09y", "x"},
		{"length missing", "\x02", ""},
		{"empty part", "\x02\x00\x02\x01x", "x"},
	} {
		packet := append(bytes.Clone(head), tc.options...)
		r, err := ParseRequest(packet)
		if err != nil || string(r.Announce.URLData) != tc.want {
			t.Errorf("%s: %v, %q", tc.name, err, r.Announce.URLData)
		}
		if string(packet[98:]) != tc.options {
			t.Errorf("%s: the packet was changed", tc.name)
		}
	}
}

func TestRequestErrors(t *testing.T) {
	announce := AppendAnnounce(nil, 1, 2, &AnnounceRequest{})
	for _, tc := range []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, ErrShort},
		{"15 bytes", make([]byte, 15), ErrShort},
		{"connect without magic", make([]byte, 16), ErrMagic},
		{"announce of 97 bytes", announce[:97], ErrShort},
		{"scrape without hash", AppendScrape(nil, 1, 2), ErrShort},
		{"scrape with half a hash", AppendScrape(nil, 1, 2, [20]byte{})[:35], ErrShort},
		{"unknown action", appendHead(nil, 1, 9, 2), ErrAction},
	} {
		if _, err := ParseRequest(tc.b); err != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}

func TestReplies(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("1.2.3.4:5"), netip.MustParseAddrPort("[2001::1]:6")
	for _, family := range []bool{false, true} {
		b := AppendAnnounceReply(nil, 7, 1800, 3, 4, []netip.AddrPort{v4, v6}, family)
		r, err := ParseReply(b)
		if err != nil || r.Action != Announce || r.Txn != 7 || r.Interval != 1800 || r.Leechers != 3 || r.Seeders != 4 {
			t.Fatalf("%v %+v", err, r)
		}
		if family && compact.Parse6(nil, r.Peers, 9)[0] != v6 || !family && compact.Parse4(nil, r.Peers, 9)[0] != v4 {
			t.Errorf("IPv6 %v: %x", family, r.Peers)
		}
	}
	r, err := ParseReply(AppendCounter(AppendCounter(AppendScrapeReply(nil, 7), 1, 2, 3), 4, 5, 6))
	if err != nil {
		t.Fatal(err)
	}
	if s, c, l, ok := r.Counter(1); !ok || s != 4 || c != 5 || l != 6 {
		t.Errorf("counter: %d %d %d %v", s, c, l, ok)
	}
	if _, _, _, ok := r.Counter(2); ok {
		t.Error("a third counter of two")
	}
	r, err = ParseReply(AppendError(nil, 7, "no"))
	if err != nil || r.Action != Error || string(r.Message) != "no" {
		t.Errorf("%v %+v", err, r)
	}
	r, err = ParseReply(AppendConnectReply(nil, 7, 99))
	if err != nil || r.ConnID != 99 {
		t.Errorf("%v %+v", err, r)
	}
	for n := range 20 {
		if _, err := ParseReply(AppendAnnounceReply(nil, 1, 2, 3, 4, nil, false)[:n]); err != ErrShort {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(AppendConnect(nil, 1))
	f.Add(AppendAnnounce(nil, 1, 2, &AnnounceRequest{URLData: []byte("/announce?x=1")}))
	f.Add(AppendScrape(nil, 1, 2, [20]byte{1}, [20]byte{2}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		if err != nil {
			return
		}
		var again []byte
		switch r.Action {
		case Connect:
			again = AppendConnect(nil, r.Txn)
		case Announce:
			again = AppendAnnounce(nil, r.ConnID, r.Txn, &r.Announce)
		case Scrape:
			again = append(appendHead(nil, r.ConnID, Scrape, r.Txn), r.Hashes...)
		}
		n := map[Action]int{Connect: 16, Announce: 98, Scrape: 16 + len(r.Hashes)}[r.Action]
		if !bytes.Equal(again[:n], b[:n]) {
			t.Fatalf("%x became %x", b, again)
		}
		r2, err := ParseRequest(again)
		if err != nil || !bytes.Equal(r2.Announce.URLData, r.Announce.URLData) {
			t.Fatalf("%v, URL data %q became %q", err, r.Announce.URLData, r2.Announce.URLData)
		}
	})
}

func FuzzParseReply(f *testing.F) {
	f.Add(AppendConnectReply(nil, 1, 2))
	f.Add(AppendAnnounceReply(nil, 1, 2, 3, 4, []netip.AddrPort{netip.MustParseAddrPort("1.2.3.4:5")}, false))
	f.Add(AppendCounter(AppendScrapeReply(nil, 1), 1, 2, 3))
	f.Add(AppendError(nil, 1, "no"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseReply(b)
		if err != nil {
			return
		}
		var again []byte
		switch r.Action {
		case Connect:
			again = AppendConnectReply(nil, r.Txn, r.ConnID)
		case Announce:
			again = append(AppendAnnounceReply(nil, r.Txn, r.Interval, r.Leechers, r.Seeders, nil, false), r.Peers...)
		case Scrape:
			again = append(AppendScrapeReply(nil, r.Txn), r.Counters...)
		case Error:
			again = AppendError(nil, r.Txn, string(r.Message))
		}
		r2, err := ParseReply(again)
		if err != nil || !reflect.DeepEqual(r, r2) || !bytes.HasPrefix(b, again) {
			t.Fatalf("%+v became %+v", r, r2)
		}
	})
}
