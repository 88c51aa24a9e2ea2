//go:build !js

package webrtc

import (
	"context"

	"github.com/shoal-p2p/shoal/internal/transport"
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
	refused := true
	if !l.waitUntil(ctx, func() bool {
		refused = ch.s.Ended()
		return refused || ch.s.Opened()
	}) || refused {
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

// giveIn ends a connection that is lost as far as anybody can tell.
func (p *peer) giveIn() { p.abort(ErrLost) }

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
