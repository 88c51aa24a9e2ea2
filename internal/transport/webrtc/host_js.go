package webrtc

import (
	"context"
	"strings"
	"time"
)

const (
	defaultMaxPending     = 10
	defaultMaxOpen        = 40
	defaultPendingTimeout = 11 * time.Minute
)

// A Host makes the WebRTC connections of one worker. Its methods may be called
// by any goroutine.
type Host struct {
	registry
	cfg    Config
	handed []string // by SetServers; guarded by the registry's mu
}

// NewHost connects to the page, which must have called attachRTC; the worker's
// script must have called installChannels.
func NewHost(cfg Config) (*Host, error) {
	if err := openBridge(); err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg.withDefaults()}
	h.registry.init(h.cfg)
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

// Close ends every connection and returns when the page has closed them. It may
// be called any number of times.
func (h *Host) Close() error {
	peers, _ := h.shut()
	for _, p := range peers {
		p.fail(ErrHostClosed)
		for _, ch := range p.list() {
			ch.hangUp()
		}
	}
	h.drain()
	return nil
}
