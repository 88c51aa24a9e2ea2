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
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/transport/sctp"
)

// How a connection is tuned; doc.go says what each step brought.
const (
	// The SCTP receive window bounds what a connection can do at a round trip
	// time, and what a reader who does not read can make us keep.
	receiveWindow = 4 << 20

	// What is written and not yet acknowledged, whatever window the other side grants.
	maxUnacked = 8 << 20

	// The largest message we send.
	writeMessage = 64 << 10

	// Channels of one connection that we have open. Each is a swarm.
	maxChannels = 64

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
// it DTLS, over it SCTP, in it data channels. It implements transport.Link.
type peer struct {
	halfOpen
	mux    *mux // the host's, or one of its own
	agent  *ice.Agent
	turn   *turnNet // nil without a TURN server
	mid    string
	ufrag  string
	direct atomic.Bool // the selected path is not through a relay
	name   [20]byte    // guarded by the registry's mu

	// Of the half-open phase.
	ctx     context.Context
	cancel  context.CancelCauseFunc
	runDone chan struct{}

	teardownOnce sync.Once
	hurry        chan struct{} // closed when nothing is worth waiting for
	hurryOnce    sync.Once
	why          atomic.Pointer[error] // it ended, if neither side closed it

	// Set by run, read after runDone or done is closed.
	link   *link
	remote string
	maxOut int // bytes in one message
}

func (h *Host) newPeer(offer *description) (*peer, error) {
	servers := h.servers()
	if h.cfg.RelayOnly && !slices.ContainsFunc(servers, isRelay) {
		return nil, ErrNoRelay
	}
	p := &peer{
		halfOpen: halfOpen{h: h, offerer: offer == nil, done: make(chan struct{})},
		mux:      h.mux, mid: "0", hurry: make(chan struct{}),
	}
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
	p.limit(p.fail)
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
	p.ufrag = ufrag
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
func (p *peer) accept(answer string) error {
	d, err := parseSDP(answer)
	if err != nil {
		return err
	}
	if d.setup == setupActPass {
		return sdpError("this is an offer, an answer was expected")
	}
	if err := p.mayAccept(); err != nil {
		return err
	}
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
	mtu := pathMTU
	if pair, err := p.agent.GetSelectedCandidatePair(); err == nil && pair != nil {
		direct := pair.Local.Type() != ice.CandidateTypeRelay
		p.direct.Store(direct)
		theirs := pair.Remote.Type() != ice.CandidateTypeRelay
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

// further gives a channel that the other side has opened besides the first to the Host.
func (p *peer) further(ch *channel) { p.h.cfg.Accept(ch.conn, ch.s.Label()) }

// Open implements transport.Link. ErrClosed, ErrPeerClosed, ErrTooMany, or the context's error.
func (p *peer) Open(ctx context.Context, label string) (transport.Conn, error) {
	<-p.done
	l := p.link
	if l == nil || p.failure() != nil {
		return nil, ErrClosed
	}
	l.mu.Lock()
	switch {
	case l.over:
		l.unlock()
		return nil, ErrClosed
	case l.users >= maxChannels:
		l.unlock()
		return nil, ErrTooMany
	}
	ch := l.add(p, l.assoc.Open(label))
	l.unlock()
	if !l.waitUntil(ctx, func() bool { return ch.s.Opened() || ch.s.Ended() }) || ch.s.Ended() {
		ch.conn.Close()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return nil, ErrPeerClosed
	}
	return ch.conn, nil
}

// Close implements transport.Link.
func (p *peer) Close() error {
	p.fail(ErrClosed)
	if l := p.link; l != nil {
		for _, ch := range l.list() {
			ch.conn.Close()
		}
	}
	return nil
}

func (p *peer) remoteAddr() string { return p.remote }

// cause is why the connection ended, if neither side closed it.
func (p *peer) cause() error {
	if err := p.why.Load(); err != nil {
		return *err
	}
	return nil
}

// opened ends the half-open phase with a connection.
func (p *peer) opened(c *Conn) {
	if !p.settle(c, nil) {
		return // failed at the same moment; the teardown closes what c stands on
	}
	p.cancel(nil)
	p.link.whenDead(p.lost)
}

// fail ends the half-open phase without one.
func (p *peer) fail(err error) {
	if p.settle(nil, err) {
		p.cancel(err)
		p.startTeardown(false)
	}
}

// lost ends the connection, from which nothing comes any more.
func (p *peer) lost() {
	p.link.end()
	p.startTeardown(false)
}

// abort ends the peer at once, whatever its state.
func (p *peer) abort(err error) {
	p.why.CompareAndSwap(nil, &err)
	p.fail(err)
	p.hurryOnce.Do(func() { close(p.hurry) })
	p.mu.Lock()
	open := p.conn != nil
	p.mu.Unlock()
	if open {
		p.link.end()
	}
	p.startTeardown(false)
}

// leave is called when the last channel was closed by us.
func (p *peer) leave() { p.startTeardown(true) }

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
	if l := p.link; l != nil {
		if !linger || !p.linger() {
			l.end()
		}
		l.close()
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

// linger waits until the other side has taken all that was written, and the end of
// it. It reports whether it has, or nobody is left to take it.
func (p *peer) linger() bool {
	ctx, cancel := context.WithTimeout(context.Background(), lingerTime)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-p.hurry:
			cancel()
		case <-stop:
		}
	}()
	return p.link.waitUntil(ctx, p.link.delivered)
}
