package torrent

import "slices"

// upload is a block a peer asked us for.
type upload struct{ index, begin, length uint32 }

// uploads are the blocks that one peer asked us for. They wait in a queue until
// the driver takes them; those under way can no longer be taken back.
type uploads struct {
	buf      []upload // those from head on wait, oldest first
	head     int
	underWay int // bytes given to the driver and not sent yet
}

func (q *uploads) len() int { return len(q.buf) - q.head }

func (q *uploads) add(u upload) {
	if q.head > len(q.buf)/2 && len(q.buf) == cap(q.buf) {
		n := copy(q.buf, q.buf[q.head:])
		q.buf, q.head = q.buf[:n], 0
	}
	q.buf = append(q.buf, u)
}

// next takes the oldest block off the queue if less than window bytes are under
// way.
func (q *uploads) next(window int) (upload, bool) {
	if q.len() == 0 || q.underWay >= window {
		return upload{}, false
	}
	u := q.buf[q.head]
	if q.head++; q.head == len(q.buf) {
		q.buf, q.head = q.buf[:0], 0
	}
	q.underWay += int(u.length)
	return u, true
}

// left says that bytes have left for the transport, or never will.
func (q *uploads) left(bytes int) { q.underWay -= bytes }

// cancel takes a block off the queue. It reports false when it is under way.
func (q *uploads) cancel(u upload) bool {
	at := slices.Index(q.buf[q.head:], u)
	if at < 0 {
		return false
	}
	q.buf = slices.Delete(q.buf, q.head+at, q.head+at+1)
	return true
}

// drop takes those blocks off the queue that match.
func (q *uploads) drop(match func(upload) bool) {
	kept := slices.DeleteFunc(q.buf[q.head:], match)
	q.buf = q.buf[:q.head+len(kept)]
}
