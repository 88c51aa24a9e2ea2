package swarm

// A table is a set of peers that can be sampled: all rows lie side by side, the
// seeders first, so that "any leecher" is a range. Where not everybody may meet everybody
// they stand in the segments of trust.go.
type table[K comparable, V any] struct {
	rows    []row[K, V]
	seeders int32
	peak    int32       // most rows since index was made
	index   map[K]int32 // nil while the table is small enough to be searched
	near    *near       // where the rows are; nil with LocalityOff
	// uncommon counts the rows that are not Ordinary; nil if there are none.
	uncommon *uncommon
}

// The order of the fields leaves no gap: 40 bytes for a WebRTC peer.
type row[K comparable, V any] struct {
	key  K
	time uint32 // of a TCP peer when it was last seen, of a WebRTC peer the load of the offers it was given
	src  Source
	made load // of a WebRTC peer: offers of its own that others were given
	val  V
}

const (
	// Most swarms have two or three peers; a map for each would be most of their memory.
	indexFrom = 16
	// firstRows are made at once: hardly anybody stays alone in a swarm.
	firstRows = 2
)

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

// add appends a row that is not there yet and returns its place.
func (t *table[K, V]) add(r row[K, V], role Role) int {
	if t.rows == nil {
		t.rows = make([]row[K, V], 0, firstRows)
	}
	t.rows = append(t.rows, r)
	i := len(t.rows) - 1
	switch {
	case t.index != nil:
		t.index[r.key] = int32(i)
	case len(t.rows) > indexFrom:
		t.reindex()
	}
	t.peak = max(t.peak, int32(len(t.rows)))
	if t.near != nil {
		t.near.add()
	}
	if t.uncommon != nil {
		t.uncommon.trustedLeechers++ // it stands among them
	}
	return t.setRole(i, role)
}

// locate says where row i is. It must not be called with LocalityOff.
func (t *table[K, V]) locate(i int, p Place) {
	if t.near == nil {
		t.near = &near{places: make([]Place, len(t.rows), cap(t.rows))}
	}
	t.near.set(i, p, int(t.seeders))
}

// remove deletes row i; rows after it may change places.
func (t *table[K, V]) remove(i int) {
	if t.uncommon == nil {
		i = t.setSeeder(i, false)
	} else {
		i = t.move(i, trustedLeechers)
		t.uncommon.trustedLeechers--
		t.settle()
	}
	last := len(t.rows) - 1
	t.swap(i, last)
	if t.index != nil {
		delete(t.index, t.rows[last].key)
	}
	if t.near != nil {
		t.near.removeLast()
	}
	t.rows[last] = row[K, V]{}
	t.rows = shrunk(t.rows[:last])
	if t.index != nil && last < int(t.peak/4) {
		t.reindex()
	}
}

// shrunk gives back the memory of a crowd that has gone.
func shrunk[T any](s []T) []T {
	if cap(s) <= 8 || len(s) >= cap(s)/4 {
		return s
	}
	return append(make([]T, 0, 2*len(s)), s...)
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
	if t.near != nil {
		t.near.swap(i, j)
	}
}

func (t *table[K, V]) reindex() {
	t.peak = int32(len(t.rows))
	if len(t.rows) <= indexFrom {
		t.index = nil
		return
	}
	t.index = make(map[K]int32, len(t.rows))
	for i := range t.rows {
		t.index[t.rows[i].key] = int32(i)
	}
}
