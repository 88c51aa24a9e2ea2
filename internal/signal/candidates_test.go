package signal

import (
	"strconv"
	"strings"
	"testing"
)

// browserOffer is what Chrome sends from a machine with four addresses, two STUN servers and TURN.
func browserOffer(candidates int) string {
	s := "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
	for i := range candidates {
		s += "a=candidate:" + strconv.Itoa(842163049+i) + " 1 udp 1677729535 203.0.113.5 9 typ host generation 0 network-cost 999\r\n"
	}
	return s + "a=ice-ufrag:4ZcD\r\na=ice-pwd:2/1muCWoOi3uLifh0NuRHlAn\r\na=end-of-candidates\r\n"
}

// What a browser sends passes unchanged. More candidates than that are cut out, in offers and answers,
// however their sender writes them, and it is said how many.
func TestCandidatesAreFew(t *testing.T) {
	const head = `{"action":"announce","info_hash":"hhhhhhhhhhhhhhhhhhhh","peer_id":"pppppppppppppppppppp",`
	for name, tc := range map[string]struct {
		raw  string // as JSON
		want string // "" is a refusal
		cut  int
	}{
		"a browser":              {string(NewSDP(browserOffer(20))), browserOffer(20), 0},
		"as many as may be":      {string(NewSDP(browserOffer(32))), browserOffer(32), 0},
		"a foreign address":      {string(NewSDP(browserOffer(250))), browserOffer(32), 218},
		"lines without \\r":      {strings.ReplaceAll(string(NewSDP(browserOffer(250))), `\r`, ``), strings.ReplaceAll(browserOffer(32), "\r", ""), 218},
		"lines without \\n":      {strings.ReplaceAll(string(NewSDP(browserOffer(250))), `\n`, ``), strings.ReplaceAll(browserOffer(32), "\n", ""), 218},
		"in capitals":            {strings.ReplaceAll(string(NewSDP(browserOffer(33))), "candidate:", "CANDIDATE:"), strings.ReplaceAll(browserOffer(32), "candidate:", "CANDIDATE:"), 1},
		"a backslash before n":   {string(NewSDP(`v=0\n` + browserOffer(33))), `v=0\n` + browserOffer(32), 1},
		"hidden in escapes":      {strings.ReplaceAll(string(NewSDP(browserOffer(33))), "candidate:", `\u0063andidate:`), "", 0},
		"an escape, but no more": {strings.ReplaceAll(string(NewSDP(browserOffer(30))), "4ZcD", `\u0034ZcD`), browserOffer(30), 0},
		"the last has no end":    {strings.TrimSuffix(string(NewSDP(strings.Repeat("a=candidate:1 1 udp 1 203.0.113.5 9 typ host\n", 33))), `\n`), strings.Repeat("a=candidate:1 1 udp 1 203.0.113.5 9 typ host\n", 32), 1},
	} {
		for _, kind := range []string{"offer", "answer"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				text := head + `"offers":[{"offer":{"type":"offer","sdp":"` + tc.raw + `"},"offer_id":"oooooooooooooooooooo"}],"left":7}`
				if kind == "answer" {
					text = head + `"to_peer_id":"tttttttttttttttttttt","offer_id":"oooooooooooooooooooo","answer":{"type":"answer","sdp":"` + tc.raw + `"},"left":7}`
				}
				var m Request
				err := m.Parse([]byte(text), Limits{MaxCandidates: 32})
				if tc.want == "" {
					if err == nil || !strings.Contains(err.Error(), whyCandidates) {
						t.Errorf("%v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				a := &m.Announce
				got := a.Answer
				if kind == "offer" {
					got = a.Offers[0].SDP
				}
				if got.String() != tc.want || a.CandidatesCut != tc.cut || a.Left != 7 {
					t.Errorf("cut %d, left %d, %q", a.CandidatesCut, a.Left, got)
				}
				if err := m.Parse([]byte(text), Limits{}); err != nil || m.Announce.CandidatesCut != 0 {
					t.Errorf("without the bound: cut %d, %v", m.Announce.CandidatesCut, err)
				}
			})
		}
	}
}
