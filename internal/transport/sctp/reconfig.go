package sctp

import "time"

// Closing channels: RFC 8831, section 6.7, by the stream resets of RFC 6525.

const (
	paramOutgoingReset = 13
	paramResetResponse = 16

	resetDone       = 1
	resetInProgress = 6

	maxResetStreams = 64 // in one request
)

type resets struct {
	// Ours: one request is under way at a time.
	next    uint32 // number of our next request
	wanted  []*Stream
	request []*Stream // under way
	lastTSN uint32
	send    bool
	at      time.Duration // when it is sent again
	wait    time.Duration

	// Theirs.
	peerNext uint32 // number of their next request
	waiting  *peerReset
	answer   uint32 // result of the last request
}

type peerReset struct {
	number, lastTSN uint32
	streams         []uint16
}

// resetSoon has a stream reset once all that is queued on it was sent.
func (a *Assoc) resetSoon(s *Stream) {
	a.reset.wanted = append(a.reset.wanted, s)
	a.startReset()
}

// startReset makes the next request of the streams that have nothing left to send.
func (a *Assoc) startReset() {
	r := &a.reset
	if len(r.request) > 0 || len(r.wanted) == 0 {
		return
	}
	left := r.wanted[:0]
	for _, s := range r.wanted {
		if len(s.queue) == 0 && len(r.request) < maxResetStreams {
			r.request = append(r.request, s)
		} else {
			left = append(left, s)
		}
	}
	clear(r.wanted[len(left):])
	r.wanted = left
	if len(r.request) > 0 {
		r.lastTSN = a.out.next - 1
		r.send, r.wait = true, minRTO
	}
}

func (a *Assoc) appendReset(t time.Duration, b []byte) []byte {
	r := &a.reset
	r.send, r.at = false, t+r.wait
	r.wait = min(2*r.wait, maxRTO)
	v := be.AppendUint32(nil, r.next)
	v = be.AppendUint32(v, r.peerNext-1)
	v = be.AppendUint32(v, r.lastTSN)
	for _, s := range r.request {
		v = be.AppendUint16(v, s.id)
	}
	return appendChunk(b, ctReconfig, 0, appendParam(nil, paramOutgoingReset, v))
}

func (a *Assoc) handleReconfig(v []byte) {
	for {
		kind, value, rest, ok := nextParam(v)
		if !ok {
			return
		}
		v = rest
		switch {
		case kind == paramOutgoingReset && len(value) >= 12:
			a.handleResetRequest(value)
		case kind == paramResetResponse && len(value) >= 8:
			a.handleResetResponse(be.Uint32(value), be.Uint32(value[4:]))
		}
	}
}

func (a *Assoc) handleResetRequest(v []byte) {
	r := &a.reset
	number := be.Uint32(v)
	switch {
	case number == r.peerNext && r.waiting == nil:
		w := &peerReset{number: number, lastTSN: be.Uint32(v[8:])}
		for ids := v[12:]; len(ids) >= 2 && len(w.streams) < maxResetStreams; ids = ids[2:] {
			w.streams = append(w.streams, be.Uint16(ids))
		}
		r.waiting = w
		a.performReset()
	case number == r.peerNext-1:
		a.respond(number, r.answer)
	case r.waiting != nil && number == r.waiting.number:
		a.respond(number, resetInProgress)
	}
}

// performReset ends the streams of the request that waits, once all data before it is here.
func (a *Assoc) performReset() {
	r := &a.reset
	w := r.waiting
	if before(a.in.cum, w.lastTSN) {
		return
	}
	r.waiting = nil
	r.peerNext++
	r.answer = resetDone
	a.respond(w.number, resetDone)
	end := func(s *Stream) {
		if s != nil && !s.inEnded {
			s.inEnded = true
			a.cfg.Wake(s)
			a.forget(s)
		}
	}
	if len(w.streams) == 0 { // RFC 6525, section 4.1: all of them
		for _, s := range a.streams {
			end(s)
		}
		return
	}
	for _, id := range w.streams {
		end(a.streams[id])
	}
}

func (a *Assoc) respond(number, result uint32) {
	v := be.AppendUint32(be.AppendUint32(nil, number), result)
	a.reply(ctReconfig, appendParam(nil, paramResetResponse, v))
}

func (a *Assoc) handleResetResponse(number, result uint32) {
	r := &a.reset
	if len(r.request) == 0 || number != r.next || result == resetInProgress {
		return
	}
	r.next++
	r.at, r.send = 0, false
	for _, s := range r.request {
		s.outReset = true
		a.cfg.Wake(s)
		a.forget(s)
	}
	r.request = nil
	a.startReset()
}

// forget lets a channel's number go when both directions have ended.
func (a *Assoc) forget(s *Stream) {
	if s.inEnded && s.outReset && a.streams[s.id] == s {
		delete(a.streams, s.id)
	}
	if s.inEnded && s.refused {
		s.Close()
	}
}
