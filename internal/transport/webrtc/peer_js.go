package webrtc

import (
	"context"
	"errors"
	"sync"
	"syscall/js"
	"time"
)

// A peer is one connection from Offer or Answer to its end. The page has the
// peer connection, the worker's script the channel; here is what Go waits for.
type peer struct {
	h       *Host
	id      int
	offerer bool
	timer   *time.Timer // of the half-open phase

	sdp       string
	described chan struct{} // closed when sdp is set
	done      chan struct{} // closed at the end of the half-open phase
	answers   chan error    // what the page says to an answer

	mu        sync.Mutex
	accepting bool
	accepted  bool
	settled   bool
	hungUp    bool
	conn      *Conn
	err       error // why there is no conn
	delivered bool
	remote    string
}

func newPeer(h *Host, offerer bool) *peer {
	return &peer{
		h: h, offerer: offerer,
		described: make(chan struct{}),
		done:      make(chan struct{}),
		answers:   make(chan error, 1),
	}
}

func (p *peer) begin(offer string) {
	join(p)
	p.mu.Lock()
	p.timer = time.AfterFunc(p.h.cfg.PendingTimeout, func() { p.fail(ErrPendingTimeout) })
	p.mu.Unlock()
	value := js.Null()
	if offer != "" {
		value = js.ValueOf(offer)
	}
	bridge.rtc.Call("open", p.id, p.h.servers(), int(p.h.cfg.GatherTimeout.Milliseconds()), value)
}

// event is called by the worker's script, so it must not block.
func (p *peer) event(kind int, value js.Value) {
	switch kind {
	case evSDP:
		if p.sdp == "" {
			p.sdp = value.String()
			close(p.described)
		}
	case evAccepted:
		p.answered(nil)
	case evRefused:
		err := error(&SDPError{Msg: value.String()})
		if !p.offerer {
			p.fail(err)
			return
		}
		p.answered(err)
	case evFailed:
		p.fail(errors.New(value.String()))
		if c := p.open(); c != nil {
			c.ended(ErrLost)
		}
		p.hangUp()
	case evPath:
		p.mu.Lock()
		p.remote = value.String()
		p.mu.Unlock()
	case evOpen:
		p.opened()
	case evReadable:
		if c := p.open(); c != nil {
			signal(c.readable)
		}
	case evWritable:
		if c := p.open(); c != nil {
			signal(c.writable)
		}
	case evClosed:
		p.fail(errClosedEarly)
		if c := p.open(); c != nil {
			c.ended(nil)
		}
	case evGone:
		leave(p)
		p.fail(errClosedEarly)
		if c := p.open(); c != nil {
			c.ended(ErrLost)
		}
		p.h.gone(p)
	}
}

var errClosedEarly = errors.New("the other side closed it")

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (p *peer) answered(err error) {
	select {
	case p.answers <- err:
	default:
	}
}

// open returns the connection if there is one.
func (p *peer) open() *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn
}

// accept hands the page the answer to our offer and waits for its verdict.
func (p *peer) accept(sdp string) error {
	p.mu.Lock()
	switch {
	case p.err != nil:
		defer p.mu.Unlock()
		return p.err
	case p.settled || p.accepting || p.accepted:
		p.mu.Unlock()
		return ErrNotOfferer
	}
	p.accepting = true
	p.mu.Unlock()

	bridge.rtc.Call("accept", p.id, sdp)
	var err error
	select {
	case err = <-p.answers:
	case <-p.done:
		p.mu.Lock()
		err = p.err
		p.mu.Unlock()
	}
	p.mu.Lock()
	p.accepting, p.accepted = false, err == nil
	p.mu.Unlock()
	return err
}

// opened ends the half-open phase with a connection.
func (p *peer) opened() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settled {
		return
	}
	p.settled = true
	p.conn = newConn(p)
	p.timer.Stop()
	p.h.settled(true)
	close(p.done)
}

// fail ends the half-open phase without one.
func (p *peer) fail(err error) {
	p.mu.Lock()
	if p.settled {
		p.mu.Unlock()
		return
	}
	p.settled = true
	var bad *SDPError
	if ownError(err) || errors.As(err, &bad) {
		p.err = err
	} else {
		p.err = &connectError{msg: err.Error()}
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.h.settled(false)
	close(p.done)
	p.mu.Unlock()
	p.hangUp()
}

// hangUp has the connection closed; what was sent is still delivered.
func (p *peer) hangUp() {
	p.mu.Lock()
	first := !p.hungUp
	p.hungUp = true
	p.mu.Unlock()
	if first {
		bridge.rtc.Call("close", p.id)
	}
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
