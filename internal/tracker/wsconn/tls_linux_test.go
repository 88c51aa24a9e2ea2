package wsconn

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/unix"
)

// When Go renames these fields, idle TLS connections take 17 kB more: this is where to look.
func TestTLSBuffersAreFound(t *testing.T) {
	if len(tlsBuffers) != 2 {
		t.Errorf("%d of 2 buffers of tls.Conn found", len(tlsBuffers))
	}
}

// A tlsPair is a tlsLink as it is after the handshake, and its client.
type tlsPair struct {
	t      *testing.T
	link   *tlsLink
	conn   *Conn
	client *tls.Conn
	wire   *wire
	keys   bytes.Buffer // in the format of SSLKEYLOGFILE
	shared []byte
}

// A wire keeps what is written when it is told to.
type wire struct {
	net.Conn
	keep bool
	kept []byte
}

func (w *wire) Write(b []byte) (int, error) {
	if w.keep {
		w.kept = append(w.kept, b...)
		return len(b), nil
	}
	return w.Conn.Write(b)
}

// records returns what the client makes of a payload, and does not send it.
func (p *tlsPair) records(payload string) []byte {
	p.wire.keep, p.wire.kept = true, nil
	if _, err := io.WriteString(p.client, payload); err != nil {
		p.t.Fatal(err)
	}
	p.wire.keep = false
	return p.wire.kept
}

func newTLSPair(t *testing.T, version uint16) *tlsPair {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	conf := &tls.Config{Certificates: srv.TLS.Certificates}
	srv.Close()
	near, far := pair(t)
	s := newServer(t, 2000)
	p := &tlsPair{t: t, wire: &wire{Conn: far}, shared: make([]byte, 4096), conn: &Conn{srv: s}}
	p.client = tls.Client(p.wire, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, KeyLogWriter: &p.keys})
	server := s.TLS(near, conf)
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	far.SetDeadline(time.Now().Add(20 * time.Second))
	if err := errors.Join(p.client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	p.link = tlsLinkOf(server)
	rc, err := near.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	rc.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	p.link.detach(fd)
	p.conn.link = &fdLink{fd: fd, epoll: -1, tls: p.link}
	return p
}

// read has the link read what was sent, as a loop does on an event, and returns the plaintext.
func (p *tlsPair) read() (got string, err error) {
	p.t.Helper()
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.link.fd), Events: unix.POLLIN}}, 10_000); n != 1 {
		p.t.Fatalf("nothing comes: %v", err)
	}
	for {
		n, _, err := p.link.read(p.conn, p.shared)
		switch {
		case err == unix.EAGAIN:
			return got, nil
		case err != nil:
			return got, err
		}
		got += string(p.shared[:n])
	}
}

func (p *tlsPair) write(b []byte) {
	p.t.Helper()
	if _, err := p.wire.Conn.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

var tlsVersions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

// A record may come in any two pieces, and byte by byte: nothing is lost by letting go of buffers
// and by reads that find too little.
func TestRecordsCutAtEveryByte(t *testing.T) {
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			p := newTLSPair(t, version)
			const text = "a message of the client"
			if version == tls.VersionTLS13 { // tickets are written by the server alone
				p.records("")
			}
			n := len(p.records(text))
			p.write(p.wire.kept)
			if got, err := p.read(); got != text || err != nil {
				t.Fatalf("whole: %q, %v", got, err)
			}
			for cut := 1; cut < n; cut++ {
				rec := p.records(text)
				p.write(rec[:cut])
				if got, err := p.read(); got != "" || err != nil {
					t.Fatalf("%d of %d bytes: %q, %v", cut, n, got, err)
				}
				p.write(rec[cut:])
				if got, err := p.read(); got != text || err != nil {
					t.Fatalf("cut at %d of %d: %q, %v", cut, n, got, err)
				}
			}
			var got strings.Builder
			for _, b := range append(p.records(text), p.records(text)...) {
				p.write([]byte{b})
				s, err := p.read()
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString(s)
			}
			if got.String() != text+text {
				t.Errorf("byte by byte: %q", got.String())
			}
		})
	}
}

// A sealer makes records of TLS 1.3 with a key that it knows (RFC 8446 sections 5.2 and 7.2).
type sealer struct {
	secret []byte
	hash   func() hash.Hash
	suite  uint16
	seq    uint64
}

func (s *sealer) expand(label string, n int) []byte {
	full := "tls13 " + label
	info := append([]byte{byte(n >> 8), byte(n), byte(len(full))}, full...)
	key, err := hkdf.Expand(s.hash, s.secret, string(append(info, 0)), n)
	if err != nil {
		panic(err)
	}
	return key
}

func (s *sealer) record(kind byte, payload []byte) []byte {
	var aead cipher.AEAD
	var err error
	switch s.suite {
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		aead, err = chacha20poly1305.New(s.expand("key", 32))
	default:
		n := 16
		if s.suite == tls.TLS_AES_256_GCM_SHA384 {
			n = 32
		}
		var block cipher.Block
		if block, err = aes.NewCipher(s.expand("key", n)); err == nil {
			aead, err = cipher.NewGCM(block)
		}
	}
	if err != nil {
		panic(err)
	}
	nonce := s.expand("iv", 12)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^s.seq)
	s.seq++
	inner := append(bytes.Clone(payload), kind)
	head := []byte{23, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(inner)+aead.Overhead()))
	return aead.Seal(head, nonce, inner, head)
}

// update goes on with the next key.
func (s *sealer) update() { s.secret, s.seq = s.expand("traffic upd", len(s.secret)), 0 }

// clientSealer makes records in the client's place, which has sent none so far.
func (p *tlsPair) clientSealer() *sealer {
	for line := range strings.Lines(p.keys.String()) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(f[2])
			if err != nil {
				p.t.Fatal(err)
			}
			s := &sealer{secret: secret, hash: sha256.New, suite: p.client.ConnectionState().CipherSuite}
			if s.suite == tls.TLS_AES_256_GCM_SHA384 {
				s.hash = sha512.New384
			}
			return s
		}
	}
	p.t.Fatal("no key in the log")
	return nil
}

// A client of TLS 1.3 may change its key at any time and ask for ours to change; the request may
// come in pieces, too. What we write then is under the new key.
func TestKeyUpdate(t *testing.T) {
	p := newTLSPair(t, tls.VersionTLS13)
	c := p.clientSealer()
	const handshake, data = 22, 23
	for i := range 3 {
		asked := byte(i % 2) // whether our key is to change as well
		rec := c.record(handshake, []byte{24, 0, 0, 1, asked})
		c.update()
		for _, b := range rec {
			p.write([]byte{b})
			if got, err := p.read(); got != "" || err != nil {
				t.Fatalf("update %d: %q, %v", i, got, err)
			}
		}
		p.write(c.record(data, []byte("after it")))
		if got, err := p.read(); got != "after it" || err != nil {
			t.Fatalf("update %d: %q, %v", i, got, err)
		}
		p.conn.mu.Lock()
		p.conn.out = append(p.conn.srv.buffers.Out.Get(100), "reply"...)
		_, err := p.link.write(p.conn)
		done := len(p.link.out) == 0
		p.conn.flushed()
		p.conn.mu.Unlock()
		if !done || err != nil {
			t.Fatalf("update %d: written: %v, %v", i, done, err)
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(p.client, b); string(b) != "reply" {
			t.Fatalf("update %d: the client reads %q, %v", i, b, err)
		}
	}
}

// TLS 1.2 has no such message: who sends one, or asks for a new handshake, is refused and not
// served on under keys that nobody has agreed upon.
func TestNoRenegotiation(t *testing.T) {
	p := newTLSPair(t, tls.VersionTLS12)
	p.write([]byte{22, 3, 3, 0, 4, 0, 0, 0, 0}) // a HelloRequest in the clear
	if got, err := p.read(); err == nil || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}
