package webrtc

import (
	"errors"
	"syscall/js"
)

// A channel is the tab's end of a Conn: a number, under which the worker's script has
// the data channel.
type channel struct {
	p    *peer
	id   int
	conn *Conn

	isOpen bool
	opened chan struct{} // closed with isOpen, or when it never will be
	hungUp bool
}

func newChannel(p *peer) *channel {
	ch := &channel{p: p, opened: make(chan struct{})}
	ch.conn = newConn(ch)
	return ch
}

// event is called by the worker's script, so it must not block.
func (ch *channel) event(kind int, value js.Value) {
	switch kind {
	case evOpen:
		ch.settle(true)
		ch.p.opened(ch)
	case evReadable:
		notify(ch.conn.readable)
	case evWritable:
		notify(ch.conn.writable)
	case evFailed:
		ch.over(ErrLost)
		ch.p.failed(ch, errors.New(value.String()))
		ch.hangUp()
	case evClosed:
		ch.over(nil)
		ch.p.failed(ch, errClosedEarly)
	case evGone:
		leave(ch)
		ch.over(ErrLost)
		ch.p.failed(ch, errClosedEarly)
		ch.p.left(ch)
	default:
		ch.p.event(kind, value)
	}
}

// settle notes that the channel has opened, or that it never will.
func (ch *channel) settle(open bool) {
	if !isClosed(ch.opened) {
		ch.isOpen = open
		close(ch.opened)
	}
}

func (ch *channel) over(cause error) {
	ch.conn.ended(cause)
	ch.settle(false)
}

// take copies what has arrived, as much as there is and p takes; 0 when there is nothing.
func (ch *channel) take(p []byte) int {
	part := bridge.rtc.Call("take", ch.id, len(p))
	if part.IsNull() {
		return 0
	}
	return js.CopyBytesToGo(p, part)
}

// put sends a message of what it can of bufs, and returns the rest of them.
func (ch *channel) put(bufs [][]byte) (n int, rest [][]byte, full bool) {
	// The script's memory is shared by all connections. Each call allocates, and whoever
	// allocates may have to wait for the collector while others run.
	bridge.sending.Lock()
	defer bridge.sending.Unlock()
	for len(bufs) > 0 && n < bridge.size {
		into := bridge.scratch
		if n > 0 {
			into = into.Call("subarray", n)
		}
		k := js.CopyBytesToJS(into, bufs[0])
		n += k
		if bufs[0] = bufs[0][k:]; len(bufs[0]) == 0 {
			bufs = bufs[1:]
		}
	}
	return n, bufs, !bridge.rtc.Call("send", ch.id, n).Bool()
}

// hangUp closes the channel; what was sent is still delivered.
func (ch *channel) hangUp() {
	if !ch.hungUp {
		ch.hungUp = true
		bridge.rtc.Call("close", ch.id)
	}
}
