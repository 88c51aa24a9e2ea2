package signal

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func addMessages(f *testing.F) {
	a := Announce{InfoHash: oddID, PeerID: peerP, Event: EventStarted, NumWant: 5, Left: 3, Key: []byte("0a1b"), TrackerID: "t",
		Offers: []Offer{{ID: offerO, HasID: true, SDP: NewSDP("v=0\r\n\u2028\U0001F600")}, {ID: hashB, HasID: true, SDP: NewSDP("v=1")}}}
	answer := Announce{InfoHash: hashA, PeerID: peerP, ToPeerID: peerQ, OfferID: offerO, HasAnswer: true, Answer: NewSDP("v=0")}
	scrape := ScrapeRequest{Hashes: [][20]byte{hashA, oddID}}
	relay := Reply{InfoHash: hashA, PeerID: peerP, OfferID: offerO, Offer: NewSDP("v=0")}
	counts := Reply{InfoHash: hashA, Interval: 120, MinInterval: 60, Complete: 1, WarningMessage: "w", TrackerID: "t"}
	files := Reply{Action: ActionScrape, Files: []ScrapeFile{{hashA, 1, 2, 3}, {oddID, 4, 5, 6}}}
	for _, b := range [][]byte{
		a.Append(nil), answer.Append(nil), scrape.Append(nil), relay.Append(nil), counts.Append(nil), files.Append(nil),
		(&Reply{FailureReason: "no"}).Append(nil),
		[]byte(base + `,"left":-1.5e3,"event":"<regular>","x":[{"y":null},true,"\ud83d\ude00"]}`),
		[]byte(base + `,"offers":[{"fake_offer":"x"},{"offer":{"sdp":"v=0"}}],"peer_\u0069d":1}`),
		[]byte(`{"action":"scrape","info_hash":null}`),
		[]byte(base + `,"ice":1}`), []byte(base + `,"ice_servers":[{"urls":["turn:a:1"],"username":"1:b","credential":"x=","more":[]}]}`),
	} {
		f.Add(b)
	}
}

// checkJSON compares with encoding/json, which is milder with what is not
// UTF-8, and does not know our bounds.
func checkJSON(t *testing.T, b []byte, err error) {
	_, syntax := err.(*SyntaxError)
	if !syntax && (!json.Valid(b) || !utf8.Valid(b)) {
		t.Fatalf("%q is taken as JSON", b)
	}
	bounds := syntax && (strings.Contains(err.Error(), "nested") || strings.Contains(err.Error(), "large"))
	object := bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{"))
	if syntax && !bounds && object && json.Valid(b) && utf8.Valid(b) {
		t.Fatalf("%q is refused: %v", b, err)
	}
	if err != nil && !syntax {
		if _, ok := err.(*FieldError); !ok {
			t.Fatalf("%T %v", err, err)
		}
	}
}

func FuzzRequest(f *testing.F) {
	addMessages(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again Request
		in := bytes.Clone(b)
		err := m.Parse(b, Limits{})
		if !bytes.Equal(in, b) {
			t.Fatal("Parse changed its input")
		}
		checkJSON(t, b, err)
		if err != nil {
			var r Reply
			if e := AppendError(nil, &m, err); r.Parse(e, Limits{}) != nil || r.FailureReason == "" || !r.HasInfoHash {
				t.Fatalf("%v becomes %s", err, e)
			}
			return
		}
		var out []byte
		if m.Action == ActionScrape {
			out = m.Scrape.Append(nil)
		} else {
			out = m.Announce.Append(nil)
		}
		if !json.Valid(out) {
			t.Fatalf("%q became %q", b, out)
		}
		if err := again.Parse(out, Limits{}); err != nil {
			t.Fatalf("%q became %q: %v", b, out, err)
		}
		// Append leaves out offers without id, and what an answer need not say.
		kept := m.Announce.Offers[:0]
		for _, o := range m.Announce.Offers {
			if o.HasID && !m.Announce.HasAnswer {
				kept = append(kept, o)
			}
		}
		m.Announce.Offers, m.Announce.OffersDropped = kept, 0
		if a := &m.Announce; a.HasAnswer {
			a.Event, a.NumWant, a.Left, a.Uploaded, a.Downloaded = EventUpdate, NumWantUnset, LeftUnknown, 0, 0
			a.WantsICE = false
		} else if m.Action == ActionAnnounce {
			a.ToPeerID, a.OfferID = [20]byte{}, [20]byte{}
		}
		if !sameRequest(&m, &again) {
			t.Fatalf("%+v\ncame back as\n%+v", m, again)
		}
	})
}

func FuzzReply(f *testing.F) {
	addMessages(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again Reply
		err := m.Parse(b, Limits{})
		checkJSON(t, b, err)
		if err != nil {
			return
		}
		out := m.Append(nil)
		if err := again.Parse(out, Limits{}); err != nil || !json.Valid(out) {
			t.Fatalf("%q became %q: %v", b, out, err)
		}
		// Append is the canonical form: a second round changes nothing.
		if out2 := again.Append(nil); !bytes.Equal(out, out2) {
			t.Fatalf("%q became %q became %q", b, out, out2)
		}
		if m.FailureReason == "" && len(m.Offer) == 0 && len(m.Answer) == 0 && m.Action == ActionAnnounce {
			m.Files, m.PeerID, m.OfferID = nil, [20]byte{}, [20]byte{}
			if !sameReply(&m, &again) {
				t.Fatalf("%+v\ncame back as\n%+v", m, again)
			}
		}
	})
}

func FuzzSDP(f *testing.F) {
	f.Add("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n", []byte(`a\u0041\ud83d\ude00\n`))
	f.Add("\x00\x1f\"\\/\u2028\u2029\U0001F600\x80\xff<>&", []byte(`\ud800x\uDC00\`))
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		_ = SDP(raw).String() // whatever it is, no panic
		sdp := NewSDP(text)
		if utf8.ValidString(text) && sdp.String() != text {
			t.Fatalf("%q came back as %q", text, sdp.String())
		}
		var std string
		if err := json.Unmarshal([]byte(`"`+string(sdp)+`"`), &std); err != nil || std != sdp.String() {
			t.Fatalf("%q is %q here and %q, %v elsewhere", text, sdp.String(), std, err)
		}
		if !utf8.Valid(raw) || !json.Valid([]byte(`"`+string(raw)+`"`)) {
			return
		}
		if json.Unmarshal([]byte(`"`+string(raw)+`"`), &std); std != SDP(raw).String() {
			t.Fatalf("%q decodes to %q here and %q elsewhere", raw, SDP(raw).String(), std)
		}
	})
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "1", "-1.5", "12.50", "1e3", "1E-3", "0.001e3", "123456789012345678901234567890", "1e400", "9223372036854775807", "0.0e99", "100e-2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if i := strings.IndexAny(s, "eE"); i >= 0 && len(s)-i > 6 {
			return // math/big takes its time
		}
		if strings.ContainsAny(s, " \t\r\n") {
			return // num skips space in front, as it should
		}
		r := reader{}
		r.b = []byte(s)
		v, ok := r.num()
		ok = ok && r.i == len(s)
		if valid := json.Valid([]byte(s)) && strings.IndexAny(s, "-0123456789") == 0; ok != valid {
			t.Fatalf("%q: %v, encoding/json says %v", s, ok, valid)
		}
		if !ok {
			return
		}
		want, _ := new(big.Rat).SetString(s)
		if want == nil {
			return
		}
		whole := new(big.Int).Quo(want.Num(), want.Denom())
		whole.Abs(whole)
		frac := !want.IsInt()
		if limit := big.NewInt(1<<63 - 1); whole.Cmp(limit) > 0 {
			whole = limit
		}
		if v.n != whole.Int64() || v.frac != frac || v.neg != strings.HasPrefix(s, "-") {
			t.Fatalf("%q: got %+v, want %v", s, v, want)
		}
	})
}

func TestNumberSeeds(t *testing.T) {
	for s, want := range map[string]number{
		"0": {}, "-0": {neg: true}, "12.50": {n: 12, frac: true}, "1e3": {n: 1000}, "1E-3": {frac: true}, "0.001e3": {n: 1},
		"1e400": {n: 1<<63 - 1}, "9223372036854775807": {n: 1<<63 - 1}, "9223372036854775806": {n: 1<<63 - 2},
		"0.0e99": {}, "100e-2": {n: 1}, "-1.5": {n: 1, neg: true, frac: true}, "1e-99999999999999999999": {frac: true},
	} {
		r := reader{}
		r.b = []byte(s)
		if v, ok := r.num(); !ok || !reflect.DeepEqual(v, want) {
			t.Errorf("%s: %+v, want %+v", s, v, want)
		}
	}
}
