package swarm

import (
	"math/bits"
	"math/rand/v2"
)

// A query says which rows of a table are wanted.
type query struct {
	// The rows that are eligible, as table.eligible says: size of them from lo on. The first
	// row follows the last.
	lo, size int
	self     int // the row of the announcer, or -1
	want     int
	leechers bool   // there are no seeders among them
	place    Place  // of the announcer; zero chooses at random
	src      Source // of the announcer
	slot     uint32 // the loadSlot of now
	// What a WebRTC peer may be given: offers that wait, and likewise of one that has never
	// answered; offers of a slot. All are 0 for TCP peers, which may be given at any time.
	waiting, fresh, total int
}

// A chooser is the scratch space of choose.
type chooser struct {
	rng *rand.Rand
	// What is eligible of how many rows, as in query.
	lo, size, rows int

	spare  uint32 // random bits, if spared
	spared bool
	out    []int32
	marks  []uint64 // a bit for each eligible row that is not to be drawn again
	marked []int32  // the rows that have it
	found  []candidate
	srcs   []Source // of those in out, who are not at the announcer's address
	share  int      // how many of one source may be in out
}

type candidate struct {
	row   int32
	score int16
}

// Of ten chosen, at least randomTenths are drawn from all eligible rows with equal
// chances, wherever they are: they keep a swarm in one piece and its pieces mixed.
const randomTenths = 3

// Of the receivers of an announce's offers, one in sourceShare may be at one address, unless
// the announcer is there too: somebody who opens many connections does not get all offers of a
// swarm. Few or many, everybody behind one address still meets the others there.
const sourceShare = 4

// moreTries is how many rows are drawn beyond those wanted when many may have no more
// offers: one honest peer among a hundred that hold their share is then found mostly.
const moreTries = 128

// choose returns up to q.want eligible rows. The result is valid until the next call.
func choose[K comparable, V any](c *chooser, t *table[K, V], q *query) []int32 {
	c.out, c.marked, c.srcs = c.out[:0], c.marked[:0], c.srcs[:0]
	c.lo, c.size, c.rows = q.lo, q.size, len(t.rows)
	c.share = max(1, q.want/sourceShare)
	if words := (c.size + 63) / 64; len(c.marks) < words {
		c.marks = make([]uint64, words+words/4)
	}
	if q.self >= 0 && c.offset(q.self) < c.size {
		c.mark(q.self)
	}
	n := min(q.want, c.size-len(c.marked))
	switch {
	case n <= 0:
	case n == c.size-len(c.marked):
		// Everybody; where the round starts decides who gets the first offer.
		start := c.intN(c.size)
		for j := range c.size {
			if i := c.row((start + j) % c.size); i != q.self && (q.waiting == 0 || t.idle(int32(i), q)) {
				c.out = append(c.out, int32(i))
			}
		}
	default:
		if t.near != nil && q.place != (Place{}) {
			random := n * randomTenths / 10
			if c.intN(10) < n*randomTenths%10 {
				random++
			}
			draw(c, t, q, random)
			nearest(c, t, n, q)
		}
		draw(c, t, q, n-len(c.out))
	}
	for _, i := range c.marked {
		c.unmark(int(i))
	}
	return c.out
}

// offset returns how far row i is behind the first that is eligible. It is not eligible itself if that
// is size or more.
func (c *chooser) offset(i int) int {
	if i < c.lo {
		return i - c.lo + c.rows
	}
	return i - c.lo
}

// row returns the row at an offset.
func (c *chooser) row(offset int) int {
	if i := c.lo + offset; i < c.rows {
		return i
	}
	return c.lo + offset - c.rows
}

// idle reports whether row i may be given an offer.
func (t *table[K, V]) idle(i int32, q *query) bool {
	l := load(t.rows[i].time).at(q.slot)
	most := q.fresh
	if l.replied() {
		most = q.waiting
	}
	return l.sum() < most && l.total() < q.total
}

// fits reports whether a row may be chosen beside those that are. Whom the operator trusts may be
// at one address.
func fits[K comparable, V any](c *chooser, t *table[K, V], i int32, q *query) bool {
	src := t.rows[i].src
	if src == 0 || src == q.src || q.waiting == 0 || t.role(int(i)).Trust == Trusted {
		return true
	}
	n := 0
	for _, s := range c.srcs {
		if s == src {
			n++
		}
	}
	return n < c.share
}

// chosen appends a row to c.out.
func (c *chooser) chosen(i int32, src Source, q *query) {
	c.out = append(c.out, i)
	if src != 0 && src != q.src && q.waiting > 0 {
		c.srcs = append(c.srcs, src)
	}
}

// draw appends up to k rows at random to c.out: those that may be chosen, as far as some
// more draws find them.
func draw[K comparable, V any](c *chooser, t *table[K, V], q *query, k int) {
	if q.waiting == 0 {
		for ; k > 0 && len(c.marked) < c.size; k-- {
			i := c.next()
			c.mark(i)
			c.out = append(c.out, int32(i))
		}
		return
	}
	for tries := k + moreTries; k > 0 && tries > 0 && len(c.marked) < c.size; tries-- {
		i := c.next()
		c.mark(i)
		if t.idle(int32(i), q) && fits(c, t, int32(i), q) {
			c.chosen(int32(i), t.rows[i].src, q)
			k--
		}
	}
}

// intN returns a random number below n. With 32 random bits for it, one number is
// likelier than another by less than n/2³².
func (c *chooser) intN(n int) int {
	bits := c.spare
	if c.spared = !c.spared; c.spared {
		r := c.rng.Uint64()
		bits, c.spare = uint32(r), uint32(r>>32)
	}
	return int(uint64(bits) * uint64(n) >> 32)
}

// next returns one of the eligible rows without a mark, each with the same chance.
func (c *chooser) next() int {
	if 2*len(c.marked) < c.size {
		for {
			if k := c.intN(c.size); c.marks[k/64]&(1<<(k%64)) == 0 {
				return c.row(k)
			}
		}
	}
	// Few are left: count to the one drawn.
	k := c.intN(c.size - len(c.marked))
	for w := 0; ; w++ {
		free := ^c.marks[w]
		if n := bits.OnesCount64(free); k >= n {
			k -= n
			continue
		}
		for ; k > 0; k-- {
			free &= free - 1
		}
		return c.row(w*64 + bits.TrailingZeros64(free))
	}
}

// mark takes an eligible row out of what can be drawn, and reports false if it was out already.
func (c *chooser) mark(i int) bool {
	k := c.offset(i)
	if c.marks[k/64]&(1<<(k%64)) != 0 {
		return false
	}
	c.marks[k/64] |= 1 << (k % 64)
	c.marked = append(c.marked, int32(i))
	return true
}

// unmark undoes mark, but for marked.
func (c *chooser) unmark(i int) {
	k := c.offset(i)
	c.marks[k/64] &^= 1 << (k % 64)
}

// stages are where near rows are looked for, in this order, until there are enough. The
// first gives half of them at most: a peer that met those of its prefix at one announce
// would be given the same at each further one, and nobody else of its ISP.
var stages = [...]struct {
	level int
	score int16 // from this on rows are candidates
	cap   int16 // no difference is made above
}{
	{byPrefix, samePrefix, sameAddr},
	{byASN, sameASN, sameASN},
	{byPrefix, samePrefix, sameAddr},
	{byCountry, sameCountry, sameCountry},
}

// nearest appends rows near q.place to c.out until there are n of them or no more.
func nearest[K comparable, V any](c *chooser, t *table[K, V], n int, q *query) {
	near := t.near
	for i, stage := range stages {
		most := n
		if i == 0 {
			most -= (n - len(c.out)) / 2
		}
		if len(c.out) >= most {
			continue
		}
		c.found = c.found[:0]
		find := func(i int32) {
			score := q.place.score(&near.places[i])
			if score >= stage.score && c.offset(int(i)) < c.size && (q.waiting == 0 || t.idle(i, q) && fits(c, t, i, q)) && c.mark(int(i)) {
				c.found = append(c.found, candidate{i, min(score, stage.cap)})
			}
		}
		if near.pos == nil || c.size <= groupFrom {
			for k := range c.size {
				find(int32(c.row(k)))
			}
		} else if g := near.groups[stage.level][q.place.value(stage.level)]; g != nil {
			rows := g.rows
			if q.leechers {
				rows = rows[g.seeders:]
			}
			if len(rows) <= groupFrom {
				for _, i := range rows {
					find(i)
				}
			} else {
				for range 4*(most-len(c.out)) + 8 {
					find(rows[c.intN(len(rows))])
				}
			}
		}
		take(c, t, most, q)
	}
}

// take moves the nearest of c.found to c.out until there are n, equals at random, and
// takes the marks from the others.
func take[K comparable, V any](c *chooser, t *table[K, V], n int, q *query) {
	c.marked = c.marked[:len(c.marked)-len(c.found)]
	left := c.found
	for score := sameAddr; score > 0 && len(c.out) < n; score-- {
		equals := 0
		for j := range left {
			if left[j].score == score {
				left[j], left[equals] = left[equals], left[j]
				equals++
			}
		}
		for ; equals > 0 && len(c.out) < n; equals-- {
			j := c.intN(equals)
			if i := left[j].row; fits(c, t, i, q) {
				c.chosen(i, t.rows[i].src, q)
				c.marked = append(c.marked, i)
			} else {
				c.unmark(int(i))
			}
			left[j] = left[0]
			left = left[1:]
			// left[0] took the place of the one taken, so the equals are in front still.
		}
	}
	for _, f := range left {
		c.unmark(int(f.row))
	}
}
