package mesh

import (
	"encoding/binary"
	"slices"
	"time"
)

// A node is another node that was heard lately.
type node struct {
	id         NodeID
	generation uint32
	heard      instant
	queue      queue
}

// Connected says that the bus carries frames of up to maxFrame bytes from now on.
func (m *Mesh) Connected(now time.Time, maxFrame int) {
	t := m.at(now)
	m.maxFrame = min(maxFrame, 512<<10)
	if m.connected {
		return
	}
	m.connected = true
	// What was sent to this node meanwhile is lost; the new generation says so.
	m.generation++
	m.nextBeat = t + beatEvery
	m.sendBeat(t, 0, beatHello)
}

// Disconnected says that nothing is carried until Connected.
func (m *Mesh) Disconnected(now time.Time) {
	m.connected = false
	m.everybody.clear(m)
	for _, n := range m.others {
		n.queue.clear(m)
	}
	m.flushAt = never
	m.nextBeat = m.at(now) + beatEvery // the others' silence is still noticed
}

// Leave says good-bye, so that the others need not wait. The next Step brings the frame;
// after it nothing more should be asked of the Mesh.
func (m *Mesh) Leave(now time.Time) {
	t := m.at(now)
	m.sendBeat(t, 0, beatLeaving)
	m.everybody.due = t
	for _, n := range m.others {
		n.queue.due = t
	}
	m.flushAt = t
}

// heard notes a sign of life. It reports false if there are too many nodes.
func (m *Mesh) heard(t instant, id NodeID, generation uint32) bool {
	n := m.others[id]
	switch {
	case n == nil:
		if len(m.others) >= maxNodes {
			return false
		}
		m.others[id] = &node{id: id, generation: generation, heard: t}
		i, _ := slices.BinarySearch(m.live, id)
		m.live = slices.Insert(m.live, i, id)
		m.hasten(t)
		return true
	case n.generation != generation:
		n.generation = generation
		m.hasten(t)
	}
	n.heard = t
	return true
}

func (m *Mesh) remove(t instant, id NodeID) {
	n := m.others[id]
	if n == nil {
		return
	}
	n.queue.clear(m)
	delete(m.others, id)
	i, _ := slices.BinarySearch(m.live, id)
	m.live = slices.Delete(m.live, i, i+1)
	m.hasten(t)
}

// bury removes the nodes that have fallen silent.
func (m *Mesh) bury(t instant) {
	for i := len(m.live) - 1; i >= 0; i-- {
		if n := m.others[m.live[i]]; n != nil && t-n.heard > goneAfter {
			m.remove(t, n.id)
		}
	}
}

// alive reports whether a node is this one or was heard lately.
func (m *Mesh) alive(id NodeID) bool { return id == m.cfg.ID || m.others[id] != nil }

// owner returns the node that keeps account of a swarm: the live one with the highest
// score. When a node goes, only its own swarms get another owner.
func (m *Mesh) owner(h *Hash) NodeID {
	key := binary.LittleEndian.Uint64(h[:8]) ^ mix(binary.LittleEndian.Uint64(h[8:16]))
	var best NodeID
	var score uint64
	for _, id := range m.live {
		if s := mix(key ^ uint64(id)); s >= score {
			best, score = id, s
		}
	}
	return best
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (m *Mesh) generationOf(id NodeID) uint32 {
	if n := m.others[id]; n != nil {
		return n.generation
	}
	return m.generation
}

func (m *Mesh) beat(t instant, to NodeID) { m.sendBeat(t, to, 0) }

func (m *Mesh) sendBeat(t instant, to NodeID, flags byte) {
	m.rec = record{kind: kindBeat, flags: flags}
	m.send(t, to, &m.rec)
}

// fullFrame is when a frame is sent without waiting for more records.
const fullFrame = 64 << 10

// A queue is what waits to be sent to one node.
type queue struct {
	sealed [][]byte
	open   []byte // the frame that is being filled
	bytes  int
	due    instant
	last   instant // when a frame was last sent
}

func (q *queue) empty() bool { return len(q.open) == 0 && len(q.sealed) == 0 }

func (q *queue) seal() {
	if len(q.open) > 0 {
		q.sealed = append(q.sealed, q.open)
		q.open = nil
	}
}

func (q *queue) clear(m *Mesh) {
	q.seal()
	for _, b := range q.sealed {
		m.recycle(b)
	}
	*q = queue{last: q.last}
}

// send queues a record for a node, or for all if to is 0.
func (m *Mesh) send(t instant, to NodeID, r *record) {
	q := &m.everybody
	if to != 0 {
		n := m.others[to]
		if n == nil {
			return
		}
		q = &n.queue
	}
	if !m.connected {
		return
	}
	m.buf = r.append(m.buf[:0])
	size := 1 + binary.MaxVarintLen32 + len(m.buf)
	if headerLen+size > m.maxFrame {
		m.stats.Dropped++
		return
	}
	if len(q.open) > 0 && len(q.open)+size > m.maxFrame {
		q.seal()
	}
	if q.empty() {
		q.due = max(t, q.last+flushEvery)
	}
	if len(q.open) == 0 {
		if n := len(m.free); n > 0 {
			q.open, m.free = m.free[n-1], m.free[:n-1]
		}
		q.open = appendHeader(q.open, m.cfg.ID, m.generation)
		q.bytes += headerLen
	}
	before := len(q.open)
	q.open = append(q.open, r.kind)
	q.open = binary.AppendUvarint(q.open, uint64(len(m.buf)))
	q.open = append(q.open, m.buf...)
	q.bytes += len(q.open) - before
	if len(q.open) >= fullFrame {
		q.seal()
		q.due = t
	}
	for q.bytes > m.cfg.Queue && len(q.sealed) > 1 {
		q.bytes -= len(q.sealed[0])
		m.recycle(q.sealed[0])
		q.sealed = slices.Delete(q.sealed, 0, 1)
		m.stats.Dropped++
	}
	m.flushAt = min(m.flushAt, q.due)
}

// flush takes the frames that are due.
func (m *Mesh) flush(t instant, out []Frame) []Frame {
	m.flushAt = never
	take := func(to NodeID, q *queue) {
		if q.empty() {
			return
		}
		if q.due > t {
			m.flushAt = min(m.flushAt, q.due)
			return
		}
		q.seal()
		for _, b := range q.sealed {
			out = append(out, Frame{to, b})
		}
		*q = queue{sealed: q.sealed[:0], last: t}
	}
	for _, id := range m.live {
		if n := m.others[id]; n != nil {
			take(id, &n.queue)
		}
	}
	take(0, &m.everybody) // a good-bye comes last
	return out
}
