package webrtc

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/shoal-p2p/shoal/internal/transport"
)

const (
	defaultMaxPending = 10
	defaultMaxOpen    = 40
)

// A Host makes the WebRTC connections of one worker. Its methods may be called
// by any goroutine.
type Host struct {
	cfg Config

	mu     sync.Mutex
	closed bool
	handed []string // by SetServers
	peers  map[*peer]struct{}
	stats  Stats
	empty  sync.Cond // no peers are left
}

// NewHost connects to the page, which must have called attachRTC; the worker's
// script must have called installChannels.
func NewHost(cfg Config) (*Host, error) {
	if err := openBridge(); err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg.withDefaults(), peers: make(map[*peer]struct{})}
	h.empty.L = &h.mu
	return h, nil
}

// SetServers replaces the servers that trackers have handed out. They are used besides
// Config.ICEServers for connections that are made from now on: the first four.
func (h *Host) SetServers(servers []string) {
	handed := h.cfg.handed(servers)
	h.mu.Lock()
	h.handed = handed
	h.mu.Unlock()
}

// servers are the servers in use, one to a line.
func (h *Host) servers() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(append(h.handed, h.cfg.ICEServers...), "\n")
}

// Offer makes a connection that waits for an answer. It blocks until the
// candidates are known, Config.GatherTimeout at most. ErrTooMany, ErrHostClosed.
func (h *Host) Offer(ctx context.Context) (*Pending, error) { return h.start(ctx, "") }

// Answer takes the other side's offer. It blocks as Offer does. *SDPError,
// ErrTooMany, ErrHostClosed.
func (h *Host) Answer(ctx context.Context, offerSDP string) (*Pending, error) {
	if err := checkSDP(offerSDP, true); err != nil {
		return nil, err
	}
	return h.start(ctx, offerSDP)
}

// checkSDP refuses what the browser would accept or explain badly.
func checkSDP(sdp string, offer bool) error {
	switch {
	case len(sdp) > MaxSDP:
		return &SDPError{Msg: "larger than 32768 bytes"}
	case !strings.HasPrefix(sdp, "v=0"):
		return &SDPError{Msg: "does not begin with v=0"}
	case !strings.Contains(sdp, "\na=candidate:"):
		return &SDPError{Msg: "no candidates"}
	case offer && !strings.Contains(sdp, "\na=setup:actpass"):
		return &SDPError{Msg: "this is an answer, an offer was expected"}
	case !offer && strings.Contains(sdp, "\na=setup:actpass"):
		return &SDPError{Msg: "this is an offer, an answer was expected"}
	}
	return nil
}

func (h *Host) start(ctx context.Context, offer string) (*Pending, error) {
	p := newPeer(h, offer == "")
	if err := h.admit(p); err != nil {
		return nil, err
	}
	p.begin(offer)
	select {
	case <-p.described:
		return &Pending{p: p}, nil
	case <-p.done:
		_, err := p.wait(ctx)
		if err == nil { // it opened before we looked
			return &Pending{p: p}, nil
		}
		return nil, err
	case <-ctx.Done():
		p.fail(ctx.Err())
		return nil, ctx.Err()
	}
}

func (h *Host) admit(p *peer) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return ErrHostClosed
	case h.stats.HalfOpen >= h.cfg.MaxPending || h.stats.Live >= h.cfg.MaxOpen:
		return ErrTooMany
	}
	h.peers[p] = struct{}{}
	h.stats.Live++
	h.stats.HalfOpen++
	return nil
}

// settled counts the end of the half-open phase of p.
func (h *Host) settled(opened bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stats.HalfOpen--
	if opened {
		h.stats.Opened++
	} else {
		h.stats.Failed++
	}
}

// gone counts the end of p, which the page has closed.
func (h *Host) gone(p *peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.peers[p]; !ok {
		return
	}
	delete(h.peers, p)
	h.stats.Live--
	if len(h.peers) == 0 {
		h.empty.Broadcast()
	}
}

// Stats returns the counts of now.
func (h *Host) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stats
}

// Close ends every connection and returns when the page has closed them. It may
// be called any number of times.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	peers := make([]*peer, 0, len(h.peers))
	for p := range h.peers {
		peers = append(peers, p)
	}
	h.mu.Unlock()
	for _, p := range peers {
		p.fail(ErrHostClosed)
		p.hangUp()
	}
	h.mu.Lock()
	for len(h.peers) > 0 {
		h.empty.Wait()
	}
	h.mu.Unlock()
	return nil
}

// A Pending is a connection whose channel has not opened yet. It closes itself
// after Config.PendingTimeout.
type Pending struct{ p *peer }

// SDP returns the offer or answer to send to the other side.
func (p *Pending) SDP() string { return p.p.sdp }

// Accept takes the answer to this offer. *SDPError, ErrNotOfferer, ErrClosed.
// After an *SDPError the connection still waits for a proper answer.
func (p *Pending) Accept(answerSDP string) error {
	if !p.p.offerer {
		return ErrNotOfferer
	}
	if err := checkSDP(answerSDP, false); err != nil {
		return err
	}
	return p.p.accept(answerSDP)
}

// Conn waits until the channel is open and returns it; the Pending is then used
// up and its Close does nothing. Calls after the first return the same Conn.
// ErrPendingTimeout, ErrConnectFailed, ErrClosed, or the context's error (which
// leaves the Pending as it is).
func (p *Pending) Conn(ctx context.Context) (transport.Conn, error) {
	c, err := p.p.wait(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close gives the connection up, unless Conn has already returned it. It may be
// called any number of times.
func (p *Pending) Close() { p.p.giveUp() }

// A connectError is ErrConnectFailed with what the browser said.
type connectError struct{ msg string }

func (e *connectError) Error() string {
	if e.msg == "" {
		return ErrConnectFailed.Error()
	}
	return ErrConnectFailed.Error() + ": " + e.msg
}

func (e *connectError) Is(target error) bool { return target == ErrConnectFailed }

func ownError(err error) bool {
	return errors.Is(err, ErrPendingTimeout) || errors.Is(err, ErrClosed) || errors.Is(err, ErrHostClosed)
}
