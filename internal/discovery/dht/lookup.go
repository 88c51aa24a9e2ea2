package dht

import (
	"net/netip"
	"slices"
)

const (
	// alpha is how many queries of a lookup are under way; those that are late
	// do not count.
	alpha = 4
	// maxCandidates and maxQueries bound a lookup whatever it is told.
	maxCandidates = 128
	maxQueries    = 192
	// maxExtra bounds the queries spent on nodes with BEP 42 IDs once the K
	// closest of all have replied.
	maxExtra = 24
	// Candidates of one host or network that a lookup takes up. More than the
	// one that may reply, or naming wrong ports would keep the right one out.
	maxPerHostAsked    = 3
	maxPerNetworkAsked = 6
	// maxToken bounds what an answering node can make us carry.
	maxToken = 64
)

type candState uint8

const (
	fresh   candState = iota
	asked             // a query is under way
	late              // a query is under way, but nobody waits for it
	replied           // has answered
	failed            // does not answer, or must not count
)

// candidate is a node that a lookup has heard of.
type candidate struct {
	NodeInfo
	known  bool // the ID is known, otherwise it is only an address
	secure bool
	state  candState
	tries  int // get_peers or find_node sent
	stores int // announce_peer sent
	token  []byte
}

// lookup walks towards the nodes closest to a target.
type lookup struct {
	target ID
	fam    family
	job    *job
	peers  bool // get_peers instead of find_node
	both   bool // ask for nodes of both families

	cands   []*candidate // nearest first, those without an ID last
	seen    map[netip.AddrPort]struct{}
	asked   int // queries under way that are not late
	queries int // all queries sent
	extra   int // of them, those for the sake of BEP 42

	storing  bool         // the search is over, announcements go out
	toStore  []*candidate // still to be told
	storeOut int          // told, not confirmed
}

func newLookup(target ID, f family, j *job) *lookup {
	return &lookup{target: target, fam: f, job: j, seen: make(map[netip.AddrPort]struct{})}
}

// add takes up a candidate unless it was heard of before or its neighbourhood
// is crowded.
func (l *lookup) add(n NodeInfo, known bool) {
	if _, dup := l.seen[n.Addr]; dup || len(l.seen) >= 4*maxCandidates {
		return
	}
	if a := n.Addr.Addr(); !isLocal(a) {
		hosts, nets := 0, 0
		for _, c := range l.cands {
			if host(c.Addr.Addr()) == host(a) {
				hosts++
			}
			if network(c.Addr.Addr()) == network(a) {
				nets++
			}
		}
		if hosts >= maxPerHostAsked || nets >= maxPerNetworkAsked {
			return
		}
	}
	l.seen[n.Addr] = struct{}{}
	l.insert(&candidate{NodeInfo: n, known: known, secure: known && Secure(n.ID, n.Addr.Addr())})
	if len(l.cands) > maxCandidates {
		l.dropFarthest()
	}
}

func (l *lookup) insert(c *candidate) {
	i := len(l.cands)
	for i > 0 && l.before(c, l.cands[i-1]) {
		i--
	}
	l.cands = slices.Insert(l.cands, i, c)
}

func (l *lookup) before(a, b *candidate) bool {
	if a.known != b.known {
		return a.known
	}
	return a.known && Closer(l.target, a.ID, b.ID)
}

func (l *lookup) dropFarthest() {
	for i := len(l.cands) - 1; i >= 0; i-- {
		if s := l.cands[i].state; s == fresh || s == failed {
			l.cands = slices.Delete(l.cands, i, i+1)
			return
		}
	}
}

// answered records a reply under the ID that the node really has. One reply
// counts for a host, two for a network.
func (l *lookup) answered(c *candidate, id ID, token []byte) {
	if c.state == asked {
		l.asked--
	}
	if i := slices.Index(l.cands, c); i >= 0 && (!c.known || c.ID != id) {
		l.cands = slices.Delete(l.cands, i, i+1)
		c.ID, c.known, c.secure = id, true, Secure(id, c.Addr.Addr())
		l.insert(c)
	}
	c.state = replied
	if len(token) <= maxToken {
		c.token = slices.Clone(token)
	}
	a := c.Addr.Addr()
	twins, neighbours := 0, 0
	for _, o := range l.cands {
		if o == c || o.state != replied {
			continue
		}
		if o.ID == c.ID || !isLocal(a) && host(o.Addr.Addr()) == host(a) {
			twins++
		}
		if !isLocal(a) && network(o.Addr.Addr()) == network(a) {
			neighbours++
		}
	}
	if twins >= 1 || neighbours >= maxPerNetwork {
		c.state = failed
	}
}

// review walks the candidates from the nearest on and returns the next one to
// ask (extra when only BEP 42 asks for it), or whether the search is over, which
// means: the K closest have replied,
// likewise the K closest whose IDs follow BEP 42 when peers are looked for,
// and nobody nearer is being waited for.
func (l *lookup) review() (next *candidate, extra, over bool) {
	all, secure, waiting, slow := 0, 0, false, false
	for _, c := range l.cands {
		enough := all >= K
		if enough && (!l.peers || secure >= K) {
			break
		}
		if enough && !c.secure {
			continue
		}
		switch c.state {
		case replied:
			all++
			if c.secure {
				secure++
			}
		case asked:
			waiting = true
		case late:
			slow = slow || !enough
		case fresh:
			if l.queries >= maxQueries || enough && l.extra >= maxExtra {
				continue
			}
			if l.asked < alpha {
				return c, enough, false
			}
			waiting = true
		}
	}
	return nil, false, !waiting && (all >= K || !slow)
}

// near reports whether c is among the K nearest that have not failed, so that
// its reply is worth a second packet.
func (l *lookup) near(c *candidate) bool {
	n := 0
	for _, o := range l.cands {
		if o == c {
			return true
		}
		if o.state != failed {
			n++
		}
		if n >= K {
			return false
		}
	}
	return false
}

// closest returns the nodes that may store an announcement: the K closest that
// gave a token, with the K closest among those that follow BEP 42.
func (l *lookup) closest() []*candidate {
	var out []*candidate
	all, secure := 0, 0
	for _, c := range l.cands {
		if c.state != replied || len(c.token) == 0 {
			continue
		}
		if all < K || c.secure && secure < K {
			out = append(out, c)
		}
		all++
		if c.secure {
			secure++
		}
	}
	return out
}
