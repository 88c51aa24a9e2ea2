//go:build !js

package mse

import (
	"io"
	"math/big"
)

// keyLen is the length of public keys and of the secret, in bytes.
const keyLen = 96

// privateLen is the length of a private key in bytes: the 160 bits that the
// specification asks for. Longer ones would cost more and hide nothing better.
const privateLen = 20

var (
	prime, _ = new(big.Int).SetString("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"+
		"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563", 16)
	generator = big.NewInt(2)
	largest   = new(big.Int).Sub(prime, generator) // public key that tells nothing of itself
)

// agreement is our half of a Diffie-Hellman exchange. Each of its two steps costs
// about as much as ten thousand bytes of RC4.
type agreement struct{ private *big.Int }

// begin draws a private key.
func begin(random io.Reader) (agreement, error) {
	var b [privateLen]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return agreement{}, err
	}
	b[0] |= 0x80 // one length, one cost
	return agreement{new(big.Int).SetBytes(b[:])}, nil
}

// public appends our public key.
func (a agreement) public(dst []byte) []byte {
	var y [keyLen]byte
	new(big.Int).Exp(generator, a.private, prime).FillBytes(y[:])
	return append(dst, y[:]...)
}

// secret is what both sides know once they have each other's public key. It reports
// false for a key that makes it known to anybody, 0, 1 or -1, and for one that is no
// number of the group.
func (a agreement) secret(public []byte) (s [keyLen]byte, ok bool) {
	y := new(big.Int).SetBytes(public)
	if y.Cmp(generator) < 0 || y.Cmp(largest) > 0 {
		return s, false
	}
	y.Exp(y, a.private, prime).FillBytes(s[:])
	return s, true
}
