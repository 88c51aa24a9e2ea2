//go:build js

package sha

// Sum1 returns the SHA-1 of p.
func Sum1(p []byte) [20]byte { return small1(p) }

// Sum256 returns the SHA-256 of p.
func Sum256(p []byte) [32]byte { return small256(p) }

// New1 returns a SHA-1 of nothing yet.
func New1() Digest1 { return newSmall1() }
