package load

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// An offer's id is 20 characters: 12 of base64url say when it was sent and by whom, so that
// whoever gets the offer or its answer knows how old it is; 8 are bytes of any value, as real
// ids have them.
const stampLen = 12

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

var digitValue = func() (v [256]byte) {
	for i := range v {
		v[i] = 0xff
	}
	for i := range len(digits) {
		v[digits[i]] = byte(i)
	}
	return v
}()

// putStamp writes 40 bits of micros and 32 bits of conn to b.
func putStamp(b []byte, micros int64, conn uint32) {
	for i := 6; i >= 0; i-- {
		b[i] = digits[micros&63]
		micros >>= 6
	}
	c := conn
	for i := stampLen - 1; i > 6; i-- {
		b[i] = digits[c&63]
		c >>= 6
	}
}

// readStamp undoes putStamp.
func readStamp(b []byte) (micros int64, conn uint32, ok bool) {
	if len(b) < stampLen {
		return 0, 0, false
	}
	for i := range stampLen {
		v := digitValue[b[i]]
		if v == 0xff {
			return 0, 0, false
		}
		if i < 7 {
			micros = micros<<6 | int64(v)
		} else {
			conn = conn<<6 | uint32(v)
		}
	}
	return micros, conn, true
}

// appendBinary appends bytes as the JSON string that JavaScript makes of them, without quotes:
// one character U+0000 to U+00FF for each.
func appendBinary(b, id []byte) []byte {
	const hex = "0123456789abcdef"
	for _, c := range id {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < 0x80:
			b = append(b, c)
		default:
			b = append(b, 0xc0|c>>6, 0x80|c&0x3f)
		}
	}
	return b
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// infoHash returns the JSON of the info hash of swarm n, without quotes.
func infoHash(seed uint64, n int) []byte {
	return appendBinary(nil, rawHash(seed, n))
}

func rawHash(seed uint64, n int) []byte {
	return randomBytes(rand.New(rand.NewPCG(seed, uint64(n))), 20)
}

// peerID returns the id of connection n: such as webtorrent's, plain characters.
func peerID(seed uint64, n int) []byte {
	id := []byte("-WW0208-............")
	r := rand.New(rand.NewPCG(seed, 1<<40+uint64(n)))
	for i := 8; i < 14; i++ {
		id[i] = digits[r.IntN(62)]
	}
	for i := 19; i >= 14; i-- {
		id[i] = digits[n&63]
		n >>= 6
	}
	return id
}

// sdp returns a session description as a browser makes it, of about size bytes in JSON.
func sdp(size int, typ string) string {
	setup := "actpass"
	if typ == "answer" {
		setup = "active"
	}
	const nl = `\r\n`
	s := "v=0" + nl + "o=- 4611731400430051336 2 IN IP4 127.0.0.1" + nl + "s=-" + nl + "t=0 0" + nl + "a=group:BUNDLE 0" + nl +
		"a=extmap-allow-mixed" + nl + "a=msid-semantic: WMS" + nl
	end := "a=ice-ufrag:4ZcD" + nl + "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlAn" + nl + "a=ice-options:trickle" + nl +
		"a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2" + nl +
		"a=setup:" + setup + nl + "a=mid:0" + nl + "a=sctp-port:5000" + nl + "a=max-message-size:262144" + nl
	s += "m=application 9 UDP/DTLS/SCTP webrtc-datachannel" + nl + "c=IN IP4 0.0.0.0" + nl
	if size < len(s)+len(end) {
		return strings.ReplaceAll(s+end, nl, "    ")[:size] // no escape may be cut in two
	}
	for i := 0; len(s)+len(end) < size; i++ {
		s += "a=candidate:" + strconv.Itoa(842163049+i) + " 1 udp " + strconv.Itoa(1677729535-i) + " 192.0.2." + strconv.Itoa(1+i%250) +
			" " + strconv.Itoa(46154+i) + " typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999" + nl
	}
	return s + end
}

// A template makes the messages of one profile.
type template struct {
	tail   []byte // an announce after its peer id
	stamps []int  // where in tail the stamps of offer ids go
	answer []byte // the middle of an answer
}

// newTemplate makes announces with these fields of JSON and the offers of o.
func newTemplate(o Options, fields string) *template {
	r := rand.New(rand.NewPCG(o.Seed, 2))
	t := &template{}
	b := []byte(`","numwant":` + strconv.Itoa(o.Offers) + `,"uploaded":0,"downloaded":0,` + fields)
	if o.Offers > 0 {
		b = append(b, `,"offers":[`...)
		text := sdp(o.SDPSize, "offer")
		for i := range o.Offers {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"offer":{"type":"offer","sdp":"`+text+`"},"offer_id":"`...)
			t.stamps = append(t.stamps, len(b))
			b = append(b, "............"...)
			b = appendBinary(b, randomBytes(r, 20-stampLen))
			b = append(b, `"}`...)
		}
		b = append(b, ']')
	}
	t.tail = append(b, '}')
	t.answer = []byte(`","answer":{"type":"answer","sdp":"` + sdp(o.SDPSize, "answer") + `"},"offer_id":"`)
	return t
}

// appendAnnounce appends an announce as a masked frame. hash and peer are JSON
// without quotes.
func (t *template) appendAnnounce(b, hash, peer []byte, micros int64, conn uint32) []byte {
	const head, mid = `{"action":"announce","info_hash":"`, `","peer_id":"`
	b = appendHeader(b, wsframe.Text, len(head)+len(hash)+len(mid)+len(peer)+len(t.tail))
	start := len(b)
	b = append(b, head...)
	b = append(b, hash...)
	b = append(b, mid...)
	b = append(b, peer...)
	at := len(b)
	b = append(b, t.tail...)
	for _, s := range t.stamps {
		putStamp(b[at+s:], micros, conn)
	}
	mask(b[start:])
	return b
}

// appendAnswer appends an answer as a masked frame. All ids are JSON without quotes.
func (t *template) appendAnswer(b, hash, peer, to, offer []byte) []byte {
	const head, mid, mid2, tail = `{"action":"announce","info_hash":"`, `","peer_id":"`, `","to_peer_id":"`, `"}`
	b = appendHeader(b, wsframe.Text, len(head)+len(hash)+len(mid)+len(peer)+len(mid2)+len(to)+len(t.answer)+len(offer)+len(tail))
	start := len(b)
	b = append(b, head...)
	b = append(b, hash...)
	b = append(b, mid...)
	b = append(b, peer...)
	b = append(b, mid2...)
	b = append(b, to...)
	b = append(b, t.answer...)
	b = append(b, offer...)
	b = append(b, tail...)
	mask(b[start:])
	return b
}

// A kind is what a tracker's message is.
type kind uint8

const (
	kindOther kind = iota
	kindReply
	kindOffer
	kindAnswer
	kindFailure
)

// A message is what was read of a tracker's message. The slices are JSON without quotes,
// in the message.
type message struct {
	kind                kind
	hash, peer, offerID []byte
	failure             []byte
}

// parse reads the keys of the outermost object, in any order. What it cannot read
// is kindOther.
func parse(b []byte) (m message) {
	s := scanner{b: b}
	if !s.byte('{') {
		return message{}
	}
	for {
		key, ok := s.string()
		if !ok || !s.byte(':') {
			return message{}
		}
		value, ok := s.value()
		if !ok {
			return message{}
		}
		switch string(key) {
		case "info_hash":
			m.hash = unquote(value)
		case "peer_id":
			m.peer = unquote(value)
		case "offer_id":
			m.offerID = unquote(value)
		case "offer":
			m.kind = kindOffer
		case "answer":
			m.kind = kindAnswer
		case "failure reason":
			m.kind, m.failure = kindFailure, unquote(value)
		case "interval":
			if m.kind == kindOther {
				m.kind = kindReply
			}
		}
		if s.byte(',') {
			continue
		}
		if !s.byte('}') {
			return message{}
		}
		return m
	}
}

func unquote(b []byte) []byte {
	if len(b) >= 2 && b[0] == '"' {
		return b[1 : len(b)-1]
	}
	return nil
}

type scanner struct {
	b []byte
	i int
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

// byte takes c, if it is next.
func (s *scanner) byte(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// string takes a string and returns what is between its quotes.
func (s *scanner) string() ([]byte, bool) {
	if !s.byte('"') {
		return nil, false
	}
	for start := s.i; ; {
		n := bytes.IndexByte(s.b[s.i:], '"')
		if n < 0 {
			return nil, false
		}
		s.i += n + 1
		// Quoted, if an odd number of backslashes is before it.
		odd := false
		for j := s.i - 2; j >= start && s.b[j] == '\\'; j-- {
			odd = !odd
		}
		if !odd {
			return s.b[start : s.i-1], true
		}
	}
}

// value takes any value and returns it as it stands.
func (s *scanner) value() ([]byte, bool) {
	s.space()
	start, depth := s.i, 0
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '"':
			if _, ok := s.string(); !ok {
				return nil, false
			}
		case '{', '[':
			depth++
			s.i++
			continue
		case '}', ']':
			if depth == 0 {
				return s.b[start:s.i], s.i > start
			}
			depth--
			s.i++
		case ',':
			if depth == 0 {
				return s.b[start:s.i], s.i > start
			}
			s.i++
			continue
		default:
			s.i++
			continue
		}
		if depth == 0 {
			return s.b[start:s.i], true
		}
	}
	return nil, false
}
