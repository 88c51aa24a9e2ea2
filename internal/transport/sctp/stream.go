package sctp

// Data channels (RFC 8832): the message that opens one, and its answer.

const (
	msgAck  = 2
	msgOpen = 3

	openLen = 12 // of DATA_CHANNEL_OPEN without its names

	// Names may have 65,535 bytes each; WebTorrent's have 40 and none.
	maxOpen = 1024

	// Channels that the other side may have open at a time. Each is a swarm.
	maxStreams = 64
)

// A Stream is one data channel.
type Stream struct {
	Owner any // the caller's

	a     *Assoc
	id    uint16
	label string

	opened   bool // by the other side, or acknowledged by it
	refused  bool // it is not ordered or not reliable
	inEnded  bool // nothing more comes
	deaf     bool // nothing more is read
	closing  bool // the reset is to follow what is queued
	outReset bool // the other side has confirmed it

	ctrl []byte // of a control message that is not complete
	in   []Block

	queue  []*message
	memory int // of the messages in queue
	queued bool
	ssn    uint16
}

// Label is the channel's name.
func (s *Stream) Label() string { return s.label }

// Opened reports whether the other side knows the channel.
func (s *Stream) Opened() bool { return s.opened }

// Ended reports whether nothing more comes; what has come can still be taken.
func (s *Stream) Ended() bool { return s.inEnded }

// Refused reports whether the other side opened a channel that is not ordered or not
// reliable. It is closed.
func (s *Stream) Refused() bool { return s.refused }

// Delivered reports whether the other side has taken all that was written before Close,
// and its end; or nobody is left to take it.
func (s *Stream) Delivered() bool { return s.outReset || s.a.state == ended }

// Gone reports whether both sides have closed the channel.
func (s *Stream) Gone() bool { return s.inEnded && s.outReset || s.a.state == ended }

// Queued is how much memory holds what was written and not sent, in bytes.
func (s *Stream) Queued() int { return s.memory }

// Open makes a channel. It says so to the other side as soon as it can.
func (a *Assoc) Open(label string) *Stream {
	for a.streams[a.nextStream] != nil || a.nextStream == 65535 { // RFC 8832, section 6
		a.nextStream += 2
	}
	s := &Stream{a: a, id: a.nextStream, label: label}
	a.nextStream += 2
	a.streams[s.id] = s
	m := make([]byte, openLen, openLen+len(label))
	m[0] = msgOpen
	be.PutUint16(m[8:], uint16(len(label)))
	s.send(ppidControl, append(m, label...))
	return s
}

// Accept returns the next channel that the other side has opened, nil for none.
func (a *Assoc) Accept() *Stream {
	if len(a.fresh) == 0 {
		return nil
	}
	s := a.fresh[0]
	a.fresh = a.fresh[1:]
	return s
}

// control50 takes a part of a control message.
func (a *Assoc) control50(id uint16, s *Stream, flags byte, data []byte) {
	if s == nil {
		if len(a.streams) >= 2*maxStreams || a.theirs() >= maxStreams {
			return
		}
		s = &Stream{a: a, id: id}
		a.streams[id] = s
	}
	if flags&flagBegin != 0 {
		s.ctrl = s.ctrl[:0]
	}
	if len(s.ctrl)+len(data) > maxOpen {
		return
	}
	s.ctrl = append(s.ctrl, data...)
	if flags&flagEnd == 0 {
		return
	}
	m := s.ctrl
	s.ctrl = nil
	switch {
	case len(m) > 0 && m[0] == msgAck:
		if !s.opened && s.label != "" {
			s.opened = true
			a.cfg.Wake(s)
		}
	case len(m) >= openLen && m[0] == msgOpen && !s.opened:
		n := int(be.Uint16(m[8:]))
		if len(m) < openLen+n {
			return
		}
		s.label = string(m[openLen : openLen+n])
		s.opened = true
		s.send(ppidControl, []byte{msgAck})
		if m[1] != 0 { // RFC 8832, section 5.1: anything but reliable and ordered
			s.refused = true
			s.Close()
		}
		a.fresh = append(a.fresh, s)
	}
}

// theirs counts the channels that the other side has opened.
func (a *Assoc) theirs() int {
	n, ours := 0, uint16(1)
	if a.cfg.Client {
		ours = 0
	}
	for id := range a.streams {
		if id&1 != ours {
			n++
		}
	}
	return n
}

// put keeps payload for the reader.
func (s *Stream) put(data []byte) {
	for len(data) > 0 {
		if n := len(s.in); n == 0 || s.in[n-1].w == blockSize {
			s.in = append(s.in, Block{mem: blocks.Get().(*[blockSize]byte)})
		}
		b := &s.in[len(s.in)-1]
		n := copy(b.mem[b.w:], data)
		b.w += n
		data = data[n:]
	}
}

// Take gives the next bytes to the reader; the block is empty when there are none. A
// reader who comes back makes room in the window: Pending may be true afterwards.
func (s *Stream) Take() Block {
	if len(s.in) == 0 {
		return Block{}
	}
	b := s.in[0]
	s.in[0] = Block{}
	if s.in = s.in[1:]; len(s.in) == 0 {
		s.in = nil
	}
	in := &s.a.in
	in.buffered -= b.w - b.r
	if free := in.window - in.buffered; free-in.told >= in.window/4 {
		in.due = true
	}
	return b
}

// Write queues a message made of the buffers, which are not kept.
func (s *Stream) Write(bufs ...[]byte) {
	if s.closing || s.a.state == ended {
		return
	}
	s.send(ppidBinary, bufs...)
}

func (s *Stream) send(ppid uint32, bufs ...[]byte) {
	m := newMessage(s.id, ppid, bufs)
	m.ssn = s.ssn
	s.ssn++
	s.queue = append(s.queue, m)
	s.memory += cap(m.data)
	s.a.out.kick(s)
}

// Close ends the channel behind what is written. What has come and not been taken is
// thrown away.
func (s *Stream) Close() {
	if s.closing {
		return
	}
	s.closing, s.deaf = true, true
	for len(s.in) > 0 {
		b := s.Take()
		b.Skip(len(b.Bytes()))
	}
	s.a.resetSoon(s)
}
