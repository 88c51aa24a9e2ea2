//go:build !js

package webrtc

import (
	"errors"
	"strings"
	"testing"
)

// chromiumOffer is what Chromium 156 offers, with its address hidden.
const chromiumOffer = "v=0\r\n" +
	"o=- 2580854231468419402 2 IN IP4 127.0.0.1\r\n" +
	"s=-\r\n" +
	"t=0 0\r\n" +
	"a=group:BUNDLE 0\r\n" +
	"a=extmap-allow-mixed\r\n" +
	"a=msid-semantic: WMS\r\n" +
	"m=application 44155 UDP/DTLS/SCTP webrtc-datachannel\r\n" +
	"c=IN IP4 192.0.2.2\r\n" +
	"a=candidate:4147768590 1 udp 2113937151 9d2b1a4e-7c1f-4c53-a2a0-26d7b8d8bd0e.local 44155 typ host generation 0 network-cost 999\r\n" +
	"a=candidate:1012870382 1 udp 2113942271 fd00::2 41152 typ host generation 0 network-cost 999\r\n" +
	"a=candidate:101 1 tcp 1518280447 192.0.2.2 9 typ host tcptype active\r\n" +
	"a=ice-ufrag:NFXl\r\n" +
	"a=ice-pwd:ikCga9aeknnUY4tgrmimdI4p\r\n" +
	"a=fingerprint:sha-256 D1:95:A1:D3:5D:C9:C4:A4:2B:3C:64:B8:F7:F3:92:C4:DD:D9:8D:2C:D7:0B:FD:F1:A8:4D:77:01:CA:8F:8A:56\r\n" +
	"a=setup:actpass\r\n" +
	"a=mid:0\r\n" +
	"a=sctp-port:5000\r\n" +
	"a=max-message-size:262144\r\n"

func TestParseChromiumOffer(t *testing.T) {
	d, err := parseSDP(chromiumOffer)
	if err != nil {
		t.Fatal(err)
	}
	if d.ufrag != "NFXl" || d.pwd != "ikCga9aeknnUY4tgrmimdI4p" || d.setup != setupActPass || d.mid != "0" ||
		d.maxMessage != 262144 || len(d.fingerprints) != 1 || len(d.candidates) != 2 {
		t.Fatalf("%+v", d)
	}
}

func TestParseOwnDescription(t *testing.T) {
	h := newTestHost(t, Config{})
	o, err := h.Offer(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	d, err := parseSDP(o.SDP())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.candidates) != 1 || d.candidates[0].Address() != "127.0.0.1" || d.maxMessage != maxMessage {
		t.Fatalf("a loopback host offers %v", d.candidates)
	}
	if strings.Contains(strings.ReplaceAll(o.SDP(), "\r\n", ""), "\n") {
		t.Fatal("a line does not end in CR LF")
	}
}

// broken returns the good description without, or with other, lines.
func broken(old, new string) string {
	s := strings.Replace(chromiumOffer, old, new, 1)
	if s == chromiumOffer {
		panic("nothing replaced: " + old)
	}
	return s
}

func withoutLines(prefix string) string {
	var b strings.Builder
	for l := range strings.Lines(chromiumOffer) {
		if !strings.HasPrefix(l, prefix) {
			b.WriteString(l)
		}
	}
	return b.String()
}

func TestMalformedDescriptions(t *testing.T) {
	h := newTestHost(t, Config{})
	o, err := h.Offer(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, sdp := range map[string]string{
		"empty":                "",
		"garbage":              "\x00\xff{not a description}",
		"64 KiB":               chromiumOffer + strings.Repeat("a=x:y\r\n", 64<<10/7),
		"a long line":          "v=0\r\na=" + strings.Repeat("x", MaxSDP-8),
		"no candidates":        withoutLines("a=candidate"),
		"no user name":         withoutLines("a=ice-ufrag"),
		"no password":          withoutLines("a=ice-pwd"),
		"short password":       broken("ikCga9aeknnUY4tgrmimdI4p", "x"),
		"no fingerprint":       withoutLines("a=fingerprint"),
		"odd fingerprint":      broken("D1:95", "zz:95"),
		"empty fingerprint":    broken("sha-256 D1:95:A1:D3:5D:C9:C4:A4:2B:3C:64:B8:F7:F3:92:C4:DD:D9:8D:2C:D7:0B:FD:F1:A8:4D:77:01:CA:8F:8A:56", ""),
		"no setup":             withoutLines("a=setup"),
		"unknown setup":        broken("actpass", "holdconn"),
		"no media":             withoutLines("m="),
		"audio":                broken("m=application 44155 UDP/DTLS/SCTP webrtc-datachannel", "m=audio 9 UDP/TLS/RTP/SAVPF 111"),
		"two sections":         chromiumOffer + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
		"huge message size":    broken("262144", "999999999999999999999999"),
		"negative message":     broken("262144", "-1"),
		"mid with a line feed": broken("a=mid:0", "a=mid:0 1"),
	} {
		var bad *SDPError
		if p, err := h.Answer(testContext(t), sdp); !errors.As(err, &bad) {
			t.Errorf("%s as an offer: got %v, %v", name, p, err)
		}
		if err := o.Accept(sdp); !errors.As(err, &bad) {
			t.Errorf("%s as an answer: got %v", name, err)
		}
	}
	var bad *SDPError
	if _, err := h.Answer(testContext(t), broken("actpass", "active")); !errors.As(err, &bad) {
		t.Errorf("an answer as an offer: %v", err)
	}
	if err := o.Accept(chromiumOffer); !errors.As(err, &bad) {
		t.Errorf("an offer as an answer: %v", err)
	}
	if s := h.Stats(); s.Live != 1 || s.HalfOpen != 1 {
		t.Errorf("refused descriptions left something behind: %+v", s)
	}
}

func TestAcceptAfterBadAnswer(t *testing.T) {
	a, b := newTestHost(t, Config{}), newTestHost(t, Config{})
	ctx := testContext(t)
	o, _ := a.Offer(ctx)
	n, err := b.Answer(ctx, o.SDP())
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Accept(o.SDP()); !errors.Is(err, ErrNotOfferer) {
		t.Fatalf("Accept on the answering side: %v", err)
	}
	if err := o.Accept("nonsense"); err == nil {
		t.Fatal("nonsense accepted")
	}
	if err := o.Accept(n.SDP()); err != nil {
		t.Fatal(err)
	}
	if err := o.Accept(n.SDP()); !errors.Is(err, ErrNotOfferer) {
		t.Fatalf("second answer: %v", err)
	}
	if _, err := o.Conn(ctx); err != nil {
		t.Fatal(err)
	}
}

// libdatachannel, which libtorrent uses, writes its candidates differently.
func TestParseOtherCandidates(t *testing.T) {
	d, err := parseSDP(broken("a=ice-ufrag", "a=candidate:1 1 UDP 2122317823 192.0.2.7 38771 typ host\r\n"+
		"a=candidate:2 1 UDP 1686109951 198.51.100.9 38771 typ srflx raddr 0.0.0.0 rport 0\r\na=ice-options:ice2,trickle\r\na=ice-ufrag"))
	if err != nil || len(d.candidates) != 4 || d.candidates[2].Address() != "192.0.2.7" {
		t.Fatalf("%+v, %v", d, err)
	}
}

func TestManyCandidatesAreBounded(t *testing.T) {
	line := "a=candidate:1 1 udp 2113937151 127.0.0.1 44155 typ host\r\n"
	d, err := parseSDP(broken("a=ice-ufrag", strings.Repeat(line, 200)+"a=ice-ufrag"))
	if err != nil || len(d.candidates) != maxCandidates {
		t.Fatalf("%d candidates, %v", len(d.candidates), err)
	}
}

func TestParseServer(t *testing.T) {
	u, err := parseServer("turn:1732200000:alice:s3cret@turn.example:3478?transport=udp")
	if err != nil || u.Username != "1732200000:alice" || u.Password != "s3cret" || u.Host != "turn.example" || u.Port != 3478 {
		t.Fatalf("%+v, %v", u, err)
	}
	if u, err := parseServer("stun:stun.example"); err != nil || u.Host != "stun.example" || u.Port != 3478 {
		t.Fatalf("%+v, %v", u, err)
	}
	for _, s := range []string{"", "stun", "http://stun.example", "turn:nopassword@turn.example", "turn:a:b@"} {
		var bad *ServerError
		if _, err := parseServer(s); !errors.As(err, &bad) {
			t.Errorf("%q: %v", s, err)
		}
		if _, err := NewHost(Config{ICEServers: []string{s}}); !errors.As(err, &bad) {
			t.Errorf("NewHost with %q: %v", s, err)
		}
	}
}

func FuzzParseSDP(f *testing.F) {
	f.Add(chromiumOffer)
	f.Add(localSDP(1, "abcd", strings.Repeat("p", 24), "data", "active", make([]byte, 32), nil, true))
	f.Add("v=0\nm=application 9 DTLS/SCTP 5000\na=candidate:\n")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseSDP(s)
		var bad *SDPError
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("not an SDPError: %v", err)
		}
		if err != nil {
			return
		}
		// What we write with the same facts says the same.
		again, err := parseSDP(localSDP(1, d.ufrag, d.pwd, d.mid, "actpass", d.fingerprints[0].sum, d.candidates, d.shared) + "a=candidate:x\r\n")
		if err != nil || again.ufrag != d.ufrag || again.pwd != d.pwd || again.mid != d.mid || again.shared != d.shared {
			t.Fatalf("written and read again: %+v, %v", again, err)
		}
	})
}
