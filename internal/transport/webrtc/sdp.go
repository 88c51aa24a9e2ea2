//go:build !js

package webrtc

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/pion/ice/v4"
)

// Bounds on what a session description may ask of us.
const (
	maxCandidates = 24 // each costs connectivity checks
	maxMedia      = 1  // WebTorrent has one section, the data channels
)

// maxMessage is the largest message that we announce to take. A browser's
// WebTorrent client sends a bitfield or a large block as one message.
const maxMessage = 256 << 10

type setupRole uint8

const (
	setupActPass setupRole = iota + 1
	setupActive
	setupPassive
)

// A description is what we need to know of a session description.
type description struct {
	ufrag, pwd   string
	fingerprints []fingerprint
	setup        setupRole
	mid          string
	maxMessage   int // 0 = no limit
	candidates   []ice.Candidate

	// shared says that the other side is a Host that uses the socket of these
	// candidates for more connections than this one. The answer to it comes from a
	// socket of its own then, so that a pair of addresses is one connection.
	shared bool
}

// sharedSocket is the attribute for description.shared. Others ignore it.
const sharedSocket = "x-shoal-shared-socket"

type fingerprint struct {
	hash string // "sha-256"
	sum  []byte
}

func sdpError(msg string) error { return &SDPError{Msg: msg} }

// parseSDP reads an offer or answer of the other side.
func parseSDP(s string) (*description, error) {
	if len(s) > MaxSDP {
		return nil, sdpError("larger than " + strconv.Itoa(MaxSDP) + " bytes")
	}
	if !strings.HasPrefix(s, "v=0") {
		return nil, sdpError("does not begin with v=0")
	}
	d := &description{maxMessage: 64 << 10} // RFC 8841: the value when it is not given
	media := 0
	seen := false // a candidate, usable or not
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\r\n")
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		switch line[0] {
		case 'm':
			if media++; media > maxMedia {
				return nil, sdpError("more than one media section")
			}
			f := strings.Fields(line[2:])
			if len(f) < 4 || f[0] != "application" || !strings.Contains(f[2], "DTLS/SCTP") {
				return nil, sdpError("the media section is not a data channel")
			}
		case 'a':
			name, value, _ := strings.Cut(line[2:], ":")
			if name == "candidate" {
				seen = true
			}
			if err := d.attribute(name, value); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case media == 0:
		return nil, sdpError("no media section")
	case len(d.ufrag) < 4 || len(d.pwd) < 22:
		return nil, sdpError("no ICE user name or password")
	case len(d.fingerprints) == 0:
		return nil, sdpError("no certificate fingerprint")
	case d.setup == 0:
		return nil, sdpError("no setup role")
	case !seen:
		return nil, sdpError("no candidates")
	}
	return d, nil
}

func (d *description) attribute(name, value string) error {
	switch name {
	case sharedSocket:
		d.shared = true
	case "ice-ufrag":
		if len(value) > 256 || !isToken(value) || strings.Contains(value, ":") {
			return sdpError("bad ICE user name")
		}
		d.ufrag = value
	case "ice-pwd":
		if len(value) > 256 || !isToken(value) {
			return sdpError("bad ICE password")
		}
		d.pwd = value
	case "fingerprint":
		hash, sum, _ := strings.Cut(value, " ")
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(sum), ":", ""))
		if err != nil || len(b) < 20 || len(b) > 64 {
			return sdpError("bad certificate fingerprint")
		}
		if len(d.fingerprints) < 8 {
			d.fingerprints = append(d.fingerprints, fingerprint{hash: strings.ToLower(hash), sum: b})
		}
	case "setup":
		switch value {
		case "actpass":
			d.setup = setupActPass
		case "active":
			d.setup = setupActive
		case "passive":
			d.setup = setupPassive
		default:
			return sdpError("bad setup role")
		}
	case "mid":
		if len(value) > 64 || !isToken(value) {
			return sdpError("bad media id")
		}
		d.mid = value
	case "max-message-size":
		n, err := strconv.ParseUint(value, 10, 62)
		if err != nil {
			return sdpError("bad max-message-size")
		}
		d.maxMessage = int(min(n, 1<<30))
	case "candidate":
		if len(d.candidates) >= maxCandidates {
			return nil
		}
		// What we do not understand (another transport, an extension) is another
		// way to the same peer at most, so it is left out.
		if c, err := ice.UnmarshalCandidate(value); err == nil && c.NetworkType().IsUDP() && c.Component() == ice.ComponentRTP {
			d.candidates = append(d.candidates, c)
		}
	}
	return nil
}

// isToken reports whether s is of visible ASCII characters; what we repeat to
// the other side or to ICE must not carry anything else.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// matches reports whether the certificate is one of those announced. hashes maps
// the names of the hash functions we accept to the certificate's sums.
func (d *description) matches(sums map[string][]byte) bool {
	for _, f := range d.fingerprints {
		if sum, ok := sums[f.hash]; ok && bytes.Equal(sum, f.sum) {
			return true
		}
	}
	return false
}

// relays reports whether a candidate's address is a relay's, so that strangers share it.
// What comes from a relay before its candidate is known looks like an address of the
// other side's own.
func (d *description) relays(c ice.Candidate) bool {
	if c.Type() == ice.CandidateTypeRelay {
		return true
	}
	for _, o := range d.candidates {
		if o.Type() == ice.CandidateTypeRelay && o.Address() == c.Address() {
			return true
		}
	}
	return false
}

// localSDP writes our own description.
func localSDP(session uint64, ufrag, pwd, mid, setup string, sum []byte, cands []ice.Candidate, shared bool) string {
	var b strings.Builder
	line := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
		b.WriteString("\r\n")
	}
	line("v=0")
	line("o=- ", strconv.FormatUint(session>>1, 10), " 2 IN IP4 127.0.0.1")
	line("s=-")
	line("t=0 0")
	line("a=group:BUNDLE ", mid)
	line("m=application 9 UDP/DTLS/SCTP webrtc-datachannel")
	line("c=IN IP4 0.0.0.0")
	for _, c := range cands {
		line("a=candidate:", c.Marshal())
	}
	line("a=end-of-candidates")
	line("a=ice-ufrag:", ufrag)
	line("a=ice-pwd:", pwd)
	line("a=fingerprint:sha-256 ", colonHex(sum))
	line("a=setup:", setup)
	line("a=mid:", mid)
	line("a=sctp-port:5000")
	line("a=max-message-size:", strconv.Itoa(maxMessage))
	if shared {
		line("a=", sharedSocket)
	}
	return b.String()
}

func colonHex(sum []byte) string {
	s := strings.ToUpper(hex.EncodeToString(sum))
	var b strings.Builder
	for i := 0; i < len(s); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(s[i : i+2])
	}
	return b.String()
}
