//go:build !js

package webrtc

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/shoal-p2p/shoal/internal/transport/sctp"
)

// run builds the stack. It ends soon after ctx does.
func (p *peer) run(d *description) (*Conn, error) {
	p.addCandidates(d)
	connect := p.agent.Accept
	if p.offerer {
		connect = p.agent.Dial
	}
	iceConn, err := connect(p.ctx, d.ufrag, d.pwd)
	if err != nil {
		return nil, err
	}
	mtu := pathMTU
	if pair, err := p.agent.GetSelectedCandidatePair(); err == nil && pair != nil {
		direct := pair.Local.Type() != ice.CandidateTypeRelay
		p.direct.Store(direct)
		theirs := !d.relays(pair.Remote)
		if ip, err := netip.ParseAddr(pair.Remote.Address()); err == nil && theirs {
			p.remote = netip.AddrPortFrom(ip, uint16(pair.Remote.Port())).String()
		}
		if direct && theirs && d.maxMessage >= maxMessage && onThisMachine(pair.Remote.Address()) {
			mtu = localMTU
		}
	}
	under := &packets{Conn: iceConn}
	conn, err := p.secure(under, d)
	if err != nil {
		return nil, err
	}
	p.maxOut = writeMessage
	if d.maxMessage > 0 {
		p.maxOut = min(p.maxOut, d.maxMessage)
	}
	var random [8]byte
	_, _ = rand.Read(random[:])
	p.link, err = newLink(conn, p.isClient(d), under, &p.direct, sctp.Config{
		MTU: mtu, Window: receiveWindow, MaxUnacked: maxUnacked,
		Tag: max(binary.BigEndian.Uint32(random[:]), 1), TSN: binary.BigEndian.Uint32(random[4:]),
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	under.handTo(p.link)
	p.mux.deliver(p.ufrag, p.link.receive)
	return p.firstChannel()
}

// isClient reports whether we are the DTLS client.
func (p *peer) isClient(d *description) bool { return !p.offerer || d.setup != setupActive }

// secure runs the DTLS handshake.
func (p *peer) secure(under *packets, d *description) (*dtls.Conn, error) {
	shared := []dtls.Option{
		dtls.WithCertificates(p.h.cert),
		dtls.WithCipherSuites(cipherSuites...),
		dtls.WithInsecureSkipVerify(true), // certificates are self-signed: the fingerprint decides
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithLoggerFactory(p.h.log),
		dtls.WithFlightInterval(250 * time.Millisecond),
		// Browsers, and older versions of pion, ask for media keys even where there is no media.
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithVerifyPeerCertificate(func(certs [][]byte, _ [][]*x509.Certificate) error {
			if len(certs) == 0 || !d.matches(certificateSums(certs[0])) {
				return errFingerprint
			}
			return nil
		}),
	}
	var conn *dtls.Conn
	var err error
	if !p.isClient(d) {
		opts := []dtls.ServerOption{
			dtls.WithClientAuth(dtls.RequireAnyClientCert),
			dtls.WithInsecureSkipVerifyHello(true), // ICE has proven the address
		}
		for _, o := range shared {
			opts = append(opts, o)
		}
		conn, err = dtls.ServerWithOptions(under, under.RemoteAddr(), opts...)
	} else {
		var opts []dtls.ClientOption
		for _, o := range shared {
			opts = append(opts, o)
		}
		conn, err = dtls.ClientWithOptions(under, under.RemoteAddr(), opts...)
	}
	if err != nil {
		return nil, err
	}
	if err := conn.HandshakeContext(p.ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

var errFingerprint = errors.New("webrtc: the other side's certificate is not the announced one")

func certificateSums(cert []byte) map[string][]byte {
	s256, s384, s512 := sha256.Sum256(cert), sha512.Sum384(cert), sha512.Sum512(cert)
	return map[string][]byte{"sha-256": s256[:], "sha-384": s384[:], "sha-512": s512[:]}
}

// firstChannel opens the channel that the connection is made for, or waits for it.
func (p *peer) firstChannel() (*Conn, error) {
	l := p.link
	var s *sctp.Stream
	if p.offerer {
		var label [20]byte
		_, _ = rand.Read(label[:])
		l.mu.Lock()
		s = l.assoc.Open(hex.EncodeToString(label[:]))
		l.unlock()
	}
	if !l.waitUntil(p.ctx, func() bool {
		if !p.offerer {
			s = l.assoc.Accept()
		}
		return s != nil && l.assoc.Established()
	}) {
		return nil, errClosedEarly
	}
	l.mu.Lock()
	defer l.unlock()
	if s.Refused() {
		return nil, errUnreliable
	}
	l.further = p.further
	return l.add(p, s).conn, nil
}

var (
	errUnreliable  = errors.New("webrtc: the other side's channel is not ordered or not reliable")
	errClosedEarly = errors.New("webrtc: the other side closed it")
)
