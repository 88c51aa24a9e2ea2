// Package httpwire is the codec of the HTTP tracker protocol.
//
//	request  GET /announce?info_hash=...&peer_id=...&port=...   BEP 3, 7, 23
//	         GET /scrape?info_hash=...&info_hash=...            BEP 48
//	reply    a bencoded dictionary                              BEP 3, 7, 23, 24, 31, 48
//
// Ids in the query are raw bytes behind percent signs, no text in any encoding; a
// "+" stands for itself. Keys that are not understood are ignored.
package httpwire

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// An Announce is the query of an announce.
type Announce struct {
	InfoHash, PeerID           [20]byte
	Port                       uint16
	Uploaded, Downloaded, Left int64  // bytes; Left -1 = unknown
	Event                      string // "" for a plain update
	NumWant                    int    // -1 = the tracker's default
	NoCompact                  bool   // asks for dictionaries (compact=0)
	NoPeerID                   bool
	Key, TrackerID             string
	// SupportCrypto and RequireCrypto say that the client takes, or takes nothing but,
	// streams that are encrypted. They are sent and not read.
	SupportCrypto, RequireCrypto bool
}

// Errors of a request. Their texts are failure reasons.
var (
	ErrQuery    = errors.New("broken percent encoding in the query")
	ErrInfoHash = errors.New("info_hash is missing or not 20 bytes")
	ErrPeerID   = errors.New("peer_id is missing or not 20 bytes")
	ErrPort     = errors.New("port is missing or not 1 to 65535")
	ErrTooLong  = errors.New("query is too long")
)

// The longest queries accepted, in bytes.
const (
	MaxAnnounceQuery = 4 << 10
	MaxScrapeQuery   = 16 << 10
)

// AppendQuery appends the query of an announce, without a leading "?".
func AppendQuery(dst []byte, a *Announce) []byte {
	dst = appendEscaped(append(dst, "info_hash="...), a.InfoHash[:])
	dst = appendEscaped(append(dst, "&peer_id="...), a.PeerID[:])
	dst = strconv.AppendUint(append(dst, "&port="...), uint64(a.Port), 10)
	dst = strconv.AppendInt(append(dst, "&uploaded="...), a.Uploaded, 10)
	dst = strconv.AppendInt(append(dst, "&downloaded="...), a.Downloaded, 10)
	left := a.Left
	if left < 0 {
		// Trackers read a number here; unknown must not look like a seeder.
		left = math.MaxInt64
	}
	dst = strconv.AppendInt(append(dst, "&left="...), left, 10)
	if a.NoCompact {
		dst = append(dst, "&compact=0"...)
	} else {
		dst = append(dst, "&compact=1"...)
	}
	if a.NoPeerID {
		dst = append(dst, "&no_peer_id=1"...)
	}
	if a.NumWant >= 0 {
		dst = strconv.AppendInt(append(dst, "&numwant="...), int64(a.NumWant), 10)
	}
	if a.Event != "" {
		dst = appendEscaped(append(dst, "&event="...), []byte(a.Event))
	}
	if a.Key != "" {
		dst = appendEscaped(append(dst, "&key="...), []byte(a.Key))
	}
	if a.TrackerID != "" {
		dst = appendEscaped(append(dst, "&trackerid="...), []byte(a.TrackerID))
	}
	if a.SupportCrypto {
		dst = append(dst, "&supportcrypto=1"...)
	}
	if a.RequireCrypto {
		dst = append(dst, "&requirecrypto=1"...)
	}
	return dst
}

// AppendScrapeQuery appends the query of a scrape, without a leading "?".
func AppendScrapeQuery(dst []byte, hashes ...[20]byte) []byte {
	for i := range hashes {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = appendEscaped(append(dst, "info_hash="...), hashes[i][:])
	}
	return dst
}

func appendEscaped(dst, b []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '_', c == '.', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// ParseAnnounce reads the raw query of an announce. Of keys that come twice the
// first counts. Numbers other than the port may be missing or nonsense.
func ParseAnnounce(query string) (a Announce, err error) {
	if len(query) > MaxAnnounceQuery {
		return a, ErrTooLong
	}
	a.Left, a.NumWant = -1, -1
	var seen keySet
	var gotHash, gotPeer bool
	for query != "" {
		var key, value string
		key, value, query = cut(query)
		if seen.twice(key) {
			continue
		}
		var buf [64]byte
		v, err := unescape(buf[:0], value)
		if err != nil {
			return a, err
		}
		switch key {
		case "info_hash":
			if gotHash = len(v) == 20; gotHash {
				copy(a.InfoHash[:], v)
			}
		case "peer_id":
			if gotPeer = len(v) == 20; gotPeer {
				copy(a.PeerID[:], v)
			}
		case "port":
			if n, err := strconv.ParseUint(string(v), 10, 16); err == nil {
				a.Port = uint16(n)
			}
		case "uploaded":
			a.Uploaded = max(number(v), 0)
		case "downloaded":
			a.Downloaded = max(number(v), 0)
		case "left":
			a.Left = number(v)
		case "numwant":
			if n := number(v); n >= 0 {
				a.NumWant = int(min(n, 1<<20))
			}
		case "event":
			a.Event = string(v)
		case "compact":
			a.NoCompact = string(v) == "0"
		case "no_peer_id":
			a.NoPeerID = string(v) == "1"
		case "key":
			a.Key = string(v)
		case "trackerid":
			a.TrackerID = string(v)
		}
	}
	switch {
	case !gotHash:
		return a, ErrInfoHash
	case !gotPeer:
		return a, ErrPeerID
	case a.Port == 0:
		return a, ErrPort
	}
	return a, nil
}

// ParseScrape reads the info hashes of the raw query of a scrape, up to max of them;
// further ones are left out. There may be none.
func ParseScrape(query string, max int) ([][20]byte, error) {
	if len(query) > MaxScrapeQuery {
		return nil, ErrTooLong
	}
	var hashes [][20]byte
	for query != "" && len(hashes) < max {
		var key, value string
		key, value, query = cut(query)
		if key != "info_hash" {
			continue
		}
		var buf [32]byte
		v, err := unescape(buf[:0], value)
		if err != nil {
			return nil, err
		}
		if len(v) != 20 {
			return nil, ErrInfoHash
		}
		hashes = append(hashes, [20]byte(v))
	}
	return hashes, nil
}

func cut(query string) (key, value, rest string) {
	pair, rest, _ := strings.Cut(query, "&")
	key, value, _ = strings.Cut(pair, "=")
	return key, value, rest
}

func unescape(dst []byte, s string) ([]byte, error) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if i+2 >= len(s) {
				return nil, ErrQuery
			}
			hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
			if hi|lo > 15 {
				return nil, ErrQuery
			}
			c = hi<<4 | lo
			i += 2
		}
		dst = append(dst, c)
	}
	return dst, nil
}

func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// number reads a count of bytes. What is no number is unknown, and what is larger
// than an int64 (2^64-1 is met for "unknown") is the largest one.
func number(v []byte) int64 {
	n, err := strconv.ParseInt(string(v), 10, 64)
	switch {
	case err == nil:
		return max(n, -1)
	case errors.Is(err, strconv.ErrRange) && v[0] != '-':
		return math.MaxInt64
	}
	return -1
}

// A keySet remembers which of the known keys a query has had.
type keySet uint16

func (s *keySet) twice(key string) bool {
	for i, k := range [...]string{"info_hash", "peer_id", "port", "uploaded", "downloaded", "left", "numwant",
		"event", "compact", "no_peer_id", "key", "trackerid"} {
		if k == key {
			had := *s&(1<<i) != 0
			*s |= 1 << i
			return had
		}
	}
	return false
}
