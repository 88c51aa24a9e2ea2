package swarm

import "math/rand/v2"

// A table is a set of peers that can be sampled: all rows lie side by side, the
// seeders first, so that "any leecher" is a range.
type table[K comparable, V any] struct {
	rows    []row[K, V]
	seeders int
	index   map[K]int32 // nil while the table is small enough to be searched
	peak    int         // most rows since index was made
}

type row[K comparable, V any] struct {
	key K
	val V
}

// Most swarms have two or three peers; a map for each would be most of their memory.
const indexFrom = 16

// find returns the row of k, or -1.
func (t *table[K, V]) find(k K) int {
	if t.index != nil {
		if i, ok := t.index[k]; ok {
			return int(i)
		}
		return -1
	}
	for i := range t.rows {
		if t.rows[i].key == k {
			return i
		}
	}
	return -1
}

func (t *table[K, V]) isSeeder(i int) bool { return i < t.seeders }

// add appends a row that is not there yet.
func (t *table[K, V]) add(k K, v V, seeder bool) {
	t.rows = append(t.rows, row[K, V]{k, v})
	i := len(t.rows) - 1
	switch {
	case t.index != nil:
		t.index[k] = int32(i)
	case len(t.rows) > indexFrom:
		t.reindex()
	}
	t.peak = max(t.peak, len(t.rows))
	if seeder {
		t.setSeeder(i, true)
	}
}

// setSeeder moves row i to the right side of the border and returns its new place.
func (t *table[K, V]) setSeeder(i int, seeder bool) int {
	if t.isSeeder(i) == seeder {
		return i
	}
	if seeder {
		t.swap(i, t.seeders)
		t.seeders++
		return t.seeders - 1
	}
	t.seeders--
	t.swap(i, t.seeders)
	return t.seeders
}

// remove deletes row i; rows after it may change places.
func (t *table[K, V]) remove(i int) {
	i = t.setSeeder(i, false)
	last := len(t.rows) - 1
	t.swap(i, last)
	if t.index != nil {
		delete(t.index, t.rows[last].key)
	}
	t.rows[last] = row[K, V]{}
	t.rows = t.rows[:last]
	// A crowd that has gone should not keep its memory.
	if cap(t.rows) > 64 && len(t.rows) < cap(t.rows)/4 {
		t.rows = append(make([]row[K, V], 0, 2*len(t.rows)), t.rows...)
	}
	if t.index != nil && len(t.rows) < t.peak/4 {
		t.reindex()
	}
}

func (t *table[K, V]) swap(i, j int) {
	if i == j {
		return
	}
	t.rows[i], t.rows[j] = t.rows[j], t.rows[i]
	if t.index != nil {
		t.index[t.rows[i].key] = int32(i)
		t.index[t.rows[j].key] = int32(j)
	}
}

func (t *table[K, V]) reindex() {
	t.peak = len(t.rows)
	if len(t.rows) <= indexFrom {
		t.index = nil
		return
	}
	t.index = make(map[K]int32, len(t.rows))
	for i := range t.rows {
		t.index[t.rows[i].key] = int32(i)
	}
}

// sample appends up to n distinct numbers of [lo,hi) other than skip to dst, each
// choice equally likely. marks is scratch space that it may grow.
func sample(rng *rand.Rand, lo, hi, skip, n int, dst []int32, marks *[]uint64) []int32 {
	size := hi - lo
	if skip >= lo && skip < hi {
		size--
	} else {
		skip = hi
	}
	if n > size {
		n = size
	}
	if n <= 0 {
		return dst
	}
	place := func(j int) int32 {
		if j += lo; j >= skip {
			j++
		}
		return int32(j)
	}
	if n == size {
		// Everybody; where the round starts decides who gets the first offer.
		start := rng.IntN(size)
		for j := range size {
			dst = append(dst, place((start+j)%size))
		}
		return dst
	}
	// Floyd: n random numbers, no shuffle of the table.
	words := (size + 63) / 64
	if len(*marks) < words {
		*marks = make([]uint64, words+words/4)
	}
	m := *marks
	first := len(dst)
	for j := size - n; j < size; j++ {
		k := rng.IntN(j + 1)
		if m[k/64]&(1<<(k%64)) != 0 {
			k = j
		}
		m[k/64] |= 1 << (k % 64)
		dst = append(dst, int32(k))
	}
	for i := first; i < len(dst); i++ {
		k := int(dst[i])
		m[k/64] &^= 1 << (k % 64)
		dst[i] = place(k)
	}
	return dst
}
