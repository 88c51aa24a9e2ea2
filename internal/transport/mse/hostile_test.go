//go:build !js

package mse

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"testing"
)

// Keys with which the secret is known to anybody are refused by both sides.
func TestWeakKeys(t *testing.T) {
	fill := func(n *big.Int) []byte { return n.FillBytes(make([]byte, keyLen)) }
	one := big.NewInt(1)
	for name, key := range map[string][]byte{
		"0": fill(new(big.Int)), "1": fill(one), "-1": fill(new(big.Int).Sub(prime, one)),
		"the prime": fill(prime), "the prime and 1": fill(new(big.Int).Add(prime, one)), "the largest": bytes.Repeat([]byte{0xff}, keyLen),
	} {
		a, _, err := Initiate(chance(1), skey, RC4, nil)
		if err != nil {
			t.Fatal(err)
		}
		if out, _, err := a.Step(nil, bytes.Clone(key)); err != ErrKey || len(out) > 0 {
			t.Errorf("%s: the initiator says %v, and sends %d bytes", name, err, len(out))
		}
		b := Respond(chance(1), RC4, RC4, nil)
		if _, _, err := b.Step(nil, append(bytes.Clone(key), make([]byte, 100)...)); err != ErrKey {
			t.Errorf("%s: the responder says %v", name, err)
		}
	}
}

// Whoever does not know the secret is refused behind the longest pad, not before it, and
// no more than that is kept of him.
func TestPadsEnd(t *testing.T) {
	for name, side := range map[string]func() *Handshake{
		"initiator": func() *Handshake { h, _, _ := Initiate(chance(3), skey, RC4, nil); return h },
		"responder": func() *Handshake { return Respond(chance(3), RC4, RC4, nil) },
	} {
		h := side()
		peer, err := begin(chance(4))
		if err != nil {
			t.Fatal(err)
		}
		noise := append(peer.public(nil), make([]byte, 4<<10)...)
		chance(5).Read(noise[keyLen:])
		markLen := map[string]int{"initiator": vcLen, "responder": hashLen}[name]
		var have []byte
		for i, c := range noise {
			have = append(have, c)
			_, used, err := h.Step(nil, have)
			have = have[used:]
			if len(have) > maxUnused && err == nil {
				t.Fatalf("%s keeps %d bytes", name, len(have))
			}
			if err != nil {
				if want := keyLen + maxPad + markLen; err != ErrSync || i+1 != want {
					t.Errorf("%s: %v after %d bytes, want %d", name, err, i+1, want)
				}
				break
			}
		}
		if h.Done() {
			t.Errorf("%s believes noise", name)
		}
	}
}

// forge plays an initiator that knows everything and says something wrong.
func forge(t *testing.T, offer Method, padLen uint16) error {
	t.Helper()
	a, first, err := Initiate(chance(6), skey, offer, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := Respond(chance(7), Plain|RC4, RC4, one(skey))
	m2, used, err := b.Step(nil, bytes.Clone(first))
	if err != nil {
		t.Fatal(err)
	}
	copy(a.theirs[:], m2)
	if err := a.agree(); err != nil {
		t.Fatal(err)
	}
	a.key()
	proof, asked := hash([]byte("req1"), a.s[:]), xor(KeyHash(skey), hash([]byte("req3"), a.s[:]))
	m3 := append(proof[:], asked[:]...)
	fields := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(make([]byte, vcLen), uint32(offer)), padLen)
	fields = append(fields, make([]byte, 1000)...)
	a.a.xor(fields, fields)
	_, _, err = b.Step(nil, append(append(first[used:], m3...), fields...))
	return err
}

func TestFieldsOutOfBounds(t *testing.T) {
	if err := forge(t, RC4, maxPad); err != nil {
		t.Errorf("the longest pad: %v", err)
	}
	for _, n := range []uint16{maxPad + 1, 0x8000, 0xffff} {
		if err := forge(t, RC4, n); err != ErrPad {
			t.Errorf("a pad of %d bytes: %v", n, err)
		}
	}
	if err := forge(t, 4, 0); err != ErrMethod {
		t.Errorf("an unknown method: %v", err)
	}
}

// A responder may select what was offered, and one method.
func TestTheSelectionIsChecked(t *testing.T) {
	for _, c := range []struct{ offer, selected Method }{{RC4, Plain}, {Plain, RC4}, {Plain | RC4, Plain | RC4}, {Plain | RC4, 0}, {RC4, 4}} {
		a, first, err := Initiate(chance(8), skey, c.offer, nil)
		if err != nil {
			t.Fatal(err)
		}
		peer, _ := begin(chance(9))
		if _, _, err := a.Step(nil, peer.public(nil)); err != nil {
			t.Fatal(err)
		}
		b := &Handshake{mine: peer, skey: skey, random: chance(10)}
		copy(b.theirs[:], first)
		if err := b.agree(); err != nil {
			t.Fatal(err)
		}
		b.key()
		m4, _ := b.fields(nil, c.selected)
		b.b.xor(m4, m4)
		if _, _, err := a.Step(nil, m4); err != ErrMethod {
			t.Errorf("offered %d, selected %d: %v", c.offer, c.selected, err)
		}
	}
}

func FuzzStep(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add(make([]byte, 700), true)
	_, first, _ := Initiate(chance(11), skey, RC4, nil)
	f.Add(first, false)
	f.Add(bytes.Repeat([]byte{0x55}, 1000), false)
	f.Fuzz(func(t *testing.T, in []byte, initiates bool) {
		h := Respond(chance(12), Plain|RC4, RC4, one(skey))
		if initiates {
			h, _, _ = Initiate(chance(12), skey, RC4, nil)
		}
		var have []byte
		for len(in) > 0 {
			n := min(len(in), 1+int(in[0]))
			have = append(have, in[:n]...)
			in = in[n:]
			out, used, err := h.Step(nil, have)
			if used > len(have) || len(out) > 2*(keyLen+maxPad) {
				t.Fatalf("used %d of %d, sends %d", used, len(have), len(out))
			}
			if err != nil {
				return
			}
			have = have[used:]
		}
		if h.Done() || len(have) > maxUnused {
			t.Fatalf("believes %d bytes", len(have))
		}
	})
}
