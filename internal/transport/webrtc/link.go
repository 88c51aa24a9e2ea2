//go:build !js

package webrtc

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/shoal-p2p/shoal/internal/transport/sctp"
)

const (
	// A DTLS server that speaks first could make the client miss the end of the
	// handshake, should that have to be sent again with an older number.
	listenFirst = 2 * time.Second

	// Records that come before the handshake is over are kept for its end.
	maxEarly = 16

	// Bytes written to a channel that wait for the network, before Write does.
	sendHigh = 512 << 10
	sendLow  = 128 << 10
)

// packets is what DTLS runs on: ICE's packets, without those that are not DTLS. Once
// there is a link, it takes the application data out.
type packets struct {
	*ice.Conn
	mu    sync.Mutex
	link  *link
	early [][]byte
}

// ReadFrom implements net.PacketConn.
func (d *packets) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, err := d.Conn.Read(b)
		if err == nil && (!isDTLS(b[:n]) || b[0] == recordData && d.take(b[:n])) {
			continue
		}
		return n, d.Conn.RemoteAddr(), err
	}
}

// WriteTo implements net.PacketConn.
func (d *packets) WriteTo(b []byte, _ net.Addr) (int, error) {
	d.mu.Lock()
	taken := d.link != nil
	d.mu.Unlock()
	if taken && len(b) > 0 && b[0] == recordAlert {
		return len(b), nil // the link says goodbye, with a number that counts
	}
	return d.Conn.Write(b)
}

// take takes a packet of application data.
func (d *packets) take(b []byte) bool {
	d.mu.Lock()
	l := d.link
	if l == nil && len(d.early) < maxEarly {
		d.early = append(d.early, append([]byte(nil), b...))
	}
	d.mu.Unlock()
	if l != nil {
		l.receive(b, len(b))
	}
	return true
}

// handTo has l take all application data from now on.
func (d *packets) handTo(l *link) {
	d.mu.Lock()
	early := d.early
	d.link, d.early = l, nil
	d.mu.Unlock()
	for _, b := range early {
		l.receive(b, len(b))
	}
}

// Close implements net.PacketConn: DTLS has ended.
func (d *packets) Close() error {
	d.mu.Lock()
	l := d.link
	d.mu.Unlock()
	if l != nil {
		l.die()
	}
	return d.Conn.Close()
}

// A link is the association of one connection with what it stands on. Whoever reads
// the socket hands packets to receive, which does all that follows from them; one
// goroutine sends.
type link struct {
	dtls   *dtls.Conn
	direct *atomic.Bool
	owner  *peer                     // guarded by mu
	send   func([]byte) (int, error) // a run of records
	out    *sealer                   // the writer's

	mu       sync.Mutex // guards what follows
	in       *opener
	assoc    *sctp.Assoc
	woken    []*channel // to be signalled when mu is freed
	users    int        // channels that we have not closed
	channels map[*channel]struct{}
	further  func(*channel) // takes channels of the other side; nil before the first is there
	over     bool           // no channel is opened any more
	onDead   func()
	heard    bool // the other side's handshake is over too
	closed   bool
	waiting  map[chan struct{}]struct{} // signalled when something may have changed
	work     chan struct{}              // something may have to be sent
	dead     chan struct{}              // closed when nothing comes in any more
	deadOnce sync.Once
	stopped  chan struct{} // the writer has ended
}

func newLink(conn *dtls.Conn, client bool, under *packets, direct *atomic.Bool, cfg sctp.Config) (*link, error) {
	out, in, err := newRecords(conn)
	if err != nil {
		return nil, err
	}
	l := &link{
		dtls: conn, direct: direct, send: under.Conn.Write, out: out, in: in, heard: client,
		channels: map[*channel]struct{}{},
		waiting:  map[chan struct{}]struct{}{},
		work:     make(chan struct{}, 1),
		dead:     make(chan struct{}), stopped: make(chan struct{}),
	}
	cfg.Client = client
	cfg.Wake = l.wake
	l.assoc = sctp.New(time.Now(), cfg)
	if !client {
		time.AfterFunc(listenFirst, l.listened)
	}
	go l.writer()
	return l, nil
}

func (l *link) listened() {
	l.mu.Lock()
	l.heard = true
	l.mu.Unlock()
	notify(l.work)
}

// wake is sctp.Config.Wake; mu is held.
func (l *link) wake(s *sctp.Stream) {
	if ch, ok := s.Owner.(*channel); ok && !ch.woken {
		ch.woken = true
		l.woken = append(l.woken, ch)
	}
}

// unlock frees mu and wakes who has something to do.
func (l *link) unlock() {
	work := l.assoc.Pending()
	for i, ch := range l.woken {
		ch.wake()
		l.woken[i] = nil
	}
	l.woken = l.woken[:0]
	for c := range l.waiting {
		notify(c)
	}
	l.mu.Unlock()
	if work {
		notify(l.work)
	}
}

// receive takes datagrams of size bytes, the last may be shorter, in which there are
// records of application data. It changes them.
func (l *link) receive(b []byte, size int) {
	now := time.Now()
	l.mu.Lock()
	for len(b) > 0 && !l.closed {
		one := b[:min(size, len(b))]
		b = b[len(one):]
		for len(one) > recordHeader {
			n := recordLen(one)
			if n > len(one) || one[0] != recordData {
				break
			}
			if plain, ok := l.in.open(one[:n]); ok {
				l.heard = true
				l.assoc.Handle(now, plain)
			}
			one = one[n:]
		}
	}
	if l.assoc.Err() != nil {
		defer l.die()
	}
	var fresh []*channel
	further := l.further
	for further != nil {
		s := l.assoc.Accept()
		if s == nil {
			break
		}
		if l.over || s.Refused() || l.owner.h.cfg.Accept == nil {
			s.Close()
			continue
		}
		fresh = append(fresh, l.add(l.owner, s))
	}
	l.unlock()
	for _, ch := range fresh {
		further(ch)
	}
}

// add makes a channel of a stream; mu is held.
func (l *link) add(p *peer, s *sctp.Stream) *channel {
	ch := &channel{p: p, s: s}
	ch.conn = newConn(ch)
	s.Owner = ch
	l.owner = p
	l.users++
	l.channels[ch] = struct{}{}
	l.wake(s) // something may be there already
	return ch
}

// remove takes a channel out that we have closed, and reports whether it was the last.
func (l *link) remove(ch *channel) bool {
	l.mu.Lock()
	defer l.unlock()
	ch.s.Close()
	l.users--
	l.over = l.over || l.users == 0
	return l.users == 0
}

// list are the channels that there are.
func (l *link) list() (list []*channel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ch := range l.channels {
		list = append(list, ch)
	}
	return list
}

// delivered reports whether the other side has taken all that was written, to the ends
// of all channels; mu is held.
func (l *link) delivered() bool {
	for ch := range l.channels {
		if !ch.s.Delivered() {
			return false
		}
		delete(l.channels, ch)
	}
	return true
}

// end gives the association up, which ends all channels.
func (l *link) end() {
	l.mu.Lock()
	l.over = true
	l.assoc.Abort()
	l.unlock()
}

// writer sends what the association gives it, in runs.
func (l *link) writer() {
	defer close(l.stopped)
	var r run
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		l.mu.Lock()
		l.assoc.Timeout(now)
		r.reset()
		if l.heard {
			r.fill(func(b []byte) []byte { return l.assoc.Next(now, b) })
		}
		closed, at := l.closed, l.assoc.Deadline()
		l.unlock()
		if len(r.sizes) > 0 {
			// What cannot be sent is lost, as packets may be; it is sent again, or ICE
			// finds that the path is dead.
			r.seal(l.out, recordData)
			r.write(l.direct.Load(), l.send)
			continue
		}
		if closed {
			return
		}
		wait := time.Hour
		if !at.IsZero() {
			wait = time.Until(at)
		}
		timer.Reset(wait)
		select {
		case <-l.work:
		case <-timer.C:
		}
	}
}

// die says that nothing comes in any more.
func (l *link) die() {
	l.deadOnce.Do(func() {
		close(l.dead)
		l.mu.Lock()
		f := l.onDead
		l.mu.Unlock()
		if f != nil {
			go f()
		}
	})
}

// whenDead has f called, in a goroutine of its own, when nothing comes in any more.
func (l *link) whenDead(f func()) {
	l.mu.Lock()
	l.onDead = f
	l.mu.Unlock()
	if isClosed(l.dead) {
		go f()
	}
}

// close sends what is queued and ends DTLS. It may be called any number of times.
func (l *link) close() {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	notify(l.work)
	<-l.stopped
	if first {
		var r run
		const warning, closeNotify = 1, 0
		r.fill(func(b []byte) []byte {
			if len(r.sizes) > 0 {
				return b
			}
			return append(b, warning, closeNotify)
		})
		r.seal(l.out, recordAlert)
		r.write(l.direct.Load(), l.send)
	}
	l.die()
	_ = l.dtls.Close()
}

// waitUntil waits until cond, which is called with mu held, comes true; not longer than
// until ctx ends or the link is dead. It reports whether it did.
func (l *link) waitUntil(ctx context.Context, cond func() bool) bool {
	changed, over := make(chan struct{}, 1), false
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[changed] = struct{}{}
	defer delete(l.waiting, changed)
	for !cond() {
		l.mu.Unlock()
		select {
		case <-changed:
		case <-l.dead:
			over = true
		case <-ctx.Done():
			over = true
		}
		l.mu.Lock()
		if over {
			return cond()
		}
	}
	return true
}
