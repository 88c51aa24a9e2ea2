package signal

import (
	"strings"
	"testing"
)

// chromeSDP is about what Chromium writes.
var chromeSDP = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\n" +
	"a=msid-semantic: WMS\r\nm=application 54321 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 192.0.2.7\r\n" +
	strings.Repeat("a=candidate:842163049 1 udp 1677729535 192.0.2.7 54321 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999\r\n", 6) +
	"a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=fingerprint:sha-256 " + strings.Repeat("D9:", 31) + "D9\r\n" +
	"a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"

func tenOffers() []byte {
	a := Announce{InfoHash: oddID, PeerID: peerP, NumWant: 10, Left: 1 << 30}
	for i := range 10 {
		o := Offer{ID: oddID, HasID: true, SDP: NewSDP(chromeSDP)}
		o.ID[0] = byte(i)
		a.Offers = append(a.Offers, o)
	}
	return a.Append(nil)
}

func oneAnswer() []byte {
	a := Announce{InfoHash: oddID, PeerID: peerP, ToPeerID: peerQ, OfferID: offerO, HasAnswer: true, Answer: NewSDP(chromeSDP)}
	return a.Append(nil)
}

func TestATrackerAllocatesNothing(t *testing.T) {
	announce, answer := tenOffers(), oneAnswer()
	scrape := (&ScrapeRequest{Hashes: [][20]byte{hashA, hashB}}).Append(nil)
	var m Request
	out := make([]byte, 0, 4096)
	run := func() {
		for _, msg := range [][]byte{announce, answer, scrape} {
			if err := m.Parse(msg, Limits{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Parse(announce, Limits{}); err != nil {
			t.Fatal(err)
		}
		o := &m.Announce.Offers[0]
		r := Reply{InfoHash: m.Announce.InfoHash, PeerID: m.Announce.PeerID, OfferID: o.ID, Offer: o.SDP}
		out = r.Append(out[:0])
		r = Reply{InfoHash: m.Announce.InfoHash, Interval: 120, Complete: 1, Incomplete: 2}
		out = r.Append(out[:0])
	}
	run()
	if n := testing.AllocsPerRun(50, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func benchParse(b *testing.B, msg []byte) {
	var m Request
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Parse(msg, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseTenOffers(b *testing.B) { benchParse(b, tenOffers()) }
func BenchmarkParseAnswer(b *testing.B)    { benchParse(b, oneAnswer()) }
func BenchmarkParsePlain(b *testing.B)     { benchParse(b, []byte(base+`,"left":0,"numwant":5}`)) }

func BenchmarkAppendRelay(b *testing.B) {
	r := Reply{InfoHash: oddID, PeerID: peerP, OfferID: offerO, Offer: NewSDP(chromeSDP)}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = r.Append(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkAppendCounts(b *testing.B) {
	r := Reply{InfoHash: oddID, Interval: 120, Complete: 1, Incomplete: 2}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = r.Append(buf[:0])
	}
}
