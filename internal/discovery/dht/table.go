package dht

import (
	"iter"
	"net/netip"
	"slices"
	"time"
)

const (
	// K is the number of nodes in a bucket, in a reply and in the set that stores
	// an announcement (BEP 5).
	K = 8
	// maxPerNetwork bounds the contacts of one /24 or /48 in a bucket.
	maxPerNetwork = 2
)

// table is the routing table of one address family: buckets[i] holds the IDs
// whose common prefix with ours is exactly i bits long, the last bucket those
// with at least so many. Only the last one, in whose range our own ID falls,
// is ever split.
type table struct {
	self    ID
	buckets []bucket
}

type bucket struct {
	live    []contact // at most K, oldest first
	spare   []contact // replacement cache, at most K, least recently seen first
	changed time.Time
}

func newTable(self ID, now time.Time) *table {
	return &table{self: self, buckets: []bucket{{changed: now}}}
}

func (t *table) index(id ID) int { return min(prefixLen(t.self, id), len(t.buckets)-1) }

// len counts the contacts in use, without the replacement cache.
func (t *table) len() int {
	n := 0
	for i := range t.buckets {
		n += len(t.buckets[i].live)
	}
	return n
}

func (t *table) good(now time.Time) int {
	n := 0
	for c := range t.all() {
		if c.good(now) {
			n++
		}
	}
	return n
}

// all visits the contacts in use, bucket by bucket.
func (t *table) all() iter.Seq[*contact] {
	return func(yield func(*contact) bool) {
		for i := range t.buckets {
			for j := range t.buckets[i].live {
				if !yield(&t.buckets[i].live[j]) {
					return
				}
			}
		}
	}
}

// find returns the contact that is exactly this node, or nil.
func (t *table) find(n NodeInfo) *contact {
	b := &t.buckets[t.index(n.ID)]
	for _, list := range [2][]contact{b.live, b.spare} {
		for i := range list {
			if list[i].NodeInfo == n {
				return &list[i]
			}
		}
	}
	return nil
}

// replied records a reply to one of our queries, which is what admits a node.
// When the bucket is full, doubt names its least recently seen questionable
// contact: if a ping shows that one to be dead, the newcomer takes its place.
func (t *table) replied(now time.Time, n NodeInfo) (doubt NodeInfo, ping bool) {
	if n.ID == t.self || !t.evictTwins(n) {
		return NodeInfo{}, false
	}
	i := t.index(n.ID)
	b := &t.buckets[i]
	if c := t.find(n); c != nil {
		c.seen, c.fails = now, 0
		if slices.ContainsFunc(b.live, func(l contact) bool { return l.NodeInfo == n }) {
			b.changed = now
			return NodeInfo{}, false
		}
		b.spare = slices.DeleteFunc(b.spare, func(s contact) bool { return s.NodeInfo == n })
	}
	c := contact{NodeInfo: n, secure: Secure(n.ID, n.Addr.Addr()), seen: now}
	for {
		b = &t.buckets[t.index(n.ID)]
		if t.tooManyNeighbours(b, n.Addr.Addr()) {
			return NodeInfo{}, false
		}
		if len(b.live) < K {
			b.live = append(b.live, c)
			b.changed = now
			return NodeInfo{}, false
		}
		if j := slices.IndexFunc(b.live, func(l contact) bool { return l.bad() }); j >= 0 {
			b.live = append(slices.Delete(b.live, j, j+1), c)
			b.changed = now
			return NodeInfo{}, false
		}
		if t.index(n.ID) != len(t.buckets)-1 || len(t.buckets) >= 160 {
			break
		}
		t.split()
	}
	// An ID bound to its address is worth more than one anybody could choose.
	if j := slices.IndexFunc(b.live, func(l contact) bool { return !l.secure }); j >= 0 && c.secure {
		b.addSpare(b.live[j])
		b.live = append(slices.Delete(b.live, j, j+1), c)
		b.changed = now
		return NodeInfo{}, false
	}
	b.addSpare(c)
	return b.questionable(now)
}

// evictTwins makes room for n among contacts that look like the same node: the
// same address with another ID (it restarted) or the same host with another
// port. It reports false when such a twin is alive and n has to stay out.
func (t *table) evictTwins(n NodeInfo) bool {
	local := isLocal(n.Addr.Addr())
	twin := func(c contact) bool {
		if c.NodeInfo == n {
			return false
		}
		return c.Addr == n.Addr || c.ID == n.ID ||
			!local && host(c.Addr.Addr()) == host(n.Addr.Addr())
	}
	for i := range t.buckets {
		b := &t.buckets[i]
		for j := range b.live {
			if c := &b.live[j]; twin(*c) && !c.bad() && c.Addr != n.Addr {
				return false
			}
		}
		b.spare = slices.DeleteFunc(b.spare, twin)
		b.live = slices.DeleteFunc(b.live, twin)
	}
	return true
}

func (t *table) tooManyNeighbours(b *bucket, a netip.Addr) bool {
	if isLocal(a) {
		return false
	}
	n := 0
	for i := range b.live {
		if network(b.live[i].Addr.Addr()) == network(a) {
			n++
		}
	}
	return n >= maxPerNetwork
}

// split replaces the last bucket by two, each with half its range.
func (t *table) split() {
	depth := len(t.buckets) - 1
	old := t.buckets[depth]
	far, near := bucket{changed: old.changed}, bucket{changed: old.changed}
	side := func(id ID) *bucket {
		if prefixLen(t.self, id) == depth {
			return &far
		}
		return &near
	}
	for _, c := range old.live {
		b := side(c.ID)
		b.live = append(b.live, c)
	}
	for _, c := range old.spare {
		b := side(c.ID)
		if len(b.live) < K && !t.tooManyNeighbours(b, c.Addr.Addr()) {
			b.live = append(b.live, c)
		} else {
			b.spare = append(b.spare, c)
		}
	}
	t.buckets = append(t.buckets[:depth], far, near)
}

func (b *bucket) addSpare(c contact) {
	if len(b.spare) >= K {
		b.spare = slices.Delete(b.spare, 0, 1)
	}
	b.spare = append(b.spare, c)
}

// questionable picks the least recently seen contact that is neither good nor
// bad, if it was not asked in the last minute.
func (b *bucket) questionable(now time.Time) (NodeInfo, bool) {
	var best *contact
	for i := range b.live {
		c := &b.live[i]
		if !c.good(now) && !c.bad() && now.Sub(c.pinged) > time.Minute &&
			(best == nil || c.lastHeard().Before(best.lastHeard())) {
			best = c
		}
	}
	if best == nil {
		return NodeInfo{}, false
	}
	return best.NodeInfo, true
}

// asked records a query from n. It reports whether n is unknown and would find
// a place, so that it is worth a ping.
func (t *table) asked(now time.Time, n NodeInfo) (wanted bool) {
	if c := t.find(n); c != nil {
		c.queried = now
		return false
	}
	return t.wants(now, n)
}

// wants reports whether n is unknown and would find a place.
func (t *table) wants(now time.Time, n NodeInfo) bool {
	if n.ID == t.self || t.find(n) != nil {
		return false
	}
	i := t.index(n.ID)
	b := &t.buckets[i]
	if t.tooManyNeighbours(b, n.Addr.Addr()) {
		return false
	}
	return len(b.live) < K || i == len(t.buckets)-1 ||
		slices.ContainsFunc(b.live, func(c contact) bool { return !c.good(now) })
}

// failed records a query without reply. It reports whether n is a contact that
// deserves a second try before it counts as bad.
func (t *table) failed(now time.Time, n NodeInfo) (again bool) {
	i := t.index(n.ID)
	b := &t.buckets[i]
	j := slices.IndexFunc(b.live, func(c contact) bool { return c.NodeInfo == n })
	if j < 0 {
		b.spare = slices.DeleteFunc(b.spare, func(c contact) bool { return c.NodeInfo == n })
		return false
	}
	c := &b.live[j]
	c.fails++
	if !c.bad() {
		return true
	}
	if last := len(b.spare) - 1; last >= 0 {
		b.live = append(slices.Delete(b.live, j, j+1), b.spare[last])
		b.spare = b.spare[:last]
		b.changed = now
	} else if c.fails >= goneAfter {
		b.live = slices.Delete(b.live, j, j+1)
	}
	return false
}

// closest appends to dst up to n contacts nearest to target, nearest first.
func (t *table) closest(dst []contact, now time.Time, target ID, n int, onlyGood bool) []contact {
	start := len(dst)
	for c := range t.all() {
		if c.bad() || onlyGood && !c.good(now) {
			continue
		}
		i := len(dst)
		for i > start && Closer(target, c.ID, dst[i-1].ID) {
			i--
		}
		if i-start < n {
			dst = slices.Insert(dst, i, *c)
			dst = dst[:min(len(dst), start+n)]
		}
	}
	return dst
}

// sent records a query of ours, whatever becomes of it.
func (t *table) sent(now time.Time, n NodeInfo) {
	if c := t.find(n); c != nil {
		c.pinged = now
	}
}

// stalest returns the contact that has been silent for longest, if that is
// longer than limit and it was not asked in the last minute.
func (t *table) stalest(now time.Time, limit time.Duration) (NodeInfo, bool) {
	var best *contact
	for c := range t.all() {
		if now.Sub(c.seen) > limit && now.Sub(c.pinged) > time.Minute &&
			(best == nil || c.seen.Before(best.seen)) {
			best = c
		}
	}
	if best == nil {
		return NodeInfo{}, false
	}
	return best.NodeInfo, true
}

// staleBucket returns the index of a bucket that has not changed for freshFor.
func (t *table) staleBucket(now time.Time) (int, bool) {
	for i := range t.buckets {
		if now.Sub(t.buckets[i].changed) >= freshFor {
			return i, true
		}
	}
	return 0, false
}

// rebase moves every contact into a table around another ID of ours.
func (t *table) rebase(now time.Time, self ID) *table {
	fresh := newTable(self, now)
	for pass := range 2 {
		for i := range t.buckets {
			list := t.buckets[i].live
			if pass == 1 {
				list = t.buckets[i].spare
			}
			for _, c := range list {
				if !c.bad() {
					fresh.replied(c.seen, c.NodeInfo)
				}
			}
		}
	}
	for i := range fresh.buckets {
		fresh.buckets[i].changed = now
	}
	return fresh
}
