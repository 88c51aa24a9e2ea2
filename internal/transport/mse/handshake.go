//go:build !js

package mse

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"
)

// Method is how the stream behind the handshake is sent, or a set of such ways.
type Method uint32

// The methods, as crypto_provide and crypto_select carry them.
const (
	Plain Method = 1 << iota // as it is: only the handshake is hidden
	RC4
)

// Errors of a handshake. Each ends it.
var (
	// ErrKey reports a public key that is none.
	ErrKey = errors.New("mse: not a public key")
	// ErrSync reports a peer whose padding has no end, as those have that speak
	// something else.
	ErrSync = errors.New("mse: the peer does not speak the protocol")
	// ErrUnknown reports a peer that asks for a torrent which we do not have.
	ErrUnknown = errors.New("mse: not a torrent of ours")
	// ErrConstant reports a peer that has other keys than we.
	ErrConstant = errors.New("mse: the keys differ")
	// ErrPad reports padding that is too long.
	ErrPad = errors.New("mse: too much padding")
	// ErrMethod reports that the two sides have no method in common.
	ErrMethod = errors.New("mse: no method that both sides take")
)

const (
	maxPad  = 512
	vcLen   = 8
	hashLen = 20
	discard = 1024 // bytes of RC4 that say too much about its key

	// maxUnused is the most that Step leaves unused, in bytes, before the handshake is
	// over: the longest pad, and all but one byte of the longest mark behind it.
	maxUnused = maxPad + hashLen - 1
)

// stage is what a Handshake waits for.
type stage uint8

const (
	awaitKey    stage = iota // the other side's public key
	awaitMark                // the end of the pad behind it
	awaitFields              // of fixed length
	awaitPad                 // PadC and len(IA), or PadD
	over
)

// A Handshake is one side of the exchange, without I/O. Make one with Initiate or
// Respond, and give what arrives to Step.
type Handshake struct {
	role
	random  io.Reader
	stage   stage
	mine    agreement
	theirs  [keyLen]byte // public key
	s       [keyLen]byte
	skey    [hashLen]byte
	mark    []byte // ends the pad before it
	padding int    // length of what awaitPad waits for

	a, b   *rc4 // from A, from B
	method Method
	early  int // bytes of IA, which are encrypted in any case
}

// role is what the two sides do differently. What is appended to dst is to be sent.
type role interface {
	// gotKey follows the other side's public key.
	gotKey(h *Handshake, dst []byte) ([]byte, error)
	// seek sets the mark that ends the pad behind the key.
	seek(h *Handshake) error
	// fieldsLen is how many bytes behind the mark gotFields takes.
	fieldsLen() int
	gotFields(h *Handshake, dst, fields []byte) ([]byte, error)
	gotPad(h *Handshake, dst, pad []byte) ([]byte, error)
}

// Done reports whether the handshake is over. What Step has not used belongs to the
// stream.
func (h *Handshake) Done() bool { return h.stage == over }

// SKey is the info hash that the stream is of, once that is known.
func (h *Handshake) SKey() [20]byte { return h.skey }

// Method is what the stream is sent by, once the handshake is over.
func (h *Handshake) Method() Method { return h.method }

// Step takes what has arrived and was not used before, followed by what is new. It
// returns dst with what is to be sent appended, and how many bytes it used; the others
// it wants to see again. It may change in. An error ends the handshake.
func (h *Handshake) Step(dst, in []byte) (out []byte, used int, err error) {
	for h.stage != over {
		n := 0
		if dst, n, err = h.step(dst, in[used:]); n == 0 || err != nil {
			break
		}
		used += n
	}
	return dst, used, err
}

// step passes one stage. It returns 0 when bytes are missing for it.
func (h *Handshake) step(dst, in []byte) (out []byte, used int, err error) {
	switch h.stage {
	case awaitKey:
		if len(in) < keyLen {
			return dst, 0, nil
		}
		copy(h.theirs[:], in)
		dst, err = h.gotKey(h, dst)
		h.stage, used = awaitMark, keyLen
	case awaitMark:
		if len(in) < vcLen {
			return dst, 0, nil
		}
		if h.mark == nil {
			if err := h.seek(h); err != nil {
				return dst, 0, err
			}
		}
		longest := maxPad + len(h.mark)
		at := bytes.Index(in[:min(len(in), longest)], h.mark)
		if at < 0 {
			if len(in) >= longest {
				err = ErrSync
			}
			return dst, 0, err
		}
		h.stage, used = awaitFields, at+len(h.mark)
	case awaitFields:
		if used = h.fieldsLen(); len(in) < used {
			return dst, 0, nil
		}
		h.stage = awaitPad
		dst, err = h.gotFields(h, dst, in[:used])
	case awaitPad:
		if used = h.padding; len(in) < used {
			return dst, 0, nil
		}
		h.stage = over
		dst, err = h.gotPad(h, dst, in[:used])
	}
	return dst, used, err
}

func hash(parts ...[]byte) (sum [hashLen]byte) {
	h := sha1.New()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(sum[:0])
	return sum
}

func xor(a, b [hashLen]byte) [hashLen]byte {
	for i := range a {
		a[i] ^= b[i]
	}
	return a
}

// KeyHash is HASH("req2", SKEY), by which a responder finds the torrent that a peer
// asks for.
func KeyHash(skey [20]byte) [20]byte { return hash([]byte("req2"), skey[:]) }

// greet appends our public key and a pad.
func (h *Handshake) greet(dst []byte) ([]byte, error) {
	pad, err := h.pad()
	if err != nil {
		return dst, err
	}
	if h.mine, err = begin(h.random); err != nil {
		return dst, err
	}
	return append(h.mine.public(dst), pad...), nil
}

// pad is 0 to 512 random bytes.
func (h *Handshake) pad() ([]byte, error) {
	var b [2 + maxPad]byte
	if _, err := io.ReadFull(h.random, b[:]); err != nil {
		return nil, err
	}
	return b[2:][:binary.BigEndian.Uint16(b[:])%(maxPad+1)], nil
}

// agree finds S.
func (h *Handshake) agree() error {
	s, ok := h.mine.secret(h.theirs[:])
	if !ok {
		return ErrKey
	}
	h.s, h.mine = s, agreement{}
	return nil
}

// key makes the two ciphers of S and SKEY.
func (h *Handshake) key() { h.a, h.b = h.cipher("keyA"), h.cipher("keyB") }

func (h *Handshake) cipher(name string) *rc4 {
	key := hash([]byte(name), h.s[:], h.skey[:])
	c := newRC4(key[:])
	var first [discard]byte
	c.xor(first[:], first[:])
	return c
}

// fields appends crypto_provide or crypto_select with what stands around it, not
// encrypted yet.
func (h *Handshake) fields(dst []byte, m Method) ([]byte, error) {
	pad, err := h.pad()
	if err != nil {
		return dst, err
	}
	dst = append(dst, make([]byte, vcLen)...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(m))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(pad)))
	return append(dst, pad...), nil
}

// open reads crypto_provide or crypto_select, and the length of the pad behind it.
func (h *Handshake) open(b []byte) (Method, error) {
	h.padding = int(binary.BigEndian.Uint16(b[4:]))
	if h.padding > maxPad {
		return 0, ErrPad
	}
	return Method(binary.BigEndian.Uint32(b)), nil
}
