//go:build !js

package webrtc

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
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

	// How long direct paths are tried before those to the other side's relay.
	directFirst = 500 * time.Millisecond
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

	doubted atomic.Bool // nothing has been heard for some seconds

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
			h.settled(p.offerer, false)
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
		h.settled(p.offerer, false)
		h.gone(p)
		return nil, err
	}
	p.agent = agent
	_ = agent.OnConnectionStateChange(func(s ice.ConnectionState) {
		p.doubted.Store(s == ice.ConnectionStateDisconnected)
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
