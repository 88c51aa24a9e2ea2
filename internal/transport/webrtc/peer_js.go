package webrtc

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall/js"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// A peer is one connection from Offer or Answer to its end. The page has the
// peer connection, the worker's script the channels; here is what Go waits for. It
// implements transport.Link.
type peer struct {
	halfOpen
	first *channel // its number is the connection's
	name  [20]byte // guarded by the registry's mu

	doubted atomic.Bool // nothing has been heard for some seconds

	described chan struct{} // closed when sdp is set
	answers   chan error    // what the page says to an answer

	// A tab's Go has one thread, and gives it to others only where it waits: these need
	// no lock.
	channels map[*channel]struct{}
	remote   string
}

func newPeer(h *Host, offerer bool) *peer {
	p := &peer{
		halfOpen:  halfOpen{h: h, offerer: offerer, done: make(chan struct{})},
		described: make(chan struct{}),
		answers:   make(chan error, 1),
		channels:  make(map[*channel]struct{}),
	}
	p.first = newChannel(p)
	p.channels[p.first] = struct{}{}
	return p
}

func (p *peer) begin(offer string) {
	join(p.first)
	bridge.peers[p.first.id] = p
	p.limit(p.fail)
	value := js.Null()
	if offer != "" {
		value = js.ValueOf(offer)
	}
	bridge.rtc.Call("open", p.first.id, p.h.servers(), int(p.h.cfg.GatherTimeout.Milliseconds()), value)
}

// event is what concerns the connection and not one of its channels.
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
	case evPath:
		p.remote = value.String()
		p.doubted.Store(false)
	case evDoubt:
		p.doubted.Store(true)
	}
}

var errClosedEarly = errors.New("the other side closed it")

func (p *peer) answered(err error) {
	select {
	case p.answers <- err:
	default:
	}
}

// accept hands the page the answer to our offer and waits for its verdict.
func (p *peer) accept(sdp string) error {
	if err := checkSDP(sdp, false); err != nil {
		return err
	}
	if err := p.mayAccept(); err != nil {
		return err
	}
	bridge.rtc.Call("accept", p.first.id, sdp)
	var err error
	select {
	case err = <-p.answers:
	case <-p.done:
		err = p.failure()
	}
	if err != nil {
		p.mu.Lock()
		p.accepted = false // a proper answer may still come
		p.mu.Unlock()
	}
	return err
}

// opened ends the half-open phase with a connection, when its first channel opens.
func (p *peer) opened(ch *channel) {
	if ch == p.first {
		p.settle(ch.conn, nil)
	}
}

// failed ends it without one, when the first channel never will.
func (p *peer) failed(ch *channel, err error) {
	if ch == p.first {
		p.fail(err)
	}
}

// fail ends the half-open phase without a connection.
func (p *peer) fail(err error) {
	if p.settle(nil, err) {
		p.first.hangUp()
	}
}

// further takes a channel that the other side of a connection has opened besides the
// first, when it can be used: said is its number and its label.
func further(p *peer, said string) {
	number, label, _ := strings.Cut(said, " ")
	id, err := strconv.Atoi(number)
	if err != nil {
		return
	}
	if p == nil || p.h.cfg.Accept == nil {
		bridge.rtc.Call("close", id)
		return
	}
	ch := newChannel(p)
	ch.id = id
	if !p.add(ch) {
		bridge.rtc.Call("close", id)
		return
	}
	join(ch)
	ch.settle(true)
	p.h.cfg.Accept(ch.conn, label)
}

// maxChannels are the channels of one connection. Each is a swarm.
const maxChannels = 64

// add reports whether the connection has room for a channel.
func (p *peer) add(ch *channel) bool {
	if n := len(p.channels); n == 0 || n >= maxChannels {
		return false
	}
	p.channels[ch] = struct{}{}
	return true
}

// left is called when a channel is gone; the last takes the connection with it.
func (p *peer) left(ch *channel) {
	delete(p.channels, ch)
	if len(p.channels) == 0 {
		delete(bridge.peers, p.first.id)
		p.h.gone(p)
	}
}

func (p *peer) list() (list []*channel) {
	for ch := range p.channels {
		list = append(list, ch)
	}
	return list
}

// Open implements transport.Link. ErrClosed, ErrPeerClosed, ErrTooMany, or the context's error.
func (p *peer) Open(ctx context.Context, label string) (transport.Conn, error) {
	<-p.done
	if p.failure() != nil || len(p.list()) == 0 {
		return nil, ErrClosed
	}
	ch := newChannel(p)
	if !p.add(ch) {
		return nil, ErrTooMany
	}
	join(ch)
	bridge.rtc.Call("more", ch.id, p.first.id, label)
	select {
	case <-ch.opened:
	case <-ctx.Done():
		ch.conn.Close()
		return nil, ctx.Err()
	}
	if !ch.isOpen {
		ch.conn.Close()
		return nil, ErrPeerClosed
	}
	return ch.conn, nil
}

// Close implements transport.Link.
func (p *peer) Close() error {
	p.fail(ErrClosed)
	for _, ch := range p.list() {
		ch.conn.Close()
	}
	return nil
}

// giveIn ends a connection that is lost as far as anybody can tell.
func (p *peer) giveIn() { p.Close() }

func (p *peer) remoteAddr() string { return p.remote }
