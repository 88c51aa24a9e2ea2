package signal

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestReplyBytes(t *testing.T) {
	const head = `{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa"`
	const relay = head + `,"peer_id":"-SH0001-pppppppppppp","offer_id":"oooooooooooooooooooo",`
	none := Reply{Action: ActionAnnounce, InfoHash: hashA, HasInfoHash: true, Complete: -1, Incomplete: -1}
	for _, c := range []struct {
		name string
		set  func(*Reply)
		want string
	}{
		{"counts", func(r *Reply) { r.Interval, r.Complete, r.Incomplete = 120, 1, 0 }, head + `,"interval":120,"complete":1,"incomplete":0}`},
		{"everything", func(r *Reply) {
			r.Interval, r.MinInterval, r.Complete, r.Incomplete = 120, 60, 0, 3
			r.WarningMessage, r.TrackerID = `"slow"`, "t\n\u00e9"
		}, head + `,"interval":120,"min interval":60,"min_interval":60,"complete":0,"incomplete":3,"warning message":"\"slow\"","tracker id":"t\n` + "\u00e9" + `"}`},
		{"servers", func(r *Reply) { r.Interval, r.ICEServers = 120, []byte(`[{"urls":"stun:a"}]`) },
			head + `,"interval":120,"ice_servers":[{"urls":"stun:a"}]}`},
		{"offer", func(r *Reply) { r.Offer, r.PeerID, r.OfferID = NewSDP("v=0\r\n"), peerP, offerO },
			relay + `"offer":{"type":"offer","sdp":"v=0\r\n"}}`},
		{"answer", func(r *Reply) { r.Answer, r.PeerID, r.OfferID = NewSDP("v=1"), peerP, offerO },
			relay + `"answer":{"type":"answer","sdp":"v=1"}}`},
		{"failure", func(r *Reply) { r.FailureReason = `no "swarm"` }, head + `,"failure reason":"no \"swarm\""}`},
		{"scrape", func(r *Reply) {
			*r = Reply{Action: ActionScrape, Complete: -1, Incomplete: -1,
				Files: []ScrapeFile{{hashA, 1, 2, 3}, {hashB, 0, 0, 0}}}
		}, `{"action":"scrape","files":{"aaaaaaaaaaaaaaaaaaaa":{"complete":1,"incomplete":2,"downloaded":3},` +
			`"bbbbbbbbbbbbbbbbbbbb":{"complete":0,"incomplete":0,"downloaded":0}}}`},
		{"scrape of nothing", func(r *Reply) { *r = Reply{Action: ActionScrape, Complete: -1, Incomplete: -1} }, `{"action":"scrape","files":{}}`},
		{"scrape that failed", func(r *Reply) { r.Action, r.FailureReason = ActionScrape, "no" },
			`{"action":"scrape","info_hash":"aaaaaaaaaaaaaaaaaaaa","failure reason":"no"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := none
			c.set(&r)
			if got := string(r.Append(nil)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			var back Reply
			if err := back.Parse([]byte(c.want), Limits{}); err != nil || !sameReply(&back, &r) {
				t.Errorf("came back as %+v, %v\nwant %+v", back, err, r)
			}
		})
	}
	// A failure without anything known still has both.
	if got := string((&Reply{FailureReason: "no"}).Append(nil)); got !=
		`{"action":"announce","info_hash":"`+strings.Repeat(`\u0000`, 20)+`","failure reason":"no"}` {
		t.Errorf("got %s", got)
	}
}

func sameReply(a, b *Reply) bool {
	norm := func(r Reply) Reply {
		if len(r.Files) == 0 {
			r.Files = nil
		}
		return r
	}
	return reflect.DeepEqual(norm(*a), norm(*b))
}

func TestRepliesInTheWild(t *testing.T) {
	const head = `{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa"`
	for _, c := range []struct {
		name, in string
		check    func(*Reply) bool
	}{
		{"bittorrent-tracker", `{"complete":1,"incomplete":2,"action":"announce","interval":120,"info_hash":"aaaaaaaaaaaaaaaaaaaa"}`,
			func(r *Reply) bool { return r.Interval == 120 && r.Complete == 1 && r.Incomplete == 2 && r.HasInfoHash }},
		{"bittorrent-tracker's relay", `{"action":"announce","offer":{"type":"offer","sdp":"v=0"},"offer_id":"oooooooooooooooooooo","peer_id":"-SH0001-pppppppppppp","info_hash":"aaaaaaaaaaaaaaaaaaaa"}`,
			func(r *Reply) bool { return string(r.Offer) == "v=0" && r.OfferID == offerO && r.PeerID == peerP }},
		{"bittorrent-tracker's scrape", `{"action":"scrape","files":{"aaaaaaaaaaaaaaaaaaaa":{"complete":1,"incomplete":0,"downloaded":1}},"flags":{"min_request_interval":600}}`,
			func(r *Reply) bool { return len(r.Files) == 1 && r.Files[0] == ScrapeFile{hashA, 1, 0, 1} }},
		{"failure without action and info hash", `{"failure reason":"invalid info_hash"}`,
			func(r *Reply) bool {
				return r.Action == ActionAnnounce && !r.HasInfoHash && r.FailureReason == "invalid info_hash"
			}},
		{"failure with info hash null", `{"action":"announce","info_hash":null,"failure reason":"x"}`,
			func(r *Reply) bool { return !r.HasInfoHash && r.FailureReason == "x" }},
		{"failure for terminals", `{"failure reason":"a\u001b[2J\u009b\nb\ud800"}`, func(r *Reply) bool { return r.FailureReason == "a [2J  b\ufffd" }},
		{"endless failure", `{"failure reason":"` + strings.Repeat("\u00e9", 400) + `"}`, func(r *Reply) bool { return r.FailureReason == strings.Repeat("\u00e9", 150) }},
		{"failure of another type", head + `,"failure reason":{"a":1}}`, func(r *Reply) bool { return r.FailureReason != "" }},
		{"nothing known", head + `}`, func(r *Reply) bool { return r.Interval == 0 && r.Complete == -1 && r.Incomplete == -1 }},
		{"interval a string", head + `,"interval":"120"}`, func(r *Reply) bool { return r.Interval == 0 }},
		{"interval a fraction", head + `,"interval":119.9}`, func(r *Reply) bool { return r.Interval == 119 }},
		{"interval negative", head + `,"interval":-1}`, func(r *Reply) bool { return r.Interval == 0 }},
		{"interval beyond all", head + `,"interval":1e999999999999}`, func(r *Reply) bool { return r.Interval == math.MaxInt32 }},
		{"counts negative or null", head + `,"complete":-1,"incomplete":null}`, func(r *Reply) bool { return r.Complete == -1 && r.Incomplete == -1 }},
		{"min_interval", head + `,"min_interval":60}`, func(r *Reply) bool { return r.MinInterval == 60 }},
		{"trackerid", head + `,"trackerid":"x"}`, func(r *Reply) bool { return r.TrackerID == "x" }},
		{"tracker id too long", head + `,"tracker id":"` + strings.Repeat("x", 257) + `"}`, func(r *Reply) bool { return r.TrackerID == "" }},
		{"offer null", head + `,"offer":null}`, func(r *Reply) bool { return r.Offer == nil }},
		{"servers with white space", head + `,"ice_servers": [ ] }`, func(r *Reply) bool { return string(r.ICEServers) == "[ ]" }},
		{"servers no list", head + `,"ice_servers":{"urls":"stun:a"}}`, func(r *Reply) bool { return r.ICEServers == nil }},
		{"servers in excess", head + `,"ice_servers":["` + strings.Repeat("x", MaxICEServers) + `"]}`, func(r *Reply) bool { return r.ICEServers == nil }},
		{"extra keys", head + `,"external_ip":"192.0.2.1","x":[{}]}`, func(r *Reply) bool { return true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Reply
			if err := r.Parse([]byte(c.in), Limits{}); err != nil || !c.check(&r) {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

func TestRepliesThatAreRefused(t *testing.T) {
	const head = `{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa"`
	const ids = `,"offer_id":"oooooooooooooooooooo","peer_id":"-SH0001-pppppppppppp"`
	const offer = `,"offer":{"type":"offer","sdp":"v=0"}`
	for _, c := range []struct{ name, in, field string }{
		{"no action", `{"info_hash":"aaaaaaaaaaaaaaaaaaaa"}`, "action"},
		{"unknown action", `{"action":"ping"}`, "action"},
		{"no info_hash", `{"action":"announce","interval":120}`, "info_hash"},
		{"info_hash of 40", `{"action":"announce","info_hash":"` + strings.Repeat("a", 40) + `"}`, "info_hash"},
		{"info_hash twice", head + `,"info_hash":"aaaaaaaaaaaaaaaaaaaa"}`, "info_hash"},
		{"offer without peer_id", head + offer + `,"offer_id":"oooooooooooooooooooo"}`, "peer_id"},
		{"offer without offer_id", head + offer + `,"peer_id":"-SH0001-pppppppppppp"}`, "offer_id"},
		{"offer with an offer_id of another length", head + offer + `,"offer_id":"o"}`, "offer_id"},
		{"offer with a peer_id beyond U+00FF", head + offer + `,"peer_id":"-SH0001-ppppppppppp\u4e00"}`, "peer_id"},
		{"offer and answer", head + offer + ids + `,"answer":{"type":"answer","sdp":"v=0"}}`, "answer"},
		{"offer a string", head + `,"offer":"v=0"` + ids + `}`, "offer"},
		{"answer of type offer", head + `,"answer":{"type":"offer","sdp":"v=0"}` + ids + `}`, "answer"},
		{"huge answer", head + `,"answer":{"type":"answer","sdp":"` + strings.Repeat("x", 40000) + `"}` + ids + `}`, "answer"},
		{"files a list", `{"action":"scrape","files":[]}`, "files"},
		{"files of short hashes", `{"action":"scrape","files":{"a":{}}}`, "files"},
		{"files of numbers", `{"action":"scrape","files":{"aaaaaaaaaaaaaaaaaaaa":1}}`, "files"},
	} {
		var r Reply
		err := r.Parse([]byte(c.in), Limits{})
		if ferr, ok := err.(*FieldError); !ok || ferr.Field != c.field {
			t.Errorf("%s: got %T %v, want an error in %s", c.name, err, err, c.field)
		}
	}
	for name, in := range map[string]string{
		"nothing": "", "a list": "[]", "cut off": head, "bomb": head + `,"x":` + strings.Repeat("[", 1<<16),
		"bomb in files": `{"action":"scrape","files":{"aaaaaaaaaaaaaaaaaaaa":` + strings.Repeat(`{"a":`, 100),
		"too large":     `{"x":"` + strings.Repeat("x", 128<<10) + `"}`,
		"files cut off": `{"action":"scrape","files":{"aaaaaaaaaaaaaaaaaaaa"`,
		"bytes behind":  head + "}\n1",
	} {
		var r Reply
		if err, ok := r.Parse([]byte(in), Limits{}).(*SyntaxError); !ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestScrapeReplyIsBounded(t *testing.T) {
	r := Reply{Action: ActionScrape, Files: make([]ScrapeFile, 150)}
	var back Reply
	if err := back.Parse(r.Append(nil), Limits{}); err != nil || len(back.Files) != 100 {
		t.Errorf("%d files, %v", len(back.Files), err)
	}
}
