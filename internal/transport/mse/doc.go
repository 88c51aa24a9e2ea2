//go:build !js

// Package mse obfuscates peer wire streams by Message Stream Encryption, which
// others call Protocol Encryption or PE.
//
// The initiator A knows the info hash, which is SKEY, and B has to know it too. S is
// the secret of a Diffie-Hellman exchange in 96 bytes, HASH is SHA-1, pads are of 0 to
// 512 random bytes, numbers are big-endian. ENCRYPT is RC4 without its first 1024 bytes,
// keyed by HASH("keyA", S, SKEY) from A to B and HASH("keyB", S, SKEY) back.
//
//	1  A to B  Ya (96), PadA
//	2  B to A  Yb (96), PadB
//	3  A to B  HASH("req1", S) (20),
//	           HASH("req2", SKEY) xor HASH("req3", S) (20),
//	           ENCRYPT(VC (8, zeros), crypto_provide (4), len(PadC) (2), PadC,
//	                   len(IA) (2), IA)
//	4  B to A  ENCRYPT(VC (8), crypto_select (4), len(PadD) (2), PadD)
//	5  both    the stream, encrypted or plain as B selected
//
// IA is the beginning of A's stream, for us its handshake. It is encrypted whatever B
// selects. The specification is "Message Stream Encryption" of the Vuze wiki.
//
// It hides from a network what a stream is, and from nobody what is in it: whoever
// knows the info hash can read along. Nothing here vouches for the other side.
package mse
