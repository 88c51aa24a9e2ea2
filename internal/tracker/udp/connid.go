package udp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"time"
)

// connIDs makes connection ids that only the receiver of a packet to that address
// can know, and remembers nothing: an id is the keyed hash of the address with
// the minute in which it was made, of which its last two bits tell. It is valid
// for two to three minutes.
type connIDs struct{ block cipher.Block }

const connIDPeriod = time.Minute

func newConnIDs() (*connIDs, error) {
	var key [16]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return &connIDs{block}, nil
}

// make returns an id. scratch is memory for the hash to work in.
func (c *connIDs) make(scratch *[aes.BlockSize]byte, ip netip.Addr, now time.Time) uint64 {
	return c.at(scratch, ip, period(now))
}

func (c *connIDs) valid(scratch *[aes.BlockSize]byte, id uint64, ip netip.Addr, now time.Time) bool {
	p := period(now)
	age := (p - int64(id)) & 3
	// Two machine words are compared in the same time, whatever they are.
	return age <= 2 && id == c.at(scratch, ip, p-age)
}

func period(now time.Time) int64 { return now.Unix() / int64(connIDPeriod/time.Second) }

// at is the CBC-MAC of two blocks; all inputs have the same length, which makes it safe.
func (c *connIDs) at(scratch *[aes.BlockSize]byte, ip netip.Addr, period int64) uint64 {
	*scratch = ip.As16()
	b := scratch[:]
	c.block.Encrypt(b, b)
	binary.BigEndian.PutUint64(b, binary.BigEndian.Uint64(b)^uint64(period))
	c.block.Encrypt(b, b)
	return binary.BigEndian.Uint64(b)&^3 | uint64(period)&3
}
