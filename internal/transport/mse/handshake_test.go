//go:build !js

package mse

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// counter is a source of bytes that rise by seven.
type counter byte

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(*c)
		*c += 7
	}
	return len(p), nil
}

func from(n byte) *counter { c := counter(n); return &c }

func chance(seed uint64) io.Reader {
	return rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
}

var (
	skey  = [20]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}
	other = [20]byte{1}
)

// one knows a single torrent.
func one(key [20]byte) func([20]byte) ([20]byte, bool) {
	return func(req2 [20]byte) ([20]byte, bool) { return key, req2 == KeyHash(key) }
}

// recorded are the messages of an exchange, as another implementation makes them of
// the same numbers.
func recorded(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/exchange.txt")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		name, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		if m[name], err = hex.DecodeString(digits); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestTheExchangeIsAsRecorded(t *testing.T) {
	want := recorded(t)
	a, m1, err := Initiate(from(1), skey, Plain|RC4, []byte("initial payload"))
	if err != nil || !bytes.Equal(m1, want["1"]) {
		t.Fatalf("message 1: %x, %v", m1, err)
	}
	b := Respond(from(100), Plain|RC4, RC4, one(skey))
	m2, used, err := b.Step(nil, m1)
	if err != nil || !bytes.Equal(m2, want["2"]) {
		t.Fatalf("message 2: %x, %v", m2, err)
	}
	m1 = m1[used:]
	m3, used, err := a.Step(nil, bytes.Clone(m2))
	if err != nil || !bytes.Equal(m3, want["3"]) {
		t.Fatalf("message 3: %x, %v", m3, err)
	}
	m2 = m2[used:]
	m4, used, err := b.Step(nil, append(m1, m3...))
	if err != nil || !bytes.Equal(m4, want["4"]) {
		t.Fatalf("message 4: %x, %v", m4, err)
	}
	ia := m3[len(m3)-len("initial payload"):]
	if used != len(m1)+len(m3)-len(ia) || !b.Done() || b.SKey() != skey || b.Method() != RC4 {
		t.Fatalf("used %d of %d, done %v, key %x, method %d", used, len(m1)+len(m3), b.Done(), b.SKey(), b.Method())
	}
	if _, used, err = a.Step(nil, append(m2, m4...)); err != nil || used != len(m2)+len(m4) || !a.Done() || a.Method() != RC4 {
		t.Fatalf("used %d, done %v, method %d, %v", used, a.Done(), a.Method(), err)
	}
	b.a.xor(ia, ia)
	if string(ia) != "initial payload" {
		t.Fatalf("IA is %q", ia)
	}
	got := []byte("from Afrom B")
	a.a.xor(got[:6], got[:6])
	b.b.xor(got[6:], got[6:])
	if !bytes.Equal(got, want["5"]) {
		t.Fatalf("the stream begins %x", got)
	}
}

// talk lets two sides exchange messages, step bytes at a time, until nothing more
// comes. It returns the errors of both.
func talk(a, b *Handshake, first []byte, step int) (errA, errB error) {
	toB, toA := first, []byte(nil)
	var atA, atB []byte
	for len(toA)+len(toB) > 0 && errA == nil && errB == nil {
		n := min(step, len(toB))
		atB = append(atB, toB[:n]...)
		toB = toB[n:]
		var used int
		toA, used, errB = b.Step(toA, atB)
		atB = atB[used:]
		n = min(step, len(toA))
		atA = append(atA, toA[:n]...)
		toA = toA[n:]
		toB, used, errA = a.Step(toB, atA)
		atA = atA[used:]
	}
	return errA, errB
}

func TestMethods(t *testing.T) {
	const both = Plain | RC4
	for _, c := range []struct {
		offer, take, preferred, want Method
	}{
		{both, both, Plain, Plain}, {both, both, RC4, RC4},
		{RC4, both, Plain, RC4}, {Plain, both, RC4, Plain},
		{both, RC4, RC4, RC4}, {both, Plain, RC4, Plain},
		{RC4, RC4, RC4, RC4}, {RC4, Plain, Plain, 0}, {Plain, RC4, RC4, 0},
		{both | 0xf0, both, RC4, RC4}, {0xf0, both, RC4, 0}, {0, both, RC4, 0},
	} {
		a, first, err := Initiate(chance(1), skey, c.offer, nil)
		if err != nil {
			t.Fatal(err)
		}
		b := Respond(chance(2), c.take, c.preferred, one(skey))
		errA, errB := talk(a, b, first, 1<<20)
		if c.want == 0 {
			if !errors.Is(errB, ErrMethod) || a.Done() {
				t.Errorf("%+v: %v, %v", c, errA, errB)
			}
			continue
		}
		if errA != nil || errB != nil || !a.Done() || !b.Done() || a.Method() != c.want || b.Method() != c.want {
			t.Errorf("%+v: selected %d and %d; %v, %v", c, a.Method(), b.Method(), errA, errB)
		}
	}
}

// Whatever pads are drawn, and however the bytes arrive, both sides come to an end.
func TestEveryPadAndEverySplit(t *testing.T) {
	for seed := range uint64(200) {
		a, first, err := Initiate(chance(seed), skey, Plain|RC4, make([]byte, 68))
		if err != nil {
			t.Fatal(err)
		}
		b := Respond(chance(seed+1000), RC4, RC4, one(skey))
		if errA, errB := talk(a, b, first, int(1+seed%97)); errA != nil || errB != nil || !a.Done() || !b.Done() {
			t.Fatalf("seed %d: %v, %v, %v, %v", seed, errA, errB, a.Done(), b.Done())
		}
	}
}

func TestOnlyWhoKnowsTheTorrentGetsIn(t *testing.T) {
	a, first, err := Initiate(chance(1), other, RC4, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := Respond(chance(2), RC4, RC4, one(skey))
	if _, err := talk(a, b, first, 1<<20); err != ErrUnknown {
		t.Fatalf("got %v", err)
	}
	// The hash of a torrent can be guessed from a record of it, the keys cannot.
	if a, first, err = Initiate(chance(1), other, RC4, nil); err != nil {
		t.Fatal(err)
	}
	b = Respond(chance(2), RC4, RC4, func([20]byte) ([20]byte, bool) { return skey, true })
	if _, err := talk(a, b, first, 1<<20); err != ErrConstant {
		t.Fatalf("got %v", err)
	}
}

// rtorrent takes a secret that begins with zeros for a shorter one: whoever is called
// chooses another.
func TestTheSecretOfAResponderFillsItsBytes(t *testing.T) {
	_, m1, err := Initiate(from(1), skey, RC4, nil)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(2000) {
		b := Respond(chance(seed), RC4, RC4, one(skey))
		if _, _, err := b.Step(nil, m1); err != nil {
			t.Fatal(err)
		}
		if b.s[0] == 0 {
			t.Fatalf("seed %d: a secret of %x...", seed, b.s[:4])
		}
	}
}
