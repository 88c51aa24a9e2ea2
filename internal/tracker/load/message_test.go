package load

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/signal"
)

func TestStamps(t *testing.T) {
	b := make([]byte, stampLen)
	for _, tc := range []struct {
		micros int64
		conn   uint32
	}{{0, 0}, {1, 1}, {1<<40 - 1, 1<<32 - 1}, {123_456_789_012, 49_999}} {
		putStamp(b, tc.micros, tc.conn)
		micros, conn, ok := readStamp(b)
		if !ok || micros != tc.micros || conn != tc.conn&(1<<30-1) {
			t.Errorf("%+v reads %d, %d, %v", tc, micros, conn, ok)
		}
	}
	if _, _, ok := readStamp([]byte(`\u0001ABCDEF`)); ok {
		t.Error("a stranger's id passes for a stamp")
	}
}

// What the generator sends has to be what the tracker reads.
func TestMessagesAreReadable(t *testing.T) {
	o := Options{Offers: 10, SDPSize: 1300, Seed: 7}
	tmpl := newTemplate(o, leecher)
	hash, peer := infoHash(7, 3), peerID(7, 42)
	_, text, rest := unmask(t, tmpl.appendAnnounce(nil, hash, peer, 5000, 42))
	if len(rest) > 0 {
		t.Errorf("%d bytes behind the frame", len(rest))
	}
	var req signal.Request
	if err := req.Parse([]byte(text), signal.Limits{MaxOffers: 20}); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	a := req.Announce
	if string(a.InfoHash[:]) != string(rawHash(7, 3)) || string(a.PeerID[:]) != string(peer) || len(a.Offers) != 10 || a.NumWant != 10 {
		t.Errorf("%q %q, %d offers, numwant %d", a.InfoHash, a.PeerID, len(a.Offers), a.NumWant)
	}
	seen := map[[20]byte]bool{}
	for _, of := range a.Offers {
		seen[of.ID] = of.HasID
		if micros, conn, ok := readStamp(of.ID[:]); !ok || micros != 5000 || conn != 42 {
			t.Errorf("offer id %q", of.ID)
		}
		if n := len(of.SDP); n < 1300 || n > 1500 {
			t.Errorf("an SDP of %d bytes", n)
		}
	}
	if len(seen) != 10 {
		t.Errorf("%d distinct offer ids", len(seen))
	}

	id := appendBinary(nil, []byte("AAAAAAAAAAAA\"\\\x00\xff\x80 xy"))
	_, text, _ = unmask(t, tmpl.appendAnswer(nil, hash, peer, peerID(7, 9), id))
	if err := req.Parse([]byte(text), signal.Limits{MaxOffers: 20}); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if a := req.Announce; string(a.ToPeerID[:]) != string(peerID(7, 9)) || string(a.OfferID[:]) != "AAAAAAAAAAAA\"\\\x00\xff\x80 xy" || len(a.Answer) < 1300 {
		t.Errorf("%+v", a)
	}
}

func TestSDPSizes(t *testing.T) {
	for _, size := range []int{1, 47, 400, 1300, 8000} {
		s := sdp(size, "offer")
		if len(s) < size || len(s) > size+150 {
			t.Errorf("%d bytes for %d", len(s), size)
		}
		if strings.HasSuffix(s, `\`) {
			t.Errorf("%d: ends within an escape", size)
		}
		var v string
		if err := json.Unmarshal([]byte(`"`+s+`"`), &v); err != nil {
			t.Errorf("%d: %v", size, err)
		}
	}
}

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		in   string
		kind kind
	}{
		{`{"action":"announce","interval":120,"info_hash":"h","complete":1,"incomplete":2}`, kindReply},
		{`{"complete":0,"incomplete":1,"action":"announce","interval":120,"info_hash":"h"}`, kindReply},
		{`{"action":"announce","offer":{"type":"offer","sdp":"x\"}"},"offer_id":"o","peer_id":"p","info_hash":"h"}`, kindOffer},
		{` { "offer_id" : "o" , "peer_id":"p","offer":{"sdp":"{[\\\"","a":[1,{"b":2}]}, "info_hash":"h"} `, kindOffer},
		{`{"action":"announce","answer":{"type":"answer","sdp":"x"},"offer_id":"o","peer_id":"p","info_hash":"h"}`, kindAnswer},
		{`{"action":"announce","failure reason":"no","interval":3}`, kindFailure},
		{`{"action":"announce","interval":3,"failure reason":"no"}`, kindFailure},
		{`{"action":"scrape","files":{}}`, kindOther},
		{`{}`, kindOther}, {`[]`, kindOther}, {``, kindOther}, {`{"interval"`, kindOther}, {`{"interval":`, kindOther}, {`{"interval":1`, kindOther}, {`{"a":"`, kindOther},
	} {
		m := parse([]byte(tc.in))
		if m.kind != tc.kind {
			t.Errorf("%s: kind %d, want %d", tc.in, m.kind, tc.kind)
		}
		if m.kind == kindOffer || m.kind == kindAnswer {
			if string(m.hash) != "h" || string(m.peer) != "p" || string(m.offerID) != "o" {
				t.Errorf("%s: %q %q %q", tc.in, m.hash, m.peer, m.offerID)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"action":"announce","offer":{"type":"offer","sdp":"x\"}"},"offer_id":"o","peer_id":"p","info_hash":"h"}`)
	f.Add(`{"failure reason":"\\"}`)
	f.Add(`{"interval":[[[{}]]]}`)
	f.Fuzz(func(t *testing.T, s string) { parse([]byte(s)) })
}

func TestBinaryIDsAreJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		id := randomBytes(r, 20)
		var s string
		if err := json.Unmarshal([]byte(`"`+string(appendBinary(nil, id))+`"`), &s); err != nil {
			t.Fatalf("%q: %v", id, err)
		}
		back := []byte{}
		for _, c := range s {
			back = append(back, byte(c))
		}
		if string(back) != string(id) {
			t.Fatalf("%q became %q", id, back)
		}
	}
}
