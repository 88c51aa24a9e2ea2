//go:build !js

package webrtc

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pion/dtls/v3"
)

// testRecords are the sealer of one side and the opener of the other.
func testRecords(t *testing.T) (*sealer, *opener) {
	t.Helper()
	s := handshakeState{IsClient: true, MasterSecret: bytes.Repeat([]byte{1}, 48), CipherSuiteID: uint16(cipherSuites[0])}
	s.LocalRandom[0] = 7
	out, _, err := s.records()
	if err != nil {
		t.Fatal(err)
	}
	s.IsClient, s.LocalRandom, s.RemoteRandom = false, s.RemoteRandom, s.LocalRandom
	_, in, err := s.records()
	if err != nil {
		t.Fatal(err)
	}
	return out, in
}

func sealed(s *sealer, text string) []byte {
	b := make([]byte, recordRoom, recordRoom+len(text)+recordTag)
	return s.seal(append(b, text...), recordData)
}

// RFC 6347, section 4.1.2.6: each record is taken once, in whatever order they come.
func TestRecords(t *testing.T) {
	out, in := testRecords(t)
	var all [][]byte
	for range 1000 {
		all = append(all, sealed(out, "text"))
	}
	opens := func(i int) bool {
		plain, ok := in.open(bytes.Clone(all[i]))
		return ok && string(plain) == "text"
	}
	for _, i := range []int{3, 1, 0, 2, 100, 99, 4} {
		if !opens(i) {
			t.Errorf("record %d is not taken", i)
		}
	}
	for _, i := range []int{3, 1, 0, 2, 100, 99, 4} {
		if opens(i) {
			t.Errorf("record %d is taken twice", i)
		}
	}
	if !opens(999) || opens(500) || !opens(998) || opens(998) {
		t.Error("the window does not move as it should")
	}
}

func TestForgedRecords(t *testing.T) {
	out, in := testRecords(t)
	good := sealed(out, "text")
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, ok := in.open(bad); ok {
			t.Errorf("byte %d may be changed", i)
		}
	}
	for n := range good {
		if _, ok := in.open(bytes.Clone(good[:n])); ok {
			t.Errorf("%d bytes of %d are taken", n, len(good))
		}
	}
	if _, ok := in.open(good); !ok {
		t.Error("the forgeries have cost the record")
	}
	if n := binary.BigEndian.Uint64(good[3:]); n != 1<<48|firstSequence {
		t.Errorf("the first number is %x", n)
	}
}

// Nothing that the handshake may agree on is unknown here.
func TestAllSuitesGiveKeys(t *testing.T) {
	for _, id := range append(cipherSuites, dtls.TLS_PSK_WITH_AES_128_CCM) {
		s := handshakeState{MasterSecret: make([]byte, 48), CipherSuiteID: uint16(id)}
		_, _, err := s.records()
		if known := id != dtls.TLS_PSK_WITH_AES_128_CCM; known != (err == nil) {
			t.Errorf("%v: %v", id, err)
		}
	}
}

// pion encrypts with the same key and numbers from 0 on: a number that both used
// would give the key stream away.
func TestRecordsShareNoNumberWithTheHandshakes(t *testing.T) {
	out, _ := testRecords(t)
	last := uint64(0)
	for range 10 {
		b := sealed(out, "text")
		number := binary.BigEndian.Uint64(b[3:]) & (1<<48 - 1)
		if number < 1<<32 || number <= last {
			t.Fatalf("a record has number %d after %d", number, last)
		}
		if nonce := binary.BigEndian.Uint64(b[recordHeader:]) & (1<<48 - 1); nonce != number {
			t.Errorf("record %d is encrypted with nonce %d", number, nonce)
		}
		last = number
	}
}
