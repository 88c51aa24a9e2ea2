//go:build !js

package webrtc

import (
	"context"

	"github.com/shoal-p2p/shoal/transport"
)

const (
	defaultMaxPending = 32
	defaultMaxOpen    = 500
)

// A Host makes the WebRTC connections of one process. Its methods may be called
// by any goroutine.
type Host struct{ cfg Config }

// NewHost returns a Host that is ready to connect.
func NewHost(cfg Config) (*Host, error) { return &Host{cfg: cfg.withDefaults()}, nil }

// Offer makes a connection that waits for an answer. It blocks until the
// candidates are known, Config.GatherTimeout at most. ErrTooMany, ErrHostClosed.
func (h *Host) Offer(ctx context.Context) (*Pending, error) { return nil, ErrTooMany }

// Answer takes the other side's offer. It blocks as Offer does. *SDPError,
// ErrTooMany, ErrHostClosed.
func (h *Host) Answer(ctx context.Context, offerSDP string) (*Pending, error) {
	return nil, ErrTooMany
}

// Stats returns the counts of now.
func (h *Host) Stats() Stats { return Stats{} }

// Close ends every connection. It may be called any number of times.
func (h *Host) Close() error { return nil }

// A Pending is a connection whose channel has not opened yet. It closes itself
// after Config.PendingTimeout.
type Pending struct{}

// SDP returns the offer or answer to send to the other side.
func (p *Pending) SDP() string { return "" }

// Accept takes the answer to this offer. *SDPError, ErrNotOfferer, ErrClosed.
// After an *SDPError the connection still waits for a proper answer.
func (p *Pending) Accept(answerSDP string) error { return ErrNotOfferer }

// Conn waits until the channel is open and returns it; the Pending is then used
// up and its Close does nothing. Calls after the first return the same Conn.
// ErrPendingTimeout, ErrConnectFailed, ErrClosed, or the context's error (which
// leaves the Pending as it is).
func (p *Pending) Conn(ctx context.Context) (transport.Conn, error) { return nil, ErrClosed }

// Close gives the connection up, unless Conn has already returned it. It may be
// called any number of times.
func (p *Pending) Close() {}
