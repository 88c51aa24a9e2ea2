//go:build !js

package webrtc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"hash"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
)

// The record layer of DTLS 1.2 (RFC 6347, RFC 5288) for application data, once pion
// has made the handshake. It encrypts and decrypts in place.
//
//	type 1, version 2, epoch 2, sequence 6, length 2, nonce 8, ciphertext, tag 16

const (
	recordHeader = 13
	recordNonce  = 8
	recordTag    = 16

	recordAlert = 21
	recordData  = 23

	recordRoom = recordHeader + recordNonce // before the plaintext

	// pion goes on to number what it sends, the last messages of the handshake again.
	// Ours begin where it never gets to: no number may encrypt two records.
	firstSequence = 1 << 32

	replayWindow = 256 // records that may overtake one another
)

// cipherSuites are those that our record layer knows. Every WebRTC implementation has
// the first (RFC 8827, section 6.5), or the second where its certificate is of RSA.
var cipherSuites = []dtls.CipherSuiteID{
	dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	dtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	dtls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
}

// handshakeState are the fields of pion's exported state that keys are made of.
type handshakeState struct {
	IsClient                  bool
	LocalRandom, RemoteRandom [32]byte
	MasterSecret              []byte
	CipherSuiteID             uint16
}

var errNoKeys = errors.New("webrtc: the handshake gives no keys")

// newRecords makes both directions' record layers of a connection after its handshake.
func newRecords(conn *dtls.Conn) (*sealer, *opener, error) {
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, nil, errNoKeys
	}
	raw, err := state.MarshalBinary()
	if err != nil {
		return nil, nil, err
	}
	var s handshakeState
	if err := gob.NewDecoder(bytes.NewReader(raw)).Decode(&s); err != nil {
		return nil, nil, err
	}
	return s.records()
}

func (s *handshakeState) records() (*sealer, *opener, error) {
	var sum func() hash.Hash
	keyLen := 0
	switch dtls.CipherSuiteID(s.CipherSuiteID) {
	case dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:
		sum, keyLen = sha256.New, 16
	case dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, dtls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:
		sum, keyLen = sha512.New384, 32
	default:
		return nil, nil, errNoKeys
	}
	client, server := s.LocalRandom, s.RemoteRandom
	if !s.IsClient {
		client, server = server, client
	}
	k, err := prf.GenerateEncryptionKeys(s.MasterSecret, client[:], server[:], 0, keyLen, 4, sum)
	if err != nil {
		return nil, nil, err
	}
	ours, theirs := [2][]byte{k.ClientWriteKey, k.ClientWriteIV}, [2][]byte{k.ServerWriteKey, k.ServerWriteIV}
	if !s.IsClient {
		ours, theirs = theirs, ours
	}
	out, in := &sealer{next: firstSequence}, &opener{}
	if err := out.init(ours); err != nil {
		return nil, nil, err
	}
	return out, in, in.init(theirs)
}

// aead is one direction's cipher with the memory that a call of it needs.
type aead struct {
	gcm   cipher.AEAD
	nonce [12]byte // of it the first 4 are secret
	extra [recordHeader]byte
}

func (a *aead) init(key [2][]byte) error {
	block, err := aes.NewCipher(key[0])
	if err != nil {
		return err
	}
	a.gcm, err = cipher.NewGCM(block)
	copy(a.nonce[:4], key[1])
	return err
}

// bind fills the additional data in (RFC 5246, section 6.2.3.3), of the record's header
// and the plaintext's length.
func (a *aead) bind(header []byte, length int) []byte {
	copy(a.extra[:8], header[3:11])
	copy(a.extra[8:11], header[:3])
	binary.BigEndian.PutUint16(a.extra[11:], uint16(length))
	return a.extra[:]
}

// A sealer encrypts. One goroutine at a time may use it.
type sealer struct {
	aead
	next uint64
}

// seal makes a record of b, in which the plaintext lies behind recordRoom bytes and
// recordTag bytes of capacity follow.
func (s *sealer) seal(b []byte, kind byte) []byte {
	b[0], b[1], b[2] = kind, 0xfe, 0xfd
	sequence := 1<<48 | s.next // in the first epoch that is encrypted
	s.next++
	binary.BigEndian.PutUint64(b[3:], sequence)
	binary.BigEndian.PutUint16(b[11:], uint16(recordNonce+len(b)-recordRoom+recordTag))
	binary.BigEndian.PutUint64(b[recordHeader:], sequence)
	copy(s.nonce[4:], b[recordHeader:])
	plain := b[recordRoom:]
	sealed := s.gcm.Seal(plain[:0], s.nonce[:], plain, s.bind(b, len(plain)))
	return b[:recordRoom+len(sealed)]
}

// An opener decrypts. One goroutine at a time may use it.
type opener struct {
	aead
	latest uint64 // the highest sequence number
	seen   [replayWindow / 64]uint64
}

// open returns the plaintext of a record, which lies in the record; false for one that
// is forged, or came before.
func (o *opener) open(b []byte) ([]byte, bool) {
	if len(b) < recordRoom+recordTag || recordLen(b) != len(b) || b[1] != 0xfe || b[2] != 0xfd || binary.BigEndian.Uint16(b[3:]) != 1 {
		return nil, false
	}
	sequence := binary.BigEndian.Uint64(b[3:]) & (1<<48 - 1)
	if o.replayed(sequence) {
		return nil, false
	}
	copy(o.nonce[4:], b[recordHeader:])
	sealed := b[recordRoom:]
	plain, err := o.gcm.Open(sealed[:0], o.nonce[:], sealed, o.bind(b, len(sealed)-recordTag))
	if err != nil {
		return nil, false
	}
	o.mark(sequence)
	return plain, true
}

func (o *opener) replayed(n uint64) bool {
	if n > o.latest {
		return false
	}
	return o.latest/64-n/64 >= uint64(len(o.seen)) || o.seen[n/64%uint64(len(o.seen))]&(1<<(n%64)) != 0
}

// mark notes a number. The window is a ring of bits: those that it moves over are
// cleared, a word at a time, so it is between 193 and 256 numbers wide.
func (o *opener) mark(n uint64) {
	words := uint64(len(o.seen))
	if n > o.latest {
		from, to := o.latest/64, n/64
		if to-from >= words {
			from = to - words
		}
		for w := from + 1; w <= to; w++ {
			o.seen[w%words] = 0
		}
		o.latest = n
	}
	o.seen[n/64%words] |= 1 << (n % 64)
}
