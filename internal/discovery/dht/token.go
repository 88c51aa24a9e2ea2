package dht

import (
	"crypto/sha256"
	"crypto/subtle"
	"math/rand/v2"
	"net/netip"
	"time"
)

// tokenLen keeps replies short and guessing hopeless: one try costs a packet.
const tokenLen = 8

// tokenRotation is how long one secret makes tokens; its tokens are accepted
// for as long again, so a token lives 5 to 10 minutes (BEP 5, "Overview").
const tokenRotation = 5 * time.Minute

// tokens hands out write tokens that only their receiver's address can use.
// Nothing is stored for a token.
type tokens struct {
	rand         *rand.Rand
	current, old [32]byte
	since        time.Time
}

func newTokens(now time.Time, r *rand.Rand) *tokens {
	t := &tokens{rand: r, since: now}
	fillRandom(r, t.current[:])
	fillRandom(r, t.old[:])
	return t
}

func (t *tokens) rotate(now time.Time) {
	for range 2 {
		if now.Sub(t.since) < tokenRotation {
			return
		}
		t.old = t.current
		fillRandom(t.rand, t.current[:])
		t.since = t.since.Add(tokenRotation)
	}
	if now.Sub(t.since) >= tokenRotation { // idle for long: both secrets are new
		t.since = now
	}
}

func (t *tokens) make(now time.Time, a netip.Addr) [tokenLen]byte {
	t.rotate(now)
	return token(&t.current, a)
}

func (t *tokens) valid(now time.Time, a netip.Addr, tok []byte) bool {
	t.rotate(now)
	cur, old := token(&t.current, a), token(&t.old, a)
	return subtle.ConstantTimeCompare(tok, cur[:])|subtle.ConstantTimeCompare(tok, old[:]) == 1
}

func token(secret *[32]byte, a netip.Addr) [tokenLen]byte {
	ip := a.As16()
	sum := sha256.Sum256(append(secret[:len(secret):len(secret)], ip[:]...))
	return [tokenLen]byte(sum[:tokenLen])
}
