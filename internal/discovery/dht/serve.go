package dht

import (
	"net/netip"
	"slices"
	"time"
)

// mayServe applies the limits on what others can make us send.
func (m *Machine) mayServe(now time.Time, from netip.AddrPort) bool {
	if m.hosts.take(now, from) && m.serving.take(now) {
		return true
	}
	m.count.Dropped++
	return false
}

func (m *Machine) fail(to netip.AddrPort, tid []byte, code int, text string) {
	m.send(to, &Message{Kind: Failure, TID: tid, Code: code, Text: text, Requester: to})
}

// serve answers a query.
func (m *Machine) serve(now time.Time, s *side, from netip.AddrPort, msg *Message) {
	if m.cfg.ReadOnly || !m.mayServe(now, from) {
		return
	}
	m.count.QueriesIn++
	node := NodeInfo{ID: msg.ID, Addr: from}
	if !msg.ReadOnly && s.table.asked(now, node) {
		m.verify(now, s, node)
	}
	reply := &Message{Kind: Response, TID: msg.TID, ID: s.id, Requester: from}
	switch msg.Method {
	case methodPing:
	case methodFindNode, methodGetPeers:
		if !msg.HasTarget {
			m.fail(from, msg.TID, codeProtocol, "target is missing")
			return
		}
		m.addNodes(now, s, reply, msg)
		if msg.Method == methodGetPeers {
			m.addPeers(now, s, reply, msg.Target, from)
		}
	case methodAnnounce:
		if code, text := m.storePeer(now, from, msg); code != 0 {
			m.fail(from, msg.TID, code, text)
			return
		}
	default:
		m.fail(from, msg.TID, codeMethod, "method unknown")
		return
	}
	m.send(from, reply)
}

// addNodes adds the K closest good nodes of the families asked for, by default
// that of the query (BEP 32).
func (m *Machine) addNodes(now time.Time, s *side, reply, msg *Message) {
	want := msg.Want
	if !msg.HasWant {
		want = Want4 << s.fam
	}
	for f, o := range m.fams {
		if o == nil || want&(Want4<<f) == 0 {
			continue
		}
		reply.Want |= Want4 << f
		n := 0
		for _, c := range o.table.closest(nil, now, msg.Target, K+1, true) {
			// Neither its own address nor one of our network is of use to it.
			if c.ID != msg.ID && believable(c.Addr, reply.Requester.Addr()) && n < K {
				reply.Nodes = append(reply.Nodes, c.NodeInfo)
				n++
			}
		}
	}
}

// addPeers adds a token and as many peers of the query's family as fit.
func (m *Machine) addPeers(now time.Time, s *side, reply *Message, hash ID, from netip.AddrPort) {
	if !m.store.full(now) {
		tok := m.tokens.make(now, from.Addr())
		reply.Token = tok[:]
	}
	size := len("6:valuesle")
	for f, n := range [families]int{26, 38} {
		size += n * reply.count(family(f))
	}
	each := len("6:") + 6
	if s.fam == ipv6 {
		each = len("18:") + 18
	}
	const frame = 200 // everything else, at its longest
	reply.Values = m.store.get(nil, now, hash, s.fam, (maxReply-frame-size)/each)
	reply.Values = slices.DeleteFunc(reply.Values, func(ap netip.AddrPort) bool { return !believable(ap, from.Addr()) })
}

func (m *Machine) storePeer(now time.Time, from netip.AddrPort, msg *Message) (code int, text string) {
	port := msg.Port
	if msg.Implied {
		port = from.Port()
	}
	switch {
	case !msg.HasTarget:
		return codeProtocol, "info_hash is missing"
	case port == 0:
		return codeProtocol, "port is missing"
	case !m.tokens.valid(now, from.Addr(), msg.Token):
		return codeProtocol, "bad token"
	case !m.store.put(now, msg.Target, netip.AddrPortFrom(from.Addr(), port)):
		return codeServer, "no room"
	}
	m.count.Announced++
	return 0, ""
}
