// Package token signs and verifies the tokens by which a site lets its own visitors alone use a tracker.
//
// The site's server and the tracker share a secret. The server puts a token into the
// announce URL of the page it delivers, as wss://tracker.example.org/announce?token=…,
// and the tracker lets in who has a valid one.
//
// A token is two parts with a dot between, each in base64url (RFC 4648 section 5) without padding:
// the claims, and the HMAC-SHA256 of the first part as it is written, with the secret as
// the key. The claims are a query string of
//
//	exp        when the token ends, in Unix seconds; required
//	info_hash  the only torrent it is for, 40 hexadecimal digits
//	net        the only addresses it is for, such as 203.0.113.0/24 or 2001:db8::/32
//	trusted    true: its holder meets everybody, and everybody meets it
//	introduce  trusted: its holder, if not trusted itself, meets trusted peers alone
//
// in any order, each at most once. Any other claim makes a token invalid, because what
// restricts must not be overlooked.
package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/secret"
)

// Claims are what a token says.
type Claims struct {
	Expires  time.Time    // the token is valid before; in whole seconds
	InfoHash *[20]byte    // the only torrent; nil means any
	Net      netip.Prefix // the only addresses; the zero Prefix means any
	Trusted  bool         // the holder meets everybody, even those who are Limited
	Limited  bool         // the holder meets trusted peers alone; it has no effect on one who is Trusted
}

var (
	// ErrMissing says that a URL has no token.
	ErrMissing = errors.New("this tracker needs a token from its site")
	// ErrInvalid says that a token cannot be read or was signed with another secret.
	ErrInvalid = errors.New("the token is not valid")
	// ErrExpired says that a token was valid once.
	ErrExpired = errors.New("the token has expired, load the page again")
	// ErrNet says that a token is for other addresses.
	ErrNet = errors.New("the token is for another network")
	// ErrInfoHash says that a token is for another torrent.
	ErrInfoHash = errors.New("the token is for another torrent")
)

// Admit returns nil, ErrExpired or ErrNet: whether somebody at addr may come in now.
func (c *Claims) Admit(now time.Time, addr netip.Addr) error {
	switch {
	case !now.Before(c.Expires):
		return ErrExpired
	case c.Net.IsValid() && !c.Net.Contains(addr.Unmap()):
		return ErrNet
	}
	return nil
}

// Covers returns nil or ErrInfoHash: whether the token is good for a torrent.
func (c *Claims) Covers(infoHash [20]byte) error {
	if c.InfoHash != nil && *c.InfoHash != infoHash {
		return ErrInfoHash
	}
	return nil
}

// FromQuery returns the parameter token of a URL's query, or "".
func FromQuery(query string) string {
	for query != "" {
		var part string
		part, query, _ = strings.Cut(query, "&")
		if v, ok := strings.CutPrefix(part, "token="); ok {
			return v
		}
	}
	return ""
}

const (
	// maxToken bounds a token, in bytes. All claims together make 200.
	maxToken = 512
	macText  = (sha256.Size*8 + 5) / 6 // length in base64
)

// strict refuses a second spelling of the same bytes.
var strict = base64.RawURLEncoding.Strict()

// Keys are the secrets that tokens are signed with. They may be used by many goroutines,
// while they are reloaded too.
type Keys struct {
	path string
	keys atomic.Pointer[[]*key]
}

// A key keeps hashes that have taken in the secret.
type key struct{ pool sync.Pool }

func newKey(secret []byte) *key {
	return &key{sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}
}

// appendMAC appends the MAC of text.
func (k *key) appendMAC(dst []byte, text string) []byte {
	h := k.pool.Get().(hash.Hash)
	h.Reset()
	h.Write([]byte(text))
	dst = h.Sum(dst)
	k.pool.Put(h)
	return dst
}

// LoadKeys reads secrets from a file as package secret describes it. The first
// secret signs, all of them verify: to change the secret, put the new one first, and remove the
// old one when its tokens have expired.
func LoadKeys(path string) (*Keys, error) {
	k := &Keys{path: path}
	if err := k.Reload(); err != nil {
		return nil, err
	}
	return k, nil
}

// Reload reads the file again. If that fails, the secrets stay as they were.
func (k *Keys) Reload() error {
	secrets, err := secret.List(k.path)
	if err != nil {
		return err
	}
	keys := make([]*key, len(secrets))
	for i, text := range secrets {
		keys[i] = newKey([]byte(text))
	}
	k.keys.Store(&keys)
	return nil
}

// Sign returns a token, signed with the first secret.
func (k *Keys) Sign(c Claims) string {
	claims := "exp=" + strconv.FormatInt(c.Expires.Unix(), 10)
	if c.InfoHash != nil {
		claims += "&info_hash=" + hex.EncodeToString(c.InfoHash[:])
	}
	if c.Net.IsValid() {
		claims += "&net=" + c.Net.String()
	}
	if c.Trusted {
		claims += "&trusted=true"
	}
	if c.Limited {
		claims += "&introduce=trusted"
	}
	text := strict.EncodeToString([]byte(claims))
	return text + "." + strict.EncodeToString((*k.keys.Load())[0].appendMAC(nil, text))
}

// Verify returns the claims of a token that one of the secrets has signed, else
// ErrMissing or ErrInvalid. What the claims allow is for the caller to ask.
func (k *Keys) Verify(token string) (Claims, error) {
	if token == "" {
		return Claims{}, ErrMissing
	}
	text, mac, ok := strings.Cut(token, ".")
	if !ok || len(token) > maxToken || len(mac) != macText {
		return Claims{}, ErrInvalid
	}
	var got, want [sha256.Size]byte
	if _, err := strict.Decode(got[:], []byte(mac)); err != nil {
		return Claims{}, ErrInvalid
	}
	signed := false
	for _, key := range *k.keys.Load() {
		signed = hmac.Equal(key.appendMAC(want[:0], text), got[:]) || signed
	}
	if !signed {
		return Claims{}, ErrInvalid
	}
	claims, err := strict.DecodeString(text)
	if err != nil {
		return Claims{}, ErrInvalid
	}
	return parseClaims(string(claims))
}

func parseClaims(text string) (c Claims, err error) {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(part, "=")
		if seen[name] {
			return Claims{}, ErrInvalid
		}
		seen[name] = true
		switch name {
		case "exp":
			var n uint64
			n, err = strconv.ParseUint(value, 10, 40)
			c.Expires = time.Unix(int64(n), 0)
		case "info_hash":
			var h []byte
			if h, err = hex.DecodeString(value); len(h) != 20 {
				return Claims{}, ErrInvalid
			}
			c.InfoHash = (*[20]byte)(h)
		case "net":
			// http_build_query and its like write / and : in their own way.
			c.Net, err = netip.ParsePrefix(escaped.Replace(value))
			c.Net = c.Net.Masked()
		case "trusted":
			c.Trusted = true
			if value != "true" && value != "1" { // PHP writes true as 1
				return Claims{}, ErrInvalid
			}
		case "introduce":
			c.Limited = true
			if value != "trusted" {
				return Claims{}, ErrInvalid
			}
		default:
			return Claims{}, ErrInvalid
		}
		if err != nil {
			return Claims{}, ErrInvalid
		}
	}
	if !seen["exp"] {
		return Claims{}, ErrInvalid
	}
	return c, nil
}

var escaped = strings.NewReplacer("%2F", "/", "%2f", "/", "%3A", ":", "%3a", ":")
