// Package sha is SHA-1 and SHA-256 for code that also runs in a tab.
//
// Natively it is crypto/sha1 and crypto/sha256. Those bring the FIPS 140 module
// with its self-tests, AES and SHA-3 along, 99 kB after brotli in a WebAssembly
// binary, so under js the compression functions of FIPS 180-4 stand here
// themselves; a test compares the two.
package sha

// Digest1 computes a SHA-1 piece by piece. Write never fails.
type Digest1 interface {
	Write(p []byte) (int, error)
	// Sum appends the digest of what was written to b.
	Sum(b []byte) []byte
}
