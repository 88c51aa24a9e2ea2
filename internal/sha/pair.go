//go:build !amd64

package sha

// Sum256Pair returns the SHA-256 of p and of q.
func Sum256Pair(p, q []byte) (x, y [32]byte) { return Sum256(p), Sum256(q) }
