package sctp

import "time"

// What is sent: congestion control and retransmission (RFC 9260, sections 6.3 and 7),
// with losses found by time and order as in RFC 8985.

const (
	minRTO     = 400 * time.Millisecond // more than others delay their acknowledgements
	firstRTO   = time.Second
	maxRTO     = 10 * time.Second
	minProbe   = 20 * time.Millisecond
	theirDelay = 200 * time.Millisecond // RFC 9260: of a lone packet's acknowledgement

	reorderLimit = 3 // packets behind a missing one that show it lost

	// Chunks that are not acknowledged; ordinary ones fill the window before.
	maxChunks = 16384

	// Once the congestion window is full, this part of it, or so many packets, must be free
	// again before more is sent: acknowledgements come one by one, and to answer each with a
	// packet or two costs both ends more than the bytes do. Enough are under way that
	// the next acknowledgement does not wait.
	heldShare, heldPackets = 4, 16

	// A fragment that fills the rest of a packet is worth its header from here on.
	minFragment = 256
)

// A chunk was sent and is not acknowledged.
type chunk struct {
	m        *message
	off, end int // of the message
	at       time.Duration
	tries    uint8
	acked    bool // in a gap block
	lost     bool // to be sent again
}

func (c *chunk) size() int { return c.end - c.off }

type outbound struct {
	cfg   *Config
	next  uint32 // TSN
	first uint32 // TSN of the ring's first chunk
	ring  []chunk
	head  int // of the ring: the chunk behind the cumulative acknowledgement
	count int
	lost  int // chunks marked so

	flight   int // bytes that the network has, as far as we know
	unacked  int // bytes of all chunks in the ring
	cwnd     int
	ssthresh int
	grown    int    // bytes acknowledged since cwnd grew
	recover  uint32 // a loss before this TSN is the same event
	inLoss   bool
	limited  bool // the congestion window held us back
	held     bool // it was full, and too little of it is free again

	window int // the peer's, as told last

	srtt, rttvar, rto time.Duration
	timer             time.Duration // when expired is to be called
	probed            bool          // without an answer since
	newest            time.Duration // sending time of the latest chunk known to have arrived
	highest           uint32        // the highest TSN known to have arrived

	ready []*Stream // with something in their queues, in turn
}

func (o *outbound) init(cfg *Config) {
	mtu := cfg.MTU
	*o = outbound{
		cfg: cfg, next: cfg.TSN, first: cfg.TSN, highest: cfg.TSN - 1, recover: cfg.TSN,
		cwnd: min(4*mtu, max(2*mtu, 4404)), ssthresh: cfg.MaxUnacked, rto: firstRTO,
	}
}

// drop forgets everything, at the association's end.
func (o *outbound) drop() {
	for ; o.count > 0; o.count-- {
		o.at(0).m.release()
		o.head++
	}
	for _, s := range o.ready {
		for _, m := range s.queue {
			m.release()
		}
		s.queue, s.memory = nil, 0
	}
	o.ready, o.ring, o.timer, o.lost = nil, nil, 0, 0
}

func (o *outbound) at(i int) *chunk { return &o.ring[(o.head+i)&(len(o.ring)-1)] }

func (o *outbound) push(c chunk) {
	if o.count == len(o.ring) {
		ring := make([]chunk, max(64, 2*len(o.ring)))
		for i := range o.count {
			ring[i] = *o.at(i)
		}
		o.ring, o.head = ring, 0
	}
	o.count++
	*o.at(o.count - 1) = c
}

// kick has a stream's queue sent in its turn.
func (o *outbound) kick(s *Stream) {
	if !s.queued {
		s.queued = true
		o.ready = append(o.ready, s)
	}
}

func (o *outbound) mayRepeat() bool { return o.lost > 0 && (o.flight < o.cwnd || o.flight == 0) }

func (o *outbound) mayGoOn() bool {
	if len(o.ready) == 0 || o.lost > 0 {
		return false
	}
	if o.count > 0 && o.held && o.cwnd-o.flight < min(o.cwnd/heldShare, heldPackets*o.cfg.MTU) {
		return false
	}
	// A closed window is probed with one chunk.
	return o.count == 0 || o.count < maxChunks && o.flight < o.cwnd && o.unacked < min(o.window, o.cfg.MaxUnacked)
}

func (o *outbound) sendable() bool { return o.mayRepeat() || o.mayGoOn() }

// appendData fills the packet with what is to be sent again, then with new chunks.
func (a *Assoc) appendData(t time.Duration, b []byte, limit int) []byte {
	o := &a.out
	before := len(b)
	if o.mayRepeat() {
		b = o.appendLost(t, b, limit)
	}
	for limit-len(b) > dataHeaderLen && o.mayGoOn() {
		o.held = false
		s := o.ready[0]
		m := s.queue[0]
		n := min(len(m.data)-m.sent, limit-len(b)-dataHeaderLen)
		if n < len(m.data)-m.sent && n < minFragment && len(b) > before {
			break
		}
		c := chunk{m: m, off: m.sent, end: m.sent + n}
		o.push(c)
		b = o.emit(t, b, o.count-1)
		o.next++
		o.unacked += n
		m.sent += n
		m.refs++
		if m.sent == len(m.data) {
			o.finish(a, s, m)
		}
	}
	if len(o.ready) > 0 && o.flight >= o.cwnd {
		o.limited, o.held = true, true
	}
	if len(b) > before && o.timer == 0 {
		o.arm(t)
	}
	return b
}

// finish takes a message that was sent as a whole from its queue; the next stream's turn comes.
func (o *outbound) finish(a *Assoc, s *Stream, m *message) {
	s.queue[0] = nil
	s.queue = s.queue[1:]
	s.memory -= cap(m.data)
	m.release()
	o.ready[0] = nil
	o.ready = o.ready[1:]
	if len(s.queue) > 0 {
		o.ready = append(o.ready, s)
	} else {
		s.queue, s.queued = nil, false
		if s.closing {
			a.startReset()
		}
	}
	if len(o.ready) == 0 {
		o.ready = nil
	}
	a.cfg.Wake(s)
}

// appendLost repeats lost chunks, the oldest first.
func (o *outbound) appendLost(t time.Duration, b []byte, limit int) []byte {
	for i := 0; i < o.count && o.lost > 0; i++ {
		c := o.at(i)
		if !c.lost {
			continue
		}
		if len(b)+dataHeaderLen+pad(c.size()) > limit {
			break
		}
		c.lost = false
		o.lost--
		b = o.emit(t, b, i)
		if o.flight >= o.cwnd {
			break
		}
	}
	return b
}

// emit writes the i-th chunk of the ring.
func (o *outbound) emit(t time.Duration, b []byte, i int) []byte {
	c := o.at(i)
	m := c.m
	c.at = t
	c.tries++
	o.flight += c.size()
	var flags byte
	if c.off == 0 {
		flags |= flagBegin
	}
	if c.end == len(m.data) {
		flags |= flagEnd
	}
	b = append(b, ctData, flags)
	b = be.AppendUint16(b, uint16(dataHeaderLen+c.size()))
	b = be.AppendUint32(b, o.first+uint32(i))
	b = be.AppendUint16(b, m.stream)
	b = be.AppendUint16(b, m.ssn)
	b = be.AppendUint32(b, m.ppid)
	b = append(b, m.data[c.off:c.end]...)
	for n := c.size(); n&3 != 0; n++ {
		b = append(b, 0)
	}
	return b
}
