package udpwire

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/compact"
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
	var r Request
	if err := r.Parse(b); err != nil || string(r.Announce.URLData) != long {
		t.Errorf("%q", r.Announce.URLData)
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
		err := r.Parse(packet)
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
		{"old IPv6 announce of 109 bytes", append(appendHead(nil, 1, Announce6, 2), make([]byte, 93)...), ErrShort},
		{"scrape without hash", AppendScrape(nil, 1, 2), ErrShort},
		{"scrape with half a hash", AppendScrape(nil, 1, 2, [20]byte{})[:35], ErrShort},
		{"unknown action", appendHead(nil, 1, 9, 2), ErrAction},
	} {
		if err := new(Request).Parse(tc.b); err != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}

// The announce of opentracker before BEP 15 had a rule for IPv6: everything behind the
// address comes twelve bytes later.
func TestOldIPv6Announce(t *testing.T) {
	a := AnnounceRequest{InfoHash: [20]byte{1}, PeerID: [20]byte{2}, Left: 3, Event: EventStarted, Key: 4, NumWant: 5, Port: 6, URLData: []byte("/x")}
	b := AppendAnnounce(nil, 7, 8, &a)
	b[11] = byte(Announce6)
	b = slices.Concat(b[:84], make([]byte, 16), b[88:])
	var r Request
	if err := r.Parse(b); err != nil || r.Action != Announce6 || r.ConnID != 7 || r.Txn != 8 || !reflect.DeepEqual(r.Announce, a) {
		t.Errorf("%v %+v", err, r)
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	long := AppendAnnounce(nil, 1, 2, &AnnounceRequest{URLData: make([]byte, 400)})
	scrape := AppendScrape(nil, 1, 2, [20]byte{})
	var r Request
	r.Parse(long)
	if n := testing.AllocsPerRun(100, func() { r.Parse(long); r.Parse(scrape) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestReplies(t *testing.T) {
	peer := netip.MustParseAddrPort("1.2.3.4:5")
	for _, action := range []Action{Announce, Announce6} {
		r, err := ParseReply(compact.Append(AppendAnnounceReply(nil, action, 7, 1800, 3, 4), peer))
		if err != nil || r.Action != action || r.Txn != 7 || r.Interval != 1800 || r.Leechers != 3 || r.Seeders != 4 {
			t.Fatalf("%v %+v", err, r)
		}
		if compact.Parse4(nil, r.Peers, 9)[0] != peer {
			t.Errorf("%x", r.Peers)
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
		if _, err := ParseReply(AppendAnnounceReply(nil, Announce, 1, 2, 3, 4)[:n]); err != ErrShort {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(AppendConnect(nil, 1))
	f.Add(AppendAnnounce(nil, 1, 2, &AnnounceRequest{URLData: []byte("/announce?x=1")}))
	f.Add(AppendScrape(nil, 1, 2, [20]byte{1}, [20]byte{2}))
	f.Add(append(appendHead(nil, 1, Announce6, 2), make([]byte, 100)...))
	var r, r2 Request // used again for each input, as a tracker does
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := r.Parse(b); err != nil {
			return
		}
		var again []byte
		switch r.Action {
		case Connect:
			again = AppendConnect(nil, r.Txn)
		case Announce:
			again = AppendAnnounce(nil, r.ConnID, r.Txn, &r.Announce)
		case Announce6:
			again = AppendAnnounce(nil, r.ConnID, r.Txn, &r.Announce)
			again[11] = byte(Announce6)
			again = slices.Concat(again[:84], b[84:100], again[88:])
		case Scrape:
			again = append(appendHead(nil, r.ConnID, Scrape, r.Txn), r.Hashes...)
		}
		n := map[Action]int{Connect: 16, Announce: 98, Announce6: 110, Scrape: 16 + len(r.Hashes)}[r.Action]
		if !bytes.Equal(again[:n], b[:n]) {
			t.Fatalf("%x became %x", b, again)
		}
		if err := r2.Parse(again); err != nil || !bytes.Equal(r2.Announce.URLData, r.Announce.URLData) {
			t.Fatalf("URL data %q became %q", r.Announce.URLData, r2.Announce.URLData)
		}
	})
}

func FuzzParseReply(f *testing.F) {
	f.Add(AppendConnectReply(nil, 1, 2))
	f.Add(append(AppendAnnounceReply(nil, Announce, 1, 2, 3, 4), 1, 2, 3, 4, 0, 5))
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
		case Announce, Announce6:
			again = append(AppendAnnounceReply(nil, r.Action, r.Txn, r.Interval, r.Leechers, r.Seeders), r.Peers...)
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
