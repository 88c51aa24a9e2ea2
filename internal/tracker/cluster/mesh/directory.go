package mesh

// An entry says which nodes have a swarm.
type entry struct {
	hash    Hash
	slot    int  // index in Mesh.entries
	dirty   bool // in Mesh.dirty
	holders []holder
}

type holder struct {
	holding
	generation uint32  // of the node, when it reported
	seen       instant // when it last reported
}

func (e *entry) find(id NodeID) int {
	for i := range e.holders {
		if e.holders[i].node == id {
			return i
		}
	}
	return -1
}

// onReport notes what a node has of a swarm. Whether this node is the owner in its own eyes does not
// matter: the nodes' views differ for a moment when one comes or goes.
func (m *Mesh) onReport(t instant, from NodeID, generation uint32, h Hash, n tally, flags byte) {
	e := m.directory[h]
	i := -1
	if e != nil {
		i = e.find(from)
	}
	if n.zero() {
		if i >= 0 {
			m.removeHolder(t, e, i)
		}
		return
	}
	if e == nil {
		if len(m.directory) >= m.cfg.Directory {
			return
		}
		e = &entry{hash: h, slot: len(m.entries)}
		m.directory[h] = e
		m.entries = append(m.entries, e)
	}
	changed := i < 0 || e.holders[i].n != n
	if i < 0 {
		if len(e.holders) >= maxNodes {
			return
		}
		flags |= reportAsk
		i = len(e.holders)
		e.holders = append(e.holders, holder{})
	}
	e.holders[i] = holder{holding{from, n}, generation, t}
	if flags&reportAsk != 0 && (len(e.holders) > 1 || flags&reportKnows != 0) {
		m.tell(t, e, from)
	}
	if changed && len(e.holders) > 1 {
		m.soil(t, e)
	}
}

// soil has the holders told before long.
func (m *Mesh) soil(t instant, e *entry) {
	if !e.dirty {
		e.dirty = true
		m.dirty.push(t+changeAfter, e)
	}
}

func (m *Mesh) removeHolder(t instant, e *entry, i int) {
	last := len(e.holders) - 1
	e.holders[i] = e.holders[last]
	e.holders = e.holders[:last]
	if last > 0 {
		m.soil(t, e)
		return
	}
	delete(m.directory, e.hash)
	end := len(m.entries) - 1
	m.entries[e.slot] = m.entries[end]
	m.entries[e.slot].slot = e.slot
	m.entries[end] = nil
	m.entries = m.entries[:end]
	e.dirty = false
}

func (m *Mesh) tellHolders(t instant, e *entry) {
	for i := range e.holders {
		m.tell(t, e, e.holders[i].node)
	}
}

// tell tells a node who else has a swarm. Of very many it names some, a different run each time.
func (m *Mesh) tell(t instant, e *entry, to NodeID) {
	r := record{kind: kindOthers, hash: e.hash, holdings: m.named[:0]}
	start := 0
	if len(e.holders) > maxOthers {
		start = m.rng.IntN(len(e.holders))
	}
	for i := range e.holders {
		o := &e.holders[(start+i)%len(e.holders)]
		if o.node == to || !m.alive(o.node) {
			continue
		}
		r.n = r.n.plus(o.n)
		if len(r.holdings) < maxOthers {
			r.holdings = append(r.holdings, o.holding)
		}
	}
	m.named = r.holdings
	if to == m.cfg.ID {
		m.onOthers(t, to, e.hash, r.n, r.holdings)
		return
	}
	m.rec = r
	m.send(t, to, &m.rec)
}

// audit removes holders that are gone, or whose report is so old that a later one must
// have been lost.
func (m *Mesh) audit(t instant, e *entry) {
	owned := m.owner(&e.hash) == m.cfg.ID
	for i := len(e.holders) - 1; i >= 0; i-- {
		h := &e.holders[i]
		limit := forgetAfter
		if !owned || h.generation != m.generationOf(h.node) {
			limit = 2 * goneAfter // it reports to the owner, or anew, within seconds
		}
		if !m.alive(h.node) || t-h.seen > limit {
			m.removeHolder(t, e, i)
		}
	}
}
