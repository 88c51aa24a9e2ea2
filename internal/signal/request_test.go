package signal

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

func id(s string) (id [20]byte) {
	if len(s) != 20 {
		panic("an id has 20 bytes: " + s)
	}
	copy(id[:], s)
	return id
}

var (
	hashA  = id("aaaaaaaaaaaaaaaaaaaa")
	hashB  = id("bbbbbbbbbbbbbbbbbbbb")
	peerP  = id("-SH0001-pppppppppppp")
	peerQ  = id("-SH0001-qqqqqqqqqqqq")
	offerO = id("oooooooooooooooooooo")

	// Every kind of byte: controls, quote, backslash, DEL, and above 0x7f.
	oddID = id("\x00\x01\x08\t\n\f\r\x1f \"\\/\x7f\x80\x9f\xa0\xc3\xff<&")
)

// oddLiteral is oddID as JSON.stringify writes it.
const oddLiteral = "\"\\u0000\\u0001\\b\\t\\n\\f\\r\\u001f \\\"\\\\/\x7f\u0080\u009f\u00a0\u00c3\u00ff<&\""

// base is an announce up to its last brace.
const base = `{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"-SH0001-pppppppppppp"`

func parse(t *testing.T, msg string) Request {
	t.Helper()
	var m Request
	if err := m.Parse([]byte(msg), Limits{}); err != nil {
		t.Fatalf("%s: %v", msg, err)
	}
	return m
}

func TestAnnounceBytes(t *testing.T) {
	a := Announce{
		InfoHash: oddID, PeerID: peerP, Event: EventStarted, NumWant: 5, Uploaded: 1, Downloaded: 2, Left: 3,
		Offers: []Offer{
			{ID: offerO, HasID: true, SDP: NewSDP("v=0\r\n\"x\"\\ \u2028\u00e9")},
			{SDP: NewSDP("an offer without id cannot be answered")},
			{ID: peerQ, HasID: true},
			{ID: hashB, HasID: true, SDP: NewSDP("v=1")},
		},
		Key: []byte("0a1b2c3d"), TrackerID: `t"1`,
	}
	want := `{"action":"announce","info_hash":"\u0000\u0001\u0008\t\n\u000c\r\u001f \"\\/` + "\x7f\u0080\u009f\u00a0\u00c3\u00ff" + `<&",` +
		`"peer_id":"-SH0001-pppppppppppp","numwant":5,"uploaded":1,"downloaded":2,"left":3,"event":"started","offers":[` +
		`{"offer":{"type":"offer","sdp":"v=0\r\n\"x\"\\ ` + "\u2028\u00e9" + `"},"offer_id":"oooooooooooooooooooo"},` +
		`{"offer":{"type":"offer","sdp":"v=1"},"offer_id":"bbbbbbbbbbbbbbbbbbbb"}],"key":"0a1b2c3d","trackerid":"t\"1"}`
	if got := string(a.Append(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	a.Offers = []Offer{a.Offers[0], a.Offers[3]}
	if m := parse(t, want); m.Action != ActionAnnounce || !reflect.DeepEqual(m.Announce, a) {
		t.Errorf("came back as %+v\nwant %+v", m.Announce, a)
	}
	// What is not known is not said: a left of null makes a seeder of us at
	// bittorrent-tracker.
	a = Announce{InfoHash: hashA, PeerID: peerP, NumWant: NumWantUnset, Left: LeftUnknown}
	if got, want := string(a.Append(nil)), base+`,"uploaded":0,"downloaded":0}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAnswerBytes(t *testing.T) {
	a := Announce{InfoHash: hashA, PeerID: peerP, HasAnswer: true, Answer: NewSDP("v=0\n"), ToPeerID: peerQ, OfferID: offerO,
		NumWant: NumWantUnset, Left: LeftUnknown, Event: EventUpdate, Offers: []Offer{}}
	want := base + `,"to_peer_id":"-SH0001-qqqqqqqqqqqq","offer_id":"oooooooooooooooooooo","answer":{"type":"answer","sdp":"v=0\n"}}`
	if got := string(a.Append(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m := parse(t, want)
	a.Offers = m.Announce.Offers
	if !reflect.DeepEqual(m.Announce, a) {
		t.Errorf("came back as %+v", m.Announce)
	}
}

func TestScrapeRequestBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		s    ScrapeRequest
		want string
	}{
		{"all", ScrapeRequest{All: true}, `{"action":"scrape"}`},
		{"one", ScrapeRequest{Hashes: [][20]byte{hashA}}, `{"action":"scrape","info_hash":"aaaaaaaaaaaaaaaaaaaa"}`},
		{"two", ScrapeRequest{Hashes: [][20]byte{hashA, oddID}},
			`{"action":"scrape","info_hash":["aaaaaaaaaaaaaaaaaaaa",` + strings.NewReplacer(`\b`, `\u0008`, `\f`, `\u000c`).Replace(oddLiteral) + `]}`},
		{"none", ScrapeRequest{Hashes: [][20]byte{}}, `{"action":"scrape","info_hash":[]}`},
	} {
		if got := string(c.s.Append(nil)); got != c.want {
			t.Errorf("%s: got %s", c.name, got)
		}
		m := parse(t, c.want)
		if m.Action != ActionScrape || m.Scrape.All != c.s.All || len(m.Scrape.Hashes) != len(c.s.Hashes) ||
			len(c.s.Hashes) > 0 && !reflect.DeepEqual(m.Scrape.Hashes, c.s.Hashes) {
			t.Errorf("%s came back as %+v", c.name, m)
		}
	}
	if m := parse(t, `{"info_hash":null,"action":"scrape"}`); !m.Scrape.All {
		t.Error("a scrape of null is not one of everything")
	}
	// A key that the action has no use for may come first.
	if m := parse(t, `{"info_hash":["aaaaaaaaaaaaaaaaaaaa"],"left":0,"action":"scrape"}`); len(m.Scrape.Hashes) != 1 {
		t.Errorf("%+v", m.Scrape)
	}
}

// Messages as clients send them.
func TestAnnouncesInTheWild(t *testing.T) {
	const want = LeftUnknown
	for _, c := range []struct {
		name, more string
		check      func(a *Announce) bool
	}{
		{"webtorrent.js", `,"numwant":5,"uploaded":0,"downloaded":0,"left":1024,"event":"started","offers":[]`,
			func(a *Announce) bool { return a.Event == EventStarted && a.NumWant == 5 && a.Left == 1024 }},
		{"webtorrent.js magnet: left null", `,"left":null`, func(a *Announce) bool { return a.Left == want }},
		{"left absent", ``, func(a *Announce) bool { return a.Left == want && a.NumWant == NumWantUnset }},
		{"anacrolix magnet: left -1", `,"left":-1`, func(a *Announce) bool { return a.Left == want }},
		{"left a negative fraction", `,"left":-0.5`, func(a *Announce) bool { return a.Left == want }},
		{"left a fraction", `,"left":12.5`, func(a *Announce) bool { return a.Left == 13 }},
		{"left almost nothing is not nothing", `,"left":1e-9`, func(a *Announce) bool { return a.Left == 1 }},
		{"left with exponent", `,"left":1.5E+3`, func(a *Announce) bool { return a.Left == 1500 }},
		{"left beyond int64", `,"left":1e400`, func(a *Announce) bool { return a.Left == math.MaxInt64 }},
		{"left of JavaScript's Infinity", `,"left":18446744073709551615`, func(a *Announce) bool { return a.Left == math.MaxInt64 }},
		{"left minus zero", `,"left":-0`, func(a *Announce) bool { return a.Left == 0 }},
		{"left a string", `,"left":"12"`, func(a *Announce) bool { return a.Left == want }},
		{"left an object", `,"left":{"a":[1]}`, func(a *Announce) bool { return a.Left == want }},
		{"seeder", `,"left":0,"event":"completed"`, func(a *Announce) bool { return a.Left == 0 && a.Event == EventCompleted }},
		{"anacrolix", `,"event":"<regular>","numwant":1`, func(a *Announce) bool { return a.Event == EventUpdate && a.NumWant == 1 }},
		{"anacrolix through encoding/json", `,"event":"\u003cregular\u003e"`, func(a *Announce) bool { return a.Event == EventUpdate }},
		{"libtorrent", `,"event":"paused","key":"0A1B2C3D","corrupt":0,"offers":[]`,
			func(a *Announce) bool { return a.Event == EventPaused && string(a.Key) == "0A1B2C3D" }},
		{"event empty", `,"event":""`, func(a *Announce) bool { return a.Event == EventUpdate }},
		{"event update", `,"event":"update"`, func(a *Announce) bool { return a.Event == EventUpdate }},
		{"event null", `,"event":null`, func(a *Announce) bool { return a.Event == EventUpdate }},
		{"event a number", `,"event":2`, func(a *Announce) bool { return a.Event == EventUpdate }},
		{"event a lone surrogate", `,"event":"\ud800"`, func(a *Announce) bool { return a.Event == EventUpdate }},
		{"stopped", `,"event":"stopped","numwant":50`, func(a *Announce) bool { return a.Event == EventStopped && a.NumWant == 50 }},
		{"numwant null", `,"numwant":null`, func(a *Announce) bool { return a.NumWant == NumWantUnset }},
		{"numwant negative", `,"numwant":-3`, func(a *Announce) bool { return a.NumWant == NumWantUnset }},
		{"numwant a fraction", `,"numwant":4.9`, func(a *Announce) bool { return a.NumWant == 4 }},
		{"numwant beyond int32", `,"numwant":1e99`, func(a *Announce) bool { return a.NumWant == math.MaxInt32 }},
		{"uploaded negative", `,"uploaded":-5,"downloaded":7.5`, func(a *Announce) bool { return a.Uploaded == 0 && a.Downloaded == 7 }},
		{"extra keys", `,"getAnnounceOpts":{"a":[{"b":null},true,false,-1.5e3,""]},"ipv6":"::1","\u00e9":1`, func(a *Announce) bool { return true }},
		{"extra keys twice", `,"x":1,"x":2`, func(a *Announce) bool { return true }},
		{"offers null", `,"offers":null`, func(a *Announce) bool { return len(a.Offers) == 0 && a.OffersDropped == 0 }},
		{"answer null", `,"answer":null,"to_peer_id":null,"offer_id":null`, func(a *Announce) bool { return !a.HasAnswer }},
		{"key too long or odd", `,"key":"` + strings.Repeat("k", 300) + `"`, func(a *Announce) bool { return a.Key == nil }},
		{"trackerid null", `,"trackerid":null`, func(a *Announce) bool { return a.TrackerID == "" }},
		{"trackerid", `,"trackerid":"a\u00e9\n"`, func(a *Announce) bool { return a.TrackerID == "a\u00e9\n" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if m := parse(t, base+c.more+"}"); m.Action != ActionAnnounce || m.Announce.InfoHash != hashA || m.Announce.PeerID != peerP || !c.check(&m.Announce) {
				t.Errorf("got %+v", m.Announce)
			}
		})
	}
}

func TestIDsMapCharactersToBytes(t *testing.T) {
	for name, literal := range map[string]string{
		"JSON.stringify": oddLiteral,
		"all escaped":    `"\u0000\u0001\u0008\u0009\u000a\u000c\u000d\u001f\u0020\u0022\u005c\u002f\u007f\u0080\u009f\u00a0\u00c3\u00FF\u003c\u0026"`,
		"Go":             strings.NewReplacer("<", `\u003c`, "&", `\u0026`, "/", `\/`).Replace(oddLiteral),
	} {
		m := parse(t, `{"action":"announce","info_hash":`+literal+`,"peer_id":`+literal+`}`)
		if m.Announce.InfoHash != oddID || m.Announce.PeerID != oddID {
			t.Errorf("%s: got %q", name, m.Announce.InfoHash)
		}
	}
	for b := range 256 {
		var want [20]byte
		for i := range want {
			want[i] = byte(b)
		}
		a := Announce{InfoHash: want, PeerID: want}
		if m := parse(t, string(a.Append(nil))); m.Announce.InfoHash != want {
			t.Errorf("byte %#x came back as %q", b, m.Announce.InfoHash)
		}
	}
}

func TestOffersInTheWild(t *testing.T) {
	good := `{"offer":{"type":"offer","sdp":"v=0\r\n"},"offer_id":"oooooooooooooooooooo"}`
	for _, c := range []struct {
		name, offers string
		kept, drop   int
		hasID        bool
	}{
		{"plain", good, 1, 0, true},
		{"keys in another order", `{"offer_id":"oooooooooooooooooooo","offer":{"sdp":"v=0\r\n","type":"offer"}}`, 1, 0, true},
		{"more keys", `{"x":[{}],"offer_id":"oooooooooooooooooooo","offer":{"x":{},"sdp":"v=0\r\n","type":"offer","y":0}}`, 1, 0, true},
		{"escaped keys", `{"offer_\u0069d":"oooooooooooooooooooo","\u006f\u0066\u0066\u0065\u0072":{"sd\u0070":"v=0\r\n"}}`, 1, 0, true},
		{"without type", `{"offer_id":"oooooooooooooooooooo","offer":{"sdp":"v=0\r\n"}}`, 1, 0, true},
		{"without offer_id", `{"offer":{"type":"offer","sdp":"v=0\r\n"}}`, 1, 0, false},
		{"offer_id null", `{"offer":{"type":"offer","sdp":"v=0\r\n"},"offer_id":null}`, 1, 0, false},
		// What the tests of bittorrent-tracker send.
		{"fake offers", `{"fake_offer":"fake_sdp_1"},{"fake_offer":"fake_sdp_2"}`, 0, 2, false},
		{"without sdp", `{"offer":{"type":"offer"},"offer_id":"oooooooooooooooooooo"}`, 0, 1, false},
		{"sdp empty", `{"offer":{"type":"offer","sdp":""},"offer_id":"oooooooooooooooooooo"}`, 0, 1, false},
		{"sdp null", `{"offer":{"type":"offer","sdp":null},"offer_id":"oooooooooooooooooooo"}`, 0, 1, false},
		{"offer null", `{"offer":null,"offer_id":"oooooooooooooooooooo"}`, 0, 1, false},
		{"no objects", `1,"a",null,[],true`, 0, 5, false},
		{"good ones among others", `null,` + good + `,{}`, 1, 2, true},
		{"thirty", good + strings.Repeat(","+good, 29), 20, 10, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parse(t, base+`,"offers":[`+c.offers+`]}`)
			a := &m.Announce
			if len(a.Offers) != c.kept || a.OffersDropped != c.drop {
				t.Fatalf("kept %d, dropped %d, want %d, %d", len(a.Offers), a.OffersDropped, c.kept, c.drop)
			}
			for _, o := range a.Offers {
				if o.HasID != c.hasID || o.HasID && o.ID != offerO || o.SDP.String() != "v=0\r\n" || string(o.SDP) != `v=0\r\n` {
					t.Errorf("got %+v", o)
				}
			}
		})
	}
}

// A tracker passes the text of a description on as it came.
func TestSDPIsKeptRaw(t *testing.T) {
	raw := `v=0\r\na=\u00e9\ud83d\ude00\/\"` + "\u2028\U0001F600\x7f"
	m := parse(t, base+`,"offers":[{"offer":{"type":"offer","sdp":"`+raw+`"},"offer_id":"oooooooooooooooooooo"}]}`)
	sdp := m.Announce.Offers[0].SDP
	if string(sdp) != raw || sdp.String() != "v=0\r\na=\u00e9\U0001F600/\"\u2028\U0001F600\x7f" {
		t.Errorf("raw %q, decoded %q", string(sdp), sdp.String())
	}
	r := Reply{InfoHash: hashA, PeerID: peerP, OfferID: offerO, Offer: sdp}
	if got := string(r.Append(nil)); !strings.Contains(got, `"sdp":"`+raw+`"`) {
		t.Errorf("relayed as %s", got)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	const idMsg = "must be 20 characters U+0000 to U+00FF"
	with := func(field, value string) string {
		m := map[string]string{"action": `"announce"`, "info_hash": `"aaaaaaaaaaaaaaaaaaaa"`, "peer_id": `"-SH0001-pppppppppppp"`}
		m[field] = value
		return `{"action":` + m["action"] + `,"info_hash":` + m["info_hash"] + `,"peer_id":` + m["peer_id"] + `}`
	}
	answer := func(rest string) string { return base + `,"answer":{"type":"answer","sdp":"v=0"}` + rest + `}` }
	offer := func(sdp string) string {
		return base + `,"offers":[{"offer":{"type":"offer","sdp":"` + sdp + `"},"offer_id":"oooooooooooooooooooo"}]}`
	}
	const toPeer, offerID = `,"to_peer_id":"-SH0001-qqqqqqqqqqqq"`, `,"offer_id":"oooooooooooooooooooo"`
	for _, c := range []struct{ name, in, field, msg string }{
		{"no action", `{"info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"-SH0001-pppppppppppp"}`, "action", "is missing"},
		{"unknown action", with("action", `"offer"`), "action", "must be announce or scrape"},
		{"action null", with("action", `null`), "action", "must be announce or scrape"},
		{"no info_hash", `{"action":"announce","peer_id":"-SH0001-pppppppppppp"}`, "info_hash", "is missing"},
		{"info_hash null", with("info_hash", `null`), "info_hash", "is missing"},
		{"info_hash a list", with("info_hash", `["aaaaaaaaaaaaaaaaaaaa"]`), "info_hash", "is missing"},
		{"info_hash a number", with("info_hash", `12345678901234567890`), "info_hash", idMsg},
		{"info_hash empty", with("info_hash", `""`), "info_hash", idMsg},
		{"19 characters", with("info_hash", `"aaaaaaaaaaaaaaaaaaa"`), "info_hash", idMsg},
		{"21 characters", with("info_hash", `"aaaaaaaaaaaaaaaaaaaaa"`), "info_hash", idMsg},
		{"info_hash in hex", with("info_hash", `"`+strings.Repeat("ab", 20)+`"`), "info_hash", idMsg},
		{"20 UTF-8 bytes that are 10 characters", with("info_hash", `"`+strings.Repeat("\u00e9", 10)+`"`), "info_hash", idMsg},
		{"U+0100", with("info_hash", `"aaaaaaaaaaaaaaaaaaa`+"\u0100"+`"`), "info_hash", idMsg},
		{"U+0100 escaped", with("info_hash", `"aaaaaaaaaaaaaaaaaaa\u0100"`), "info_hash", idMsg},
		{"replacement character", with("peer_id", `"aaaaaaaaaaaaaaaaaaa`+"\ufffd"+`"`), "peer_id", idMsg},
		{"lone high surrogate", with("peer_id", `"aaaaaaaaaaaaaaaaaaa\ud83d"`), "peer_id", idMsg},
		{"lone low surrogate", with("peer_id", `"aaaaaaaaaaaaaaaaaaa\udc00"`), "peer_id", idMsg},
		{"surrogate pair", with("peer_id", `"aaaaaaaaaaaaaaaaaaa\ud83d\ude00"`), "peer_id", idMsg},
		{"no peer_id", `{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa"}`, "peer_id", "is missing"},
		{"peer_id short", with("peer_id", `"-SH0001-"`), "peer_id", idMsg},
		{"action twice", base + `,"action":"scrape"}`, "action", "is there twice"},
		{"info_hash twice", base + `,"info_hash":"bbbbbbbbbbbbbbbbbbbb"}`, "info_hash", "is there twice"},
		{"peer_id twice, once escaped", base + `,"peer\u005fid":"-SH0001-qqqqqqqqqqqq"}`, "peer_id", "is there twice"},
		{"left twice", base + `,"left":1,"left":0}`, "left", "is there twice"},
		{"offers an object", base + `,"offers":{}}`, "offers", "is no array"},
		{"offer a string", base + `,"offers":[{"offer":"v=0","offer_id":"oooooooooooooooooooo"}]}`, "offer", "is no object"},
		{"offer_id short", base + `,"offers":[{"offer":{"sdp":"v=0"},"offer_id":"short"}]}`, "offer_id", idMsg},
		{"offer_id a number", base + `,"offers":[{"offer":{"sdp":"v=0"},"offer_id":7}]}`, "offer_id", idMsg},
		{"offer_id twice", base + `,"offers":[{"offer":{"sdp":"v=0"}` + offerID + offerID + `}]}`, "offer_id", "is there twice"},
		{"sdp twice", base + `,"offers":[{"offer":{"sdp":"v=0","sdp":"v=1"}` + offerID + `}]}`, "offer", "is there twice"},
		{"offer of type answer", base + `,"offers":[{"offer":{"type":"answer","sdp":"v=0"}` + offerID + `}]}`, "offer", "has another type"},
		{"offer of type 1", base + `,"offers":[{"offer":{"type":1,"sdp":"v=0"}` + offerID + `}]}`, "offer", "has another type"},
		{"huge sdp", offer(strings.Repeat("x", 32<<10+1)), "offer", "sdp is too large or no Unicode text"},
		{"lone surrogate in sdp", offer(`v=0\ud800\u0041`), "offer", "sdp is too large or no Unicode text"},
		{"answer without to_peer_id", answer(offerID), "to_peer_id", "is missing"},
		{"answer to null", answer(offerID + `,"to_peer_id":null`), "to_peer_id", "is missing"},
		{"answer to a short id", answer(offerID + `,"to_peer_id":"x"`), "to_peer_id", idMsg},
		{"answer without offer_id", answer(toPeer), "offer_id", "is missing"},
		{"answer without sdp", base + `,"answer":{"type":"answer"}` + toPeer + offerID + `}`, "answer", "has no sdp"},
		{"answer of type offer", base + `,"answer":{"type":"offer","sdp":"v=0"}` + toPeer + offerID + `}`, "answer", "has another type"},
		{"answer a string", base + `,"answer":"v=0"` + toPeer + offerID + `}`, "answer", "is no object"},
		{"scrape of a short hash", `{"action":"scrape","info_hash":"a"}`, "info_hash", idMsg},
		{"scrape of one short hash", `{"action":"scrape","info_hash":["aaaaaaaaaaaaaaaaaaaa","a"]}`, "info_hash", idMsg},
		{"scrape of a null hash", `{"action":"scrape","info_hash":[null]}`, "info_hash", idMsg},
		{"scrape of an object", `{"action":"scrape","info_hash":{}}`, "info_hash", idMsg},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Request
			err := m.Parse([]byte(c.in), Limits{})
			ferr, ok := err.(*FieldError)
			if !ok || ferr.Field != c.field || ferr.Msg != c.msg {
				t.Errorf("got %T %v, want field %s %s", err, err, c.field, c.msg)
			}
		})
	}
}

func TestRequestsThatAreNoJSON(t *testing.T) {
	deep := func(open, close string, n int) string {
		return base + `,"x":` + strings.Repeat(open, n) + "1" + strings.Repeat(close, n) + "}"
	}
	for _, c := range []struct{ name, in, msg string }{
		{"empty", ``, "unexpected value"},
		{"spaces", "  \t\r\n", "unexpected value"},
		{"array", `[]`, "unexpected value"},
		{"string", `"announce"`, "unexpected value"},
		{"null", `null`, "unexpected value"},
		{"cut off", base, "missing comma"},
		{"cut off in a string", `{"action":"anno`, "string without end"},
		{"cut off behind a backslash", `{"action":"anno\`, "invalid escape"},
		{"bytes behind", base + `}x`, "bytes after the message"},
		{"NUL behind", base + "}\x00", "bytes after the message"},
		{"two messages", base + `}` + base + `}`, "bytes after the message"},
		{"trailing comma", base + `,}`, "trailing comma"},
		{"trailing comma in an array", base + `,"x":[1,]}`, "trailing comma"},
		{"no comma", base + ` "x":1}`, "missing comma"},
		{"no colon", base + `,"x" 1}`, "missing colon"},
		{"no value", base + `,"x":}`, "value expected"},
		{"key without quotes", `{action:"announce"}`, "string expected"},
		{"single quotes", `{'action':'announce'}`, "string expected"},
		{"comment", base + `/**/}`, "missing comma"},
		{"byte order mark", "\ufeff" + base + `}`, "unexpected value"},
		{"NaN", base + `,"left":NaN}`, "value expected"},
		{"Infinity", base + `,"left":-Infinity}`, "invalid number"},
		{"plus sign", base + `,"left":+1}`, "value expected"},
		{"leading zero", base + `,"left":01}`, "invalid number"},
		{"no digits", base + `,"left":-}`, "invalid number"},
		{"no fraction", base + `,"left":1.}`, "invalid number"},
		{"no exponent", base + `,"left":1e+}`, "invalid number"},
		{"hex", base + `,"left":0x10}`, "missing comma"},
		{"wrong literal", base + `,"x":nul}`, "value expected"},
		{"control character", base + ",\"x\":\"a\nb\"}", "control character in string"},
		{"unknown escape", base + `,"x":"\x41"}`, "invalid escape"},
		{"short \\u", base + `,"x":"\u12"}`, "invalid escape"},
		{"no hex in \\u", base + `,"x":"\u12g4"}`, "invalid escape"},
		{"raw bytes as an id", "{\"action\":\"announce\",\"info_hash\":\"aaaaaaaaaaaaaaaaaaa\xff\"}", "invalid UTF-8"},
		{"overlong UTF-8", base + ",\"x\":\"\xc0\x80\"}", "invalid UTF-8"},
		{"surrogate in UTF-8", base + ",\"x\":\"\xed\xa0\x80\"}", "invalid UTF-8"},
		{"UTF-8 cut off", base + ",\"x\":\"\xe2\x82", "invalid UTF-8"},
		{"array bomb", deep("[", "]", 10000), "nested too deeply"},
		{"object bomb", deep(`{"a":`, "}", 10000), "nested too deeply"},
		{"17 deep", deep("[", "]", 16), "nested too deeply"},
		{"bomb without end", base + `,"offers":` + strings.Repeat("[", 100000), "nested too deeply"},
		{"bomb in an offer", base + `,"offers":[{"offer":{"sdp":` + strings.Repeat("[", 20), "nested too deeply"},
		{"too large", base + `,"x":"` + strings.Repeat("x", 128<<10) + `"}`, "message too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Request
			err := m.Parse([]byte(c.in), Limits{})
			serr, ok := err.(*SyntaxError)
			if !ok || serr.Msg != c.msg {
				t.Fatalf("got %T %v, want %s", err, err, c.msg)
			}
			if serr.Offset < 0 || serr.Offset > len(c.in) {
				t.Errorf("offset %d of %d", serr.Offset, len(c.in))
			}
		})
	}
	if m := parse(t, deep("[", "]", 15)); m.Announce.InfoHash != hashA {
		t.Error("15 levels in the message are too many")
	}
}

// Without action webtorrent.js gives up its socket, without info hash
// libtorrent does.
func TestEveryErrorCarriesActionAndInfoHash(t *testing.T) {
	for _, c := range []struct {
		name, in, action string
		hash             [20]byte
	}{
		{"bad field behind the info hash", base + `,"offers":5}`, "announce", hashA},
		{"bad field before the info hash", `{"peer_id":"x","left":1,"info_hash":"aaaaaaaaaaaaaaaaaaaa","action":"announce"}`, "announce", hashA},
		{"bad JSON behind the info hash", base + `,,}`, "announce", hashA},
		{"no action", `{"info_hash":"aaaaaaaaaaaaaaaaaaaa"}`, "announce", hashA},
		{"bad info hash", `{"action":"announce","info_hash":"a"}`, "announce", [20]byte{}},
		{"a scrape", `{"action":"scrape","info_hash":"a"}`, "scrape", [20]byte{}},
		{"nonsense", `%%%`, "announce", [20]byte{}},
		{"nothing", ``, "announce", [20]byte{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Request
			err := m.Parse([]byte(c.in), Limits{})
			if err == nil {
				t.Fatal("no error")
			}
			b := AppendError(nil, &m, err)
			var got map[string]string
			if json.Unmarshal(b, &got) != nil || got["action"] != c.action || len([]rune(got["info_hash"])) != 20 ||
				got["failure reason"] != err.Error() || len(got) != 3 {
				t.Errorf("got %s", b)
			}
			var r Reply
			if err := r.Parse(b, Limits{}); err != nil || r.InfoHash != c.hash || r.FailureReason == "" {
				t.Errorf("%s parses as %+v, %v", b, r, err)
			}
		})
	}
}

// What one message said does not show in the next.
func TestARequestIsReused(t *testing.T) {
	var m Request
	full := Announce{InfoHash: hashA, PeerID: peerP, Event: EventStarted, NumWant: 5, Uploaded: 1, Downloaded: 2, Left: 3,
		Offers: []Offer{{ID: offerO, HasID: true, SDP: NewSDP("v=0")}}, Key: []byte("k"), TrackerID: "t"}
	scrape := ScrapeRequest{Hashes: [][20]byte{hashA, hashB}}
	msgs := []string{string(full.Append(nil)), base + "}", string(scrape.Append(nil)), `{"action":"scrape"}`, "{", base + "}"}
	for i, msg := range msgs {
		var fresh Request
		err, freshErr := m.Parse([]byte(msg), Limits{}), fresh.Parse([]byte(msg), Limits{})
		if !sameRequest(&m, &fresh) || (err == nil) != (freshErr == nil) {
			t.Errorf("message %d: %+v, %v, want %+v, %v", i, m, err, fresh, freshErr)
		}
	}
}

// sameRequest compares but for empty slices, which may be nil.
func sameRequest(a, b *Request) bool {
	norm := func(m Request) Request {
		if len(m.Announce.Offers) == 0 {
			m.Announce.Offers = nil
		}
		if len(m.Scrape.Hashes) == 0 {
			m.Scrape.Hashes = nil
		}
		return m
	}
	return reflect.DeepEqual(norm(*a), norm(*b))
}

func TestScrapeIsBounded(t *testing.T) {
	s := ScrapeRequest{Hashes: make([][20]byte, 150)}
	var m Request
	if err := m.Parse(s.Append(nil), Limits{}); err != nil || len(m.Scrape.Hashes) != 100 {
		t.Errorf("%d hashes, %v", len(m.Scrape.Hashes), err)
	}
	if err := m.Parse(s.Append(nil), Limits{MaxHashes: 3}); err != nil || len(m.Scrape.Hashes) != 3 {
		t.Errorf("%d hashes, %v", len(m.Scrape.Hashes), err)
	}
}
