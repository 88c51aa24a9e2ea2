package dht

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// version is what the "v" key of our packets says: the client of our peer IDs
// (BEP 20) with two bytes of its version.
var version = []byte{'S', 'H', 0, 1}

// outageAfter is how many queries in a row may stay without reply before we
// stop blaming the nodes.
const outageAfter = 3 * K

func (m *Machine) send(to netip.AddrPort, msg *Message) {
	msg.Version = version
	start := len(m.buf)
	m.buf = msg.Append(m.buf)
	m.out.Packets = append(m.out.Packets, Packet{To: to, Data: m.buf[start:len(m.buf):len(m.buf)]})
	m.count.PacketsOut++
}

// ask sends a query unless the meter or the number of queries under way
// forbids it; then it returns nil. id is whom we expect, or zero.
func (m *Machine) ask(now time.Time, s *side, to netip.AddrPort, id ID, msg *Message) *query {
	if len(m.rpc.pending) >= maxPending || !m.sending.take(now) {
		return nil
	}
	tid := m.rand.Uint32()
	for m.rpc.pending[tid] != nil {
		tid++
	}
	est := &m.rpc.rtt[s.fam]
	q := &query{
		tid: tid, to: to, id: id, sent: now,
		late: now.Add(est.late()), lost: now.Add(est.lost()),
	}
	m.rpc.pending[tid] = q
	m.rpc.byTime.Push(q)
	msg.Kind, msg.ID, msg.ReadOnly = Query, s.id, m.cfg.ReadOnly
	msg.TID = binary.BigEndian.AppendUint32(nil, tid)
	if !id.IsZero() {
		s.table.sent(now, NodeInfo{ID: id, Addr: to})
	}
	m.count.QueriesOut++
	m.send(to, msg)
	return q
}

// ping sends a query that serves the routing table alone. Where nodes are
// still wanted it is a find_node, which brings some as well.
func (m *Machine) ping(now time.Time, s *side, to netip.AddrPort, id ID) {
	if !m.pinging.take(now) {
		return
	}
	msg := &Message{Method: methodPing}
	if i := s.table.index(id); len(s.table.buckets[i].live) < K {
		msg.Method, msg.HasTarget = methodFindNode, true
		msg.Target = m.refreshTarget(s, i)
	}
	m.ask(now, s, to, id, msg)
}

// refreshTarget draws an ID in the range of a bucket.
func (m *Machine) refreshTarget(s *side, bucket int) ID {
	return randomIDSharing(m.rand, s.id, bucket, bucket < len(s.table.buckets)-1)
}

// receive handles one datagram.
func (m *Machine) receive(now time.Time, from netip.AddrPort, data []byte) {
	m.count.PacketsIn++
	s := m.fams[familyOf(from.Addr())]
	if s == nil || !usable(from) {
		return
	}
	msg, err := ParseMessage(data)
	if err != nil {
		m.count.Malformed++
		if e := err.(*ProtocolError); e.TID != nil && !m.cfg.ReadOnly && m.mayServe(now, from) {
			m.fail(from, e.TID, codeProtocol, e.Msg)
		}
		return
	}
	if msg.Kind == Query {
		m.serve(now, s, from, msg)
		return
	}
	q := m.rpc.take(msg.TID, from)
	if q == nil {
		m.count.Unexpected++
		return
	}
	m.lostRow = 0
	m.rpc.rtt[s.fam].add(now.Sub(q.sent))
	m.vote(now, s, from.Addr(), msg.Requester)
	if msg.Kind == Failure {
		m.refused(q)
		return
	}
	m.settled = true
	m.replied(now, s, q, msg)
}

// replied handles the response to q.
func (m *Machine) replied(now time.Time, s *side, q *query, msg *Message) {
	m.count.RepliesIn++
	node := NodeInfo{ID: msg.ID, Addr: q.to}
	if !q.id.IsZero() && q.id != msg.ID {
		// Somebody else lives there now.
		s.table.failed(now, NodeInfo{ID: q.id, Addr: q.to})
	}
	if !s.isRouter(q.to) {
		empty := s.table.len() == 0
		if doubt, ok := s.table.replied(now, node); ok {
			m.ping(now, s, doubt.Addr, doubt.ID)
		}
		if empty && !s.selfRunning { // BEP 5: "Upon inserting the first node"
			s.selfNext = now
			m.nextCare = now
		}
	}
	m.learn(now, s, q, msg)
	l := q.lookup
	switch {
	case l == nil:
	case q.store:
		l.storeOut--
		l.job.stored++
	case q.cand.state != replied && q.cand.state != failed:
		l.answered(q.cand, msg.ID, msg.Token)
		l.job.nodes++
		m.found(l.job, q.to.Addr(), msg.Values)
	}
}

// learn takes up the nodes of a reply: those of its own family continue the
// lookup, the others may help a poor table (BEP 32, "Bootstrapping").
func (m *Machine) learn(now time.Time, s *side, q *query, msg *Message) {
	for _, n := range msg.Nodes {
		if !believable(n.Addr, q.to.Addr()) {
			continue
		}
		if familyOf(n.Addr.Addr()) != s.fam {
			if o := m.fams[1-s.fam]; o != nil && o.table.len() < K && o.hint(n.Addr, false) {
				o.selfNext = earlier(o.selfNext, now)
			}
			continue
		}
		switch {
		case n.ID == s.id || s.seen.is(n.Addr.Addr()):
		case q.lookup != nil && !q.store:
			q.lookup.add(n, true)
		case q.lookup == nil && s.table.wants(now, n):
			m.verify(now, s, n)
		}
	}
}

// verify pings a node that we only heard of, unless that was done lately.
func (m *Machine) verify(now time.Time, s *side, n NodeInfo) {
	for _, r := range m.recent {
		if r == n.Addr {
			return
		}
	}
	m.recent[m.recentPos] = n.Addr
	m.recentPos = (m.recentPos + 1) % len(m.recent)
	m.ping(now, s, n.Addr, n.ID)
}

// refused handles an error: the node lives, but does not do what we asked.
func (m *Machine) refused(q *query) {
	m.count.ErrorsIn++
	if l := q.lookup; l != nil {
		if q.store {
			l.storeOut--
		} else {
			l.giveUp(q.cand)
		}
	}
}

// giveUp marks a candidate that will not answer.
func (l *lookup) giveUp(c *candidate) {
	if c.state == asked {
		l.asked--
	}
	if c.state != replied {
		c.state = failed
	}
}

// expire handles the queries whose time is up.
func (m *Machine) expire(now time.Time) {
	for len(m.rpc.byTime) > 0 && !m.rpc.byTime[0].due().After(now) {
		q := m.rpc.byTime[0]
		s := m.fams[familyOf(q.to.Addr())]
		if !q.isLate {
			q.isLate = true
			m.rpc.byTime.Fix(q)
			m.late(q)
			continue
		}
		m.rpc.drop(q)
		m.lost(now, s, q)
	}
}

// late lets the lookup go on without a reply. A near node gets the query once
// more: packets do get lost, and the nearest nodes matter most.
func (m *Machine) late(q *query) {
	if q.lookup == nil || q.store || q.cand.state != asked {
		return
	}
	if q.cand.tries < 2 && q.lookup.near(q.cand) {
		q.cand.state = fresh
	} else {
		q.cand.state = late
	}
	q.lookup.asked--
}

// lost counts a node as not responding.
func (m *Machine) lost(now time.Time, s *side, q *query) {
	m.count.Lost++
	m.lostRow++
	// When nobody at all replies any more, the fault is more likely ours.
	if !q.id.IsZero() && m.lostRow <= outageAfter {
		if s.table.failed(now, NodeInfo{ID: q.id, Addr: q.to}) {
			m.ping(now, s, q.to, q.id) // "it is suggested to try once more", BEP 5
		}
	}
	l := q.lookup
	switch {
	case l == nil:
		s.dropHint(q.to)
	case q.store:
		l.storeOut--
		if q.cand.stores < 2 {
			l.toStore = append(l.toStore, q.cand)
		}
	case q.cand.state == late:
		if !q.cand.known {
			s.dropHint(q.to)
		}
		l.giveUp(q.cand)
	}
}
