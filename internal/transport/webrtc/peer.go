//go:build !js

package webrtc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/sctp"
)

// How a connection is tuned; doc.go says what each step brought.
const (
	// The SCTP receive window bounds what a connection can do at a round trip
	// time, and what a reader who does not read can make us keep.
	receiveWindow = 4 << 20

	// A full window of ordinary messages is half as many packets. Who fills ours
	// with tiny messages that nobody reads loses the connection.
	receivePackets = 8192

	// The largest SCTP packet. One that stays on this machine may be larger than a
	// path on the internet allows: Chromium reads 2,048 bytes of a record. Clients on
	// pion throw away what is above 1,460; they announce smaller messages than we do.
	localMTU = 2000
	pathMTU  = 1191

	checkInterval = 50 * time.Millisecond
	maxChecks     = 120 // of one pair; the answer may take seconds to arrive

	// A path is dead after this time without an answer, and the 5 s before.
	failedTimeout = 15 * time.Second

	lingerTime = 3 * time.Second

	// What else is found may come so long after the first relayed candidate.
	relayGrace = 500 * time.Millisecond
)

// A peer is one connection from Offer or Answer to its end: an ICE agent, over
// it DTLS, over it SCTP, in it one data channel.
type peer struct {
	h       *Host
	offerer bool
	mux     *mux // the host's, or one of its own
	agent   *ice.Agent
	turn    *turnNet // nil without a TURN server
	mid     string
	sdp     string
	direct  atomic.Bool // the selected path is not through a relay

	// The half-open phase: ctx ends with it, done is closed at its end.
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}

	mu        sync.Mutex
	accepted  bool
	settled   bool
	conn      *Conn
	err       error // why there is no conn
	delivered bool  // Pending.Conn returned conn
	runDone   chan struct{}

	teardownOnce sync.Once
	hurry        chan struct{} // closed when nothing is worth waiting for
	hurryOnce    sync.Once

	// Set by run, read after runDone is closed.
	link  *link
	assoc *sctp.Association
}

func (h *Host) newPeer(offer *description) (*peer, error) {
	servers := h.servers()
	if h.cfg.RelayOnly && !slices.ContainsFunc(servers, isRelay) {
		return nil, ErrNoRelay
	}
	p := &peer{h: h, mux: h.mux, offerer: offer == nil, mid: "0", done: make(chan struct{}), hurry: make(chan struct{})}
	if offer != nil && offer.mid != "" {
		p.mid = offer.mid
	}
	if err := h.admit(p); err != nil {
		return nil, err
	}
	if offer != nil && offer.shared {
		var err error
		if p.mux, err = h.newMux(0); err != nil {
			h.settled(false)
			h.gone(p)
			return nil, err
		}
	}
	prflxWait := 50 * time.Millisecond
	if h.cfg.Loopback {
		prflxWait = 0
	}
	opts := []ice.AgentOption{
		ice.WithLoggerFactory(h.log),
		ice.WithUDPMux(p.mux),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled), // see resolver
		ice.WithUDPMuxSrflx(p.mux),
		ice.WithCheckInterval(checkInterval),
		ice.WithFailedTimeout(failedTimeout),
		ice.WithMaxBindingRequests(maxChecks),
		// A tab hides its address from the description, so its own path looks like
		// one through an address translator.
		ice.WithPrflxAcceptanceMinWait(prflxWait),
		ice.WithSrflxAcceptanceMinWait(200 * time.Millisecond),
		ice.WithRelayAcceptanceMinWait(time.Second),
		ice.WithSTUNGatherTimeout(h.cfg.GatherTimeout),
		ice.WithDisableActiveTCP(),
	}
	if h.cfg.Loopback {
		opts = append(opts, ice.WithIncludeLoopback(),
			ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}))
	} else {
		opts = append(opts, ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4, ice.NetworkTypeUDP6}))
	}
	types := []ice.CandidateType{ice.CandidateTypeHost}
	if len(servers) > 0 {
		opts = append(opts, ice.WithUrls(servers))
		types = append(types, ice.CandidateTypeServerReflexive, ice.CandidateTypeRelay)
	}
	if h.cfg.RelayOnly {
		types = []ice.CandidateType{ice.CandidateTypeRelay}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	p.ctx, p.cancel = ctx, cancel
	var err error
	if slices.ContainsFunc(servers, isRelay) {
		p.turn, err = newTurnNet(ctx)
		opts = append(opts, ice.WithNet(p.turn))
	}
	var agent *ice.Agent
	if err == nil {
		agent, err = ice.NewAgentWithOptions(append(opts, ice.WithCandidateTypes(types))...)
	}
	if err != nil {
		cancel(err)
		p.closeMux()
		h.settled(false)
		h.gone(p)
		return nil, err
	}
	p.agent = agent
	_ = agent.OnConnectionStateChange(func(s ice.ConnectionState) {
		if s == ice.ConnectionStateFailed {
			p.abort(ErrLost)
		}
	})
	_ = agent.OnSelectedCandidatePairChange(func(local, _ ice.Candidate) {
		p.direct.Store(local.Type() != ice.CandidateTypeRelay)
	})
	timer := time.AfterFunc(h.cfg.PendingTimeout, func() { p.fail(ErrPendingTimeout) })
	context.AfterFunc(ctx, func() { timer.Stop() })
	return p, nil
}

// gather collects our candidates and writes our description.
func (p *peer) gather(ctx context.Context) error {
	complete := make(chan struct{})
	finish := sync.OnceFunc(func() { close(complete) })
	if err := p.agent.OnCandidate(func(c ice.Candidate) {
		switch {
		case c == nil:
			finish()
		case c.Type() == ice.CandidateTypeRelay:
			// Whoever has a relay need not wait for servers that do not answer.
			time.AfterFunc(relayGrace, finish)
		}
	}); err != nil {
		return err
	}
	if err := p.agent.GatherCandidates(); err != nil {
		return err
	}
	timer := time.NewTimer(p.h.cfg.GatherTimeout)
	defer timer.Stop()
	select {
	case <-complete:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-p.done:
		return p.failure()
	}
	cands, err := p.agent.GetLocalCandidates()
	if err != nil {
		return err
	}
	ufrag, pwd, err := p.agent.GetLocalUserCredentials()
	if err != nil {
		return err
	}
	var session [8]byte
	_, _ = rand.Read(session[:])
	setup := "actpass"
	if !p.offerer {
		setup = "active"
	}
	p.sdp = localSDP(binary.BigEndian.Uint64(session[:]), ufrag, pwd, p.mid, setup, p.h.sum, cands, p.mux == p.h.mux)
	return nil
}

// accept goes on with the answer to our offer.
func (p *peer) accept(d *description) error {
	p.mu.Lock()
	if p.settled {
		err := p.err
		p.mu.Unlock()
		if err == nil {
			err = ErrNotOfferer // the answer was there before
		}
		return err
	}
	if p.accepted {
		p.mu.Unlock()
		return ErrNotOfferer
	}
	p.accepted = true
	p.mu.Unlock()
	p.connect(d)
	return nil
}

// connect starts the connection to the other side.
func (p *peer) connect(d *description) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settled {
		return
	}
	p.runDone = make(chan struct{})
	go func() {
		conn, err := p.run(d)
		close(p.runDone)
		if err != nil {
			p.fail(err)
			return
		}
		p.opened(conn)
	}()
}

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
	remote, mtu := "", uint32(pathMTU)
	if pair, err := p.agent.GetSelectedCandidatePair(); err == nil && pair != nil {
		direct := pair.Local.Type() != ice.CandidateTypeRelay
		p.direct.Store(direct)
		if ip, err := netip.ParseAddr(pair.Remote.Address()); err == nil {
			remote = netip.AddrPortFrom(ip, uint16(pair.Remote.Port())).String()
		}
		if direct && pair.Remote.Type() != ice.CandidateTypeRelay && d.maxMessage >= maxMessage && onThisMachine(pair.Remote.Address()) {
			mtu = localMTU
		}
	}

	dc, err := p.secure(iceConn, d)
	if err != nil {
		return nil, err
	}
	p.link = newLink(dc)
	return p.openChannel(d, remote, mtu)
}

// secure runs the DTLS handshake.
func (p *peer) secure(iceConn *ice.Conn, d *description) (*dtlsConn, error) {
	under := &dtlsPackets{Conn: iceConn, out: &runWriter{write: func(b []byte) (int, error) {
		if p.direct.Load() || runSize(b) == 0 {
			return iceConn.Write(b)
		}
		return writeRecords(iceConn, b) // a relay does not know our socket's runs
	}}}
	shared := []dtls.Option{
		dtls.WithCertificates(p.h.cert),
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
	if p.offerer && d.setup == setupActive {
		opts := []dtls.ServerOption{
			dtls.WithClientAuth(dtls.RequireAnyClientCert),
			dtls.WithInsecureSkipVerifyHello(true), // ICE has proven the address
		}
		for _, o := range shared {
			opts = append(opts, o)
		}
		conn, err = dtls.ServerWithOptions(under, iceConn.RemoteAddr(), opts...)
	} else {
		var opts []dtls.ClientOption
		for _, o := range shared {
			opts = append(opts, o)
		}
		conn, err = dtls.ClientWithOptions(under, iceConn.RemoteAddr(), opts...)
	}
	if err != nil {
		return nil, err
	}
	if err := conn.HandshakeContext(p.ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &dtlsConn{Conn: conn, packets: under, client: !(p.offerer && d.setup == setupActive)}, nil
}

var errFingerprint = errors.New("webrtc: the other side's certificate is not the announced one")

func certificateSums(cert []byte) map[string][]byte {
	s256, s384, s512 := sha256.Sum256(cert), sha512.Sum384(cert), sha512.Sum512(cert)
	return map[string][]byte{"sha-256": s256[:], "sha-384": s384[:], "sha-512": s512[:]}
}

// openChannel starts SCTP and opens or accepts the data channel.
func (p *peer) openChannel(d *description, remote string, mtu uint32) (*Conn, error) {
	stop := context.AfterFunc(p.ctx, func() { _ = p.link.Close() })
	defer stop()
	maxOut := uint32(d.maxMessage)
	if d.maxMessage == 0 {
		maxOut = writeMessage
	}
	assoc, err := sctp.ClientWithOptions(
		sctp.WithNetConn(p.link),
		sctp.WithLoggerFactory(p.h.log),
		sctp.WithBlockWrite(true),
		sctp.WithEnableZeroChecksum(true), // DTLS has checked the packet already (RFC 9653)
		sctp.WithEnableInterleaving(false),
		sctp.WithMTU(mtu),
		sctp.WithMaxReceiveBufferSize(receiveWindow),
		sctp.WithMaxReassemblyQueueEntries(receivePackets),
		sctp.WithMaxMessageSize(maxOut),
	)
	if err != nil {
		_ = p.link.Close()
		return nil, err
	}
	p.assoc = assoc
	cfg := &datachannel.Config{LoggerFactory: p.h.log, ChannelType: datachannel.ChannelTypeReliable}
	var dc *datachannel.DataChannel
	if p.offerer {
		var label [20]byte
		_, _ = rand.Read(label[:])
		cfg.Label = hex.EncodeToString(label[:])
		// RFC 8832: the DTLS client uses even stream numbers, the server odd ones.
		id := uint16(1)
		if p.link.dtls.client {
			id = 2
		}
		dc, err = datachannel.Dial(assoc, id, cfg)
	} else {
		dc, err = datachannel.Accept(assoc, cfg)
	}
	if err != nil {
		return nil, err
	}
	if dc.Config.ChannelType != datachannel.ChannelTypeReliable {
		return nil, errUnreliable
	}
	return newConn(p, dc, remote, int(maxOut)), nil
}

var errUnreliable = errors.New("webrtc: the other side's channel is not ordered or not reliable")

// opened ends the half-open phase with a connection.
func (p *peer) opened(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settled {
		return // failed at the same moment; the teardown closes what c stands on
	}
	p.settled = true
	p.conn = c
	p.h.settled(true)
	close(p.done)
	p.cancel(nil)
	p.link.whenDead(func() { c.end(nil, false) })
}

// fail ends the half-open phase without one.
func (p *peer) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settled {
		return
	}
	p.settled = true
	switch {
	case errors.Is(err, ErrPendingTimeout), errors.Is(err, ErrClosed), errors.Is(err, ErrHostClosed):
		p.err = err
	default:
		p.err = &connectError{cause: err}
	}
	p.h.settled(false)
	close(p.done)
	p.cancel(p.err)
	p.startTeardown(false)
}

// A connectError is ErrConnectFailed with what the layers below said.
type connectError struct{ cause error }

func (e *connectError) Error() string {
	if e.cause == nil || e.cause == ErrLost {
		return ErrConnectFailed.Error()
	}
	return ErrConnectFailed.Error() + ": " + e.cause.Error()
}

func (e *connectError) Is(target error) bool { return target == ErrConnectFailed }
func (e *connectError) Unwrap() error        { return e.cause }

func (p *peer) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// wait is Pending.Conn.
func (p *peer) wait(ctx context.Context) (*Conn, error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return nil, p.err
	}
	p.delivered = true
	return p.conn, nil
}

// giveUp is Pending.Close.
func (p *peer) giveUp() {
	p.mu.Lock()
	conn, delivered := p.conn, p.delivered
	if conn != nil && !delivered {
		p.conn, p.err = nil, ErrClosed
	}
	p.mu.Unlock()
	switch {
	case delivered:
	case conn != nil:
		conn.Close()
	default:
		p.fail(ErrClosed)
	}
}

// abort ends the peer at once, whatever its state.
func (p *peer) abort(err error) {
	p.fail(err)
	p.mu.Lock()
	conn := p.conn
	p.mu.Unlock()
	p.hurryOnce.Do(func() { close(p.hurry) })
	if conn != nil {
		conn.end(err, false)
		_ = conn.dc.SetReadDeadline(time.Unix(1, 0)) // ends linger
	}
	p.startTeardown(false)
}

// startTeardown frees everything, in the background because it talks to the
// other side. With linger, what was written is given a while to be delivered.
func (p *peer) startTeardown(linger bool) {
	p.teardownOnce.Do(func() { go p.teardown(linger) })
}

func (p *peer) teardown(linger bool) {
	defer p.h.gone(p)
	p.mu.Lock()
	running := p.runDone
	p.mu.Unlock()
	if running != nil {
		<-running
	}
	if p.assoc != nil {
		told := linger && p.linger()
		select {
		case <-p.link.dead:
			told = true // or nobody is left to tell
		default:
		}
		if told {
			_ = p.assoc.Close()
		} else {
			p.assoc.Abort("")
		}
	}
	if p.link != nil {
		_ = p.link.Close()
	}
	if p.turn != nil {
		p.turn.giveUp()
	}
	_ = p.agent.GracefulClose()
	p.closeMux()
}

func (p *peer) closeMux() {
	if p.mux != p.h.mux {
		_ = p.mux.Close()
	}
}

// linger sends the end of the stream after what is written, and waits for the
// end of the other one, which says that everything has arrived. It reports
// whether that came.
func (p *peer) linger() bool {
	p.mu.Lock()
	c := p.conn
	p.mu.Unlock()
	if c == nil {
		return false
	}
	_ = c.dc.Close()
	c.rmu.Lock() // a Read that Close woke up
	defer c.rmu.Unlock()
	if c.rbuf == nil {
		c.rbuf = make([]byte, firstReadBuffer)
	}
	for end := time.Now().Add(lingerTime); time.Now().Before(end); {
		_ = c.dc.SetReadDeadline(end)
		select {
		case <-p.hurry:
			return false
		default:
		}
		for {
			_, err := c.dc.Read(c.rbuf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break // ours, or the one that woke up the Read
			}
			if err != nil {
				return true
			}
		}
	}
	return false
}
