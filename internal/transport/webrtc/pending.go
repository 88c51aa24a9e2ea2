package webrtc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
)

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

// A halfOpen is a connection from Offer or Answer until its channel has opened,
// or nothing will come of it.
type halfOpen struct {
	h       *Host
	offerer bool
	sdp     string
	timer   *time.Timer
	done    chan struct{} // closed at its end

	mu        sync.Mutex
	accepted  bool // the answer to our offer
	settled   bool
	conn      *Conn
	err       error // why there is no conn
	delivered bool  // Pending.Conn returned conn
}

// limit starts the time that it may take.
func (o *halfOpen) limit(fail func(error)) {
	o.mu.Lock()
	o.timer = time.AfterFunc(o.h.cfg.PendingTimeout, func() { fail(ErrPendingTimeout) })
	o.mu.Unlock()
}

// mayAccept reports why no answer is expected, nil if one is.
func (o *halfOpen) mayAccept() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.err != nil:
		return o.err
	case o.settled || o.accepted: // the answer was there before
		return ErrNotOfferer
	}
	o.accepted = true
	return nil
}

// settle ends the phase, with a connection or with an error. It reports false if it
// had ended before.
func (o *halfOpen) settle(c *Conn, err error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.settled {
		return false
	}
	o.settled = true
	if c == nil {
		var bad *SDPError
		switch {
		case errors.Is(err, ErrPendingTimeout), errors.Is(err, ErrClosed), errors.Is(err, ErrHostClosed), errors.As(err, &bad):
		default:
			err = &connectError{cause: err}
		}
	}
	o.conn, o.err = c, err
	if o.timer != nil {
		o.timer.Stop()
	}
	o.h.settled(o.offerer, c != nil)
	close(o.done)
	return true
}

func (o *halfOpen) failure() error {
	o.mu.Lock()
	err := o.err
	o.mu.Unlock()
	return err
}

// wait is Pending.Conn.
func (o *halfOpen) wait(ctx context.Context) (*Conn, error) {
	select {
	case <-o.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn == nil {
		return nil, o.err
	}
	o.delivered = true
	return o.conn, nil
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

// A connectError is ErrConnectFailed with what the layers below said.
type connectError struct{ cause error }

func (e *connectError) Error() string {
	if e.cause == nil || e.cause == ErrLost || e.cause.Error() == "" {
		return ErrConnectFailed.Error()
	}
	return ErrConnectFailed.Error() + ": " + e.cause.Error()
}

func (e *connectError) Is(target error) bool { return target == ErrConnectFailed }
func (e *connectError) Unwrap() error        { return e.cause }
