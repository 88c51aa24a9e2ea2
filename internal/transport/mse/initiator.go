//go:build !js

package mse

import (
	"encoding/binary"
	"io"
)

// initiator is the side that opened the connection.
type initiator struct {
	offer Method
	ia    []byte
}

// Initiate begins the exchange for the torrent skey: out is to be sent first. offer
// are the methods to choose from, ia how our stream begins, at most 65,535 bytes.
// random has to be hard to guess.
func Initiate(random io.Reader, skey [20]byte, offer Method, ia []byte) (h *Handshake, out []byte, err error) {
	h = &Handshake{role: &initiator{offer, ia}, random: random, skey: skey}
	out, err = h.greet(nil)
	return h, out, err
}

func (i *initiator) gotKey(h *Handshake, dst []byte) ([]byte, error) {
	if err := h.agree(); err != nil {
		return dst, err
	}
	h.key()
	proof := hash([]byte("req1"), h.s[:])
	asked := xor(KeyHash(h.skey), hash([]byte("req3"), h.s[:]))
	dst = append(append(dst, proof[:]...), asked[:]...)
	clear := len(dst)
	dst, err := h.fields(dst, i.offer)
	if err != nil {
		return dst, err
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(i.ia)))
	dst = append(dst, i.ia...)
	h.a.xor(dst[clear:], dst[clear:])
	return dst, nil
}

// seek finds out what VC looks like.
func (i *initiator) seek(h *Handshake) error {
	h.mark = make([]byte, vcLen)
	h.b.xor(h.mark, h.mark)
	return nil
}

func (i *initiator) fieldsLen() int { return 4 + 2 }

func (i *initiator) gotFields(h *Handshake, dst, b []byte) ([]byte, error) {
	h.b.xor(b, b)
	m, err := h.open(b)
	if err != nil {
		return dst, err
	}
	if m != Plain && m != RC4 || m&i.offer == 0 {
		return dst, ErrMethod
	}
	if h.method = m; h.padding == 0 {
		h.stage = over
	}
	return dst, nil
}

func (i *initiator) gotPad(h *Handshake, dst, pad []byte) ([]byte, error) {
	h.b.xor(pad, pad)
	return dst, nil
}
