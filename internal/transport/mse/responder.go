//go:build !js

package mse

import (
	"encoding/binary"
	"io"
)

// responder is the side that was connected to. A stranger makes it calculate twice when
// its key is there: our key, and S.
type responder struct {
	take  Method
	likes Method // is selected where there is a choice
	find  func(req2 [20]byte) (skey [20]byte, ok bool)
	offer Method
}

// Respond waits for somebody to initiate. take are the methods that we agree to, and
// preferred is the one to select where the other side offers both. find returns the
// info hash whose KeyHash it is given. random has to be hard to guess.
func Respond(random io.Reader, take, preferred Method, find func(keyHash [20]byte) (skey [20]byte, ok bool)) *Handshake {
	return &Handshake{role: &responder{take: take, likes: preferred, find: find}, random: random}
}

// gotKey draws keys until S begins with no zero, which the second does nearly always.
// rtorrent leaves zeros at the front of S out, so that one of 256 handshakes with it fails.
func (r *responder) gotKey(h *Handshake, dst []byte) (out []byte, err error) {
	for range 4 {
		if out, err = h.greet(dst); err != nil {
			return dst, err
		}
		if err = h.agree(); err != nil {
			return dst, err
		}
		if h.s[0] != 0 {
			break
		}
	}
	return out, nil
}

func (r *responder) seek(h *Handshake) error {
	proof := hash([]byte("req1"), h.s[:])
	h.mark = proof[:]
	return nil
}

func (r *responder) fieldsLen() int { return hashLen + vcLen + 4 + 2 }

func (r *responder) gotFields(h *Handshake, dst, b []byte) ([]byte, error) {
	asked := xor([hashLen]byte(b), hash([]byte("req3"), h.s[:]))
	skey, ok := r.find(asked)
	if !ok {
		return dst, ErrUnknown
	}
	h.skey = skey
	h.key()
	b = b[hashLen:]
	h.a.xor(b, b)
	if [vcLen]byte(b) != ([vcLen]byte{}) {
		return dst, ErrConstant
	}
	var err error
	r.offer, err = h.open(b[vcLen:])
	h.padding += 2 // len(IA)
	return dst, err
}

func (r *responder) gotPad(h *Handshake, dst, pad []byte) ([]byte, error) {
	h.a.xor(pad, pad)
	h.early = int(binary.BigEndian.Uint16(pad[len(pad)-2:]))
	switch both := r.offer & r.take; {
	case both&RC4 != 0 && (r.likes == RC4 || both&Plain == 0):
		h.method = RC4
	case both&Plain != 0:
		h.method = Plain
	default:
		return dst, ErrMethod
	}
	clear := len(dst)
	dst, err := h.fields(dst, h.method)
	if err != nil {
		return dst, err
	}
	h.b.xor(dst[clear:], dst[clear:])
	return dst, nil
}
