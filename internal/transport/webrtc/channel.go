//go:build !js

package webrtc

import (
	"sync"

	"github.com/shoal-p2p/shoal/internal/transport/sctp"
)

// A channel is the native end of a Conn: a stream of its peer's association.
type channel struct {
	p    *peer
	s    *sctp.Stream
	conn *Conn
	rest sctp.Block // the reader's
	bufs [][]byte   // the writer's
	once sync.Once

	// Guarded by the link's mu.
	woken bool // and in the link's list
	full  bool // Write waits
}

// wake tells the Conn what has changed; the link's mu is held.
func (ch *channel) wake() {
	ch.woken = false
	if ch.s.Ended() {
		ch.conn.ended(ch.p.cause())
	}
	if ch.s.Delivered() {
		delete(ch.p.link.channels, ch)
	}
	notify(ch.conn.readable)
	if ch.full && ch.s.Queued() <= sendLow {
		ch.full = false
		notify(ch.conn.writable)
	}
}

// take copies what has arrived, as much as there is and p takes; 0 when there is nothing.
func (ch *channel) take(p []byte) int {
	b := &ch.rest
	if len(b.Bytes()) == 0 {
		l := ch.p.link
		l.mu.Lock()
		*b = ch.s.Take()
		l.unlock()
	}
	n := copy(p, b.Bytes())
	b.Skip(n)
	return n
}

// put sends what it can of bufs without waiting, and returns the rest of them.
func (ch *channel) put(bufs [][]byte) (n int, rest [][]byte, full bool) {
	l := ch.p.link
	l.mu.Lock()
	defer l.unlock()
	for len(bufs) > 0 && ch.s.Queued() < sendHigh {
		message, room := ch.bufs[:0], ch.p.maxOut
		for len(bufs) > 0 && room > 0 {
			k := min(len(bufs[0]), room)
			message = append(message, bufs[0][:k])
			room -= k
			if bufs[0] = bufs[0][k:]; len(bufs[0]) == 0 {
				bufs = bufs[1:]
			}
		}
		if room < ch.p.maxOut {
			ch.s.Write(message...)
		}
		clear(message)
		ch.bufs = message[:0]
		n += ch.p.maxOut - room
	}
	ch.full = ch.s.Queued() >= sendHigh
	return n, bufs, ch.full
}

// hangUp closes the channel; what was put is still delivered. The last one takes the
// connection with it.
func (ch *channel) hangUp() {
	ch.once.Do(func() {
		if ch.p.link.remove(ch) {
			ch.p.leave()
		}
	})
}
