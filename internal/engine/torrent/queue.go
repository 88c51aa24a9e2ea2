package torrent

import (
	"slices"
	"time"
)

const (
	startWindow = 8   // requests to a peer we know nothing about
	defaultReqQ = 250 // for peers that do not say (BEP 10)
	minWindow   = 2   // one on its way, one behind it

	queueTime       = 1500 * time.Millisecond // what a queue should last
	urgentQueueTime = 500 * time.Millisecond  // while a reader waits
)

// request is a block we asked a peer for.
type request struct {
	index, begin, length uint32
	at                   time.Time
	late                 bool // given up on: others may be asked for it
}

// is reports whether a message names the block of a request.
func (r *request) is(it *Item) bool {
	return r.index == it.Index && r.begin == it.Begin && r.length == it.Length
}

// block is the request's place in its piece.
func (r *request) block() int { return int(r.begin / BlockSize) }

// queue are the requests to one peer.
//
// Words: a request is outstanding until it is answered, by the block or a reject,
// or withdrawn by a cancel. It is late once the peer is snubbed: it was silent for
// too long, so that nobody counts on it, but what comes is welcome. The window is
// how many are kept outstanding until the rate is known; it doubles each round
// trip, as TCP's slow start does. A stray is a block that comes without being
// asked for; those that crossed a cancel are no breach.
type queue struct {
	buf       []request // those from head on are outstanding, oldest first
	head      int
	withdrawn []request // cancelled, and not answered yet (BEP 6)
	strays    int       // unrequested blocks we still tolerate
	window    int
	starting  bool // the window still doubles
	snubbed   bool
	reqq      int       // what the peer accepts
	last      time.Time // when a block came, or the queue became non-empty
}

func newQueue() queue {
	return queue{strays: maxStrayBlocks, window: startWindow, starting: true, reqq: defaultReqQ}
}

// all are the outstanding requests, oldest first.
func (q *queue) all() []request { return q.buf[q.head:] }

func (q *queue) len() int { return len(q.buf) - q.head }

func (q *queue) add(r request) {
	if q.len() == 0 {
		q.last = r.at
	}
	if q.head > len(q.buf)/2 && len(q.buf) == cap(q.buf) {
		// Most answers come in order: move up what is left, now and again.
		n := copy(q.buf, q.buf[q.head:])
		q.buf, q.head = q.buf[:n], 0
	}
	q.buf = append(q.buf, r)
}

// find returns the index of the request for a block, -1 if there is none.
func (q *queue) find(index, begin uint32) int {
	return slices.IndexFunc(q.all(), func(r request) bool { return r.index == index && r.begin == begin })
}

// answered returns the index of the request that a message answers, -1 if there
// is none. Answers come in order, so it is nearly always the first.
func (q *queue) answered(it *Item) int {
	return slices.IndexFunc(q.all(), func(r request) bool { return r.is(it) })
}

// remove takes out the request at an index.
func (q *queue) remove(at int) request {
	r := q.buf[q.head+at]
	if at == 0 {
		q.head++
	} else {
		q.buf = slices.Delete(q.buf, q.head+at, q.head+at+1)
	}
	if q.head == len(q.buf) {
		q.buf, q.head = q.buf[:0], 0
	}
	return r
}

func (q *queue) clear() { q.buf, q.head = q.buf[:0], 0 }

// grow reacts to a received block.
func (q *queue) grow(now time.Time) {
	q.last = now
	if q.starting {
		q.window++
	}
}

// reset begins anew with the slow start, as when a peer chokes us.
func (q *queue) reset() { q.starting, q.window = true, startWindow }

// limit is how many requests should be outstanding to a peer that sends rate
// bytes a second and has sent total bytes, if they are to last for a time.
func (q *queue) limit(rate float64, total int64, last time.Duration, most int) int {
	if q.snubbed {
		return 1
	}
	n := int(rate*last.Seconds()/BlockSize) + minWindow
	if q.starting && q.window > 2*n && total > startWindow*BlockSize {
		q.starting = false
	}
	if q.starting {
		n = max(n, q.window)
	}
	return max(1, min(n, q.reqq, most))
}

// withdraw remembers a request that was cancelled: its block may be on its way.
// With the fast extension it is answered in any case.
func (q *queue) withdraw(now time.Time, r request, fast bool) {
	q.strays++
	if fast && len(q.withdrawn) < maxWithdrawn {
		r.at = now
		q.withdrawn = append(q.withdrawn, r)
	}
}

// answersWithdrawn reports whether a block or reject may be the answer to
// a request that was cancelled. Answers come in order, so if the same block was
// requested again since, that answer is still to come.
func (q *queue) answersWithdrawn(it *Item) bool {
	n := slices.IndexFunc(q.withdrawn, func(r request) bool { return r.is(it) })
	if n < 0 {
		return false
	}
	q.withdrawn = slices.Delete(q.withdrawn, n, n+1)
	return true
}

// forget lets go of cancelled requests that will not be answered any more.
func (q *queue) forget(now time.Time) {
	q.withdrawn = slices.DeleteFunc(q.withdrawn, func(r request) bool { return now.Sub(r.at) > answerLimit })
}

// silent reports whether the peer owes a block for longer than patience, and some
// requests are still believed in.
func (q *queue) silent(now time.Time, patience time.Duration) bool {
	return q.len() > 0 && now.Sub(q.last) >= patience && !q.buf[len(q.buf)-1].late
}
