package sctp

import (
	"errors"
	"time"
)

// Config says how an association behaves. Every field must be set.
type Config struct {
	// MTU is the largest packet to send, in bytes.
	MTU int
	// Window is how many bytes may wait for their readers.
	Window int
	// MaxUnacked bounds what is sent and not acknowledged, in bytes.
	MaxUnacked int
	// Client says that we are the DTLS client, who opens streams of even numbers
	// (RFC 8832, section 6).
	Client bool
	// Tag and TSN are random; Tag is not 0.
	Tag, TSN uint32
	// Wake is called when a stream has become readable, writable or has ended.
	Wake func(*Stream)
}

type state uint8

const (
	cookieWait state = iota
	cookieEchoed
	established
	ended
)

// Errors that an association ends with.
var (
	// ErrAborted reports that the other side gave the association up.
	ErrAborted = errors.New("sctp: aborted by the other side")
	// ErrEnded reports that we gave it up.
	ErrEnded = errors.New("sctp: association has ended")
)

// An Assoc is one association.
type Assoc struct {
	cfg   Config
	epoch time.Time // times are counted from here
	state state
	err   error

	peerTag    uint32
	peerKnown  bool // by its INIT or INIT ACK
	noChecksum bool // the peer does not look at them
	cookie     []byte
	initAt     time.Duration // when INIT or COOKIE ECHO is sent again
	initWait   time.Duration
	initSend   bool
	control    [][]byte // chunks to send
	streams    map[uint16]*Stream
	nextStream uint16
	fresh      []*Stream // opened by the peer, not accepted
	in         inbound
	out        outbound
	reset      resets
}

const (
	firstInitWait = 500 * time.Millisecond
	maxInitWait   = 3 * time.Second

	// Chunks that answer the peer's; more than these wait only where he floods us.
	maxControl = 16
)

// New begins an association; both sides do, RFC 8831 has no servers.
func New(now time.Time, cfg Config) *Assoc {
	cfg.MTU &^= 3
	a := &Assoc{
		cfg: cfg, epoch: now, initSend: true, initWait: firstInitWait,
		streams: map[uint16]*Stream{}, nextStream: 1,
	}
	if cfg.Client {
		a.nextStream = 0
	}
	a.in.held = map[uint32]heldChunk{}
	a.in.window = cfg.Window
	a.out.init(&a.cfg)
	a.reset.next, a.reset.peerNext = cfg.TSN, 0
	return a
}

// Err is why the association has ended, nil while it has not.
func (a *Assoc) Err() error { return a.err }

// Established reports whether data can be sent.
func (a *Assoc) Established() bool { return a.state == established }

func (a *Assoc) since(now time.Time) time.Duration { return now.Sub(a.epoch) }

// Abort ends the association; Next gives the chunk that tells the other side.
func (a *Assoc) Abort() {
	if a.state == ended {
		return
	}
	if a.peerKnown {
		a.control = append(a.control[:0], appendChunk(nil, ctAbort, 0, nil))
	}
	a.end(ErrEnded)
}

func (a *Assoc) end(err error) {
	if a.state == ended {
		return
	}
	a.state, a.err = ended, err
	a.out.drop()
	for _, s := range a.streams {
		s.inEnded = true
		a.cfg.Wake(s)
	}
}

func (a *Assoc) reply(kind byte, value []byte) {
	if len(a.control) < maxControl && headerLen+chunkHeaderLen+pad(len(value)) <= a.cfg.MTU {
		a.control = append(a.control, appendChunk(nil, kind, 0, value))
	}
}

// Handle takes a packet of the other side. What is wrong with it is left out; the
// packet may be changed or used again afterwards.
func (a *Assoc) Handle(now time.Time, packet []byte) {
	if len(packet) < headerLen || a.state == ended {
		return
	}
	t := a.since(now)
	tag := be.Uint32(packet[4:])
	rest := packet[headerLen:]
	for {
		kind, flags, value, after, ok := nextChunk(rest)
		if !ok {
			break
		}
		rest = after
		if kind == ctInit {
			if tag == 0 {
				a.handleInit(value, ctInit)
			}
			return // RFC 9260, section 6.10: never with others
		}
		if tag != a.cfg.Tag && !(kind == ctAbort && flags&1 != 0 && a.peerKnown && tag == a.peerTag) {
			return
		}
		switch kind {
		case ctData:
			if a.state == established {
				a.handleData(t, flags, value)
			}
		case ctSack:
			if a.state == established {
				a.handleSack(t, value)
			}
		case ctInitAck:
			a.handleInitAck(value)
		case ctCookieEcho:
			a.handleCookieEcho(value)
		case ctCookieAck:
			if a.state == cookieEchoed {
				a.establish()
			}
		case ctHeartbeat:
			a.reply(ctHeartbeatAck, value)
		case ctAbort:
			a.end(ErrAborted)
			return
		case ctShutdown:
			a.reply(ctShutdownAck, nil)
			a.end(ErrAborted)
			return
		case ctReconfig:
			if a.state == established {
				a.handleReconfig(value)
			}
		default:
			if kind&0x80 == 0 {
				return // RFC 9260, section 3.2: do not go on behind one of these
			}
		}
	}
	if a.state == established {
		a.in.settle(t)
	}
}

// Pending reports whether Next may have something to give.
func (a *Assoc) Pending() bool {
	if len(a.control) > 0 || a.initSend && a.state != ended {
		return true
	}
	return a.state == established && (a.in.due || a.reset.send || a.out.sendable())
}

// Next appends the next packet to dst, which has room for MTU bytes, or returns dst
// as it is when there is nothing to send.
func (a *Assoc) Next(now time.Time, dst []byte) []byte {
	t := a.since(now)
	at := len(dst)
	limit := at + a.cfg.MTU
	if a.initSend && a.state < established {
		a.initSend = false
		a.initAt = t + a.initWait
		a.initWait = min(2*a.initWait, maxInitWait)
		if a.state == cookieWait {
			dst = a.appendInit(appendHeader(dst, 0), ctInit, nil)
		} else {
			dst = appendChunk(appendHeader(dst, a.peerTag), ctCookieEcho, 0, a.cookie)
		}
		seal(dst[at:])
		return dst
	}
	dst = appendHeader(dst, a.peerTag)
	handshake := a.state != established
	for len(a.control) > 0 && len(dst)+len(a.control[0]) <= limit {
		kind := a.control[0][0]
		dst = append(dst, a.control[0]...)
		a.control = a.control[1:]
		if kind == ctInitAck || kind == ctCookieAck {
			handshake = true
			if kind == ctInitAck {
				seal(dst[at:])
				return dst
			}
		}
	}
	if a.state == established {
		if a.reset.send {
			dst = a.appendReset(t, dst)
		}
		if a.in.due || a.in.unacked > 0 && a.out.sendable() {
			dst = a.appendSack(dst, limit)
		}
		dst = a.appendData(t, dst, limit)
	}
	if len(dst) == at+headerLen {
		return dst[:at]
	}
	if handshake || !a.noChecksum {
		seal(dst[at:])
	}
	return dst
}

// Deadline is when Timeout is to be called; zero: there is nothing to wait for.
func (a *Assoc) Deadline() time.Time {
	var first time.Duration
	sooner := func(t time.Duration) {
		if t > 0 && (first == 0 || t < first) {
			first = t
		}
	}
	switch a.state {
	case cookieWait, cookieEchoed:
		sooner(a.initAt)
	case established:
		sooner(a.in.ackAt)
		sooner(a.out.timer)
		sooner(a.reset.at)
	}
	if first == 0 {
		return time.Time{}
	}
	return a.epoch.Add(first)
}

// Timeout does what is due.
func (a *Assoc) Timeout(now time.Time) {
	t := a.since(now)
	past := func(at time.Duration) bool { return at > 0 && at <= t }
	switch a.state {
	case cookieWait, cookieEchoed:
		if past(a.initAt) {
			a.initSend, a.initAt = true, 0
		}
	case established:
		if past(a.in.ackAt) {
			a.in.due, a.in.ackAt = true, 0
		}
		if past(a.out.timer) {
			a.out.expired(t)
		}
		if past(a.reset.at) {
			a.reset.send, a.reset.at = true, 0
		}
	}
}
