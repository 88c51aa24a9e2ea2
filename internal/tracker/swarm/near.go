package swarm

// near says where the rows of a table are, and in a large table who is near whom, so
// that peers near an announcer are found without looking at all.
type near struct {
	places []Place
	// pos is where each row stands in its group of each level, or -1; nil while the
	// table is small.
	pos    [][numLevels]int32
	groups [numLevels]map[uint32]*group
}

// A group is the rows that share the value of a level, the seeders first.
type group struct {
	rows    []int32
	seeders int32
}

// The levels with groups, nearest first. Peers of the same address are found in the
// group of their prefix, not always if that is large.
const (
	byPrefix = iota
	byASN
	byCountry
	numLevels
)

const (
	// groupFrom is how many rows make groups worth their memory.
	groupFrom = 64
	// ungroupBelow is how few rows end them.
	ungroupBelow = 32
)

// The scores of how near two places are.
const (
	sameCountry int16 = 1 + iota
	sameASN
	samePrefix
	sameAddr
)

func (p *Place) score(q *Place) int16 {
	switch {
	case p.Addr != 0 && p.Addr == q.Addr:
		return sameAddr
	case p.Prefix != 0 && p.Prefix == q.Prefix:
		return samePrefix
	case p.ASN != 0 && p.ASN == q.ASN:
		return sameASN
	case p.Country != [2]byte{} && p.Country == q.Country:
		return sameCountry
	}
	return 0
}

// value is what p has in common with its group of a level; 0 means it is in none.
func (p *Place) value(level int) uint32 {
	switch level {
	case byPrefix:
		return p.Prefix
	case byASN:
		return p.ASN
	}
	return uint32(p.Country[0])<<8 | uint32(p.Country[1])
}

// add appends a row, a leecher of unknown place.
func (n *near) add() {
	n.places = append(n.places, Place{})
	if n.pos != nil {
		n.pos = append(n.pos, [numLevels]int32{-1, -1, -1})
	}
}

// set says where row i is.
func (n *near) set(i int, p Place, seeders int) {
	if n.places[i] != p {
		for l := range numLevels {
			n.leave(i, l)
		}
		n.places[i] = p
		for l := range numLevels {
			n.enter(i, l, i < seeders)
		}
	}
	if n.pos == nil && len(n.places) > groupFrom {
		n.pos = make([][numLevels]int32, len(n.places), cap(n.places))
		for l := range numLevels {
			n.groups[l] = make(map[uint32]*group)
			for i := range n.places {
				n.enter(i, l, i < seeders)
			}
		}
	}
}

// enter puts row i into its group of a level.
func (n *near) enter(i, level int, seeder bool) {
	if n.pos == nil {
		return
	}
	n.pos[i][level] = -1
	v := n.places[i].value(level)
	if v == 0 {
		return
	}
	g := n.groups[level][v]
	if g == nil {
		g = &group{rows: make([]int32, 0, 1)}
		n.groups[level][v] = g
	}
	n.pos[i][level] = int32(len(g.rows))
	g.rows = append(g.rows, int32(i))
	if seeder {
		n.cross(g, i, level, true)
	}
}

// leave takes row i out of its group of a level.
func (n *near) leave(i, level int) {
	if n.pos == nil || n.pos[i][level] < 0 {
		return
	}
	v := n.places[i].value(level)
	g := n.groups[level][v]
	if n.pos[i][level] < g.seeders {
		n.cross(g, i, level, false)
	}
	last := int32(len(g.rows) - 1)
	n.exchange(g, level, n.pos[i][level], last)
	n.pos[i][level] = -1
	if g.rows = shrunk(g.rows[:last]); last == 0 {
		delete(n.groups[level], v)
	}
}

// cross takes row i over the border between seeders and leechers in g.
func (n *near) cross(g *group, i, level int, seeder bool) {
	if seeder {
		n.exchange(g, level, n.pos[i][level], g.seeders)
		g.seeders++
	} else {
		g.seeders--
		n.exchange(g, level, n.pos[i][level], g.seeders)
	}
}

func (n *near) exchange(g *group, level int, a, b int32) {
	g.rows[a], g.rows[b] = g.rows[b], g.rows[a]
	n.pos[g.rows[a]][level], n.pos[g.rows[b]][level] = a, b
}

func (n *near) setSeeder(i int, seeder bool) {
	if n.pos == nil {
		return
	}
	for l := range numLevels {
		if n.pos[i][l] >= 0 {
			n.cross(n.groups[l][n.places[i].value(l)], i, l, seeder)
		}
	}
}

// swap exchanges the rows i and j.
func (n *near) swap(i, j int) {
	n.places[i], n.places[j] = n.places[j], n.places[i]
	if n.pos == nil {
		return
	}
	n.pos[i], n.pos[j] = n.pos[j], n.pos[i]
	for _, k := range [...]int{i, j} {
		for l := range numLevels {
			if at := n.pos[k][l]; at >= 0 {
				n.groups[l][n.places[k].value(l)].rows[at] = int32(k)
			}
		}
	}
}

// removeLast deletes the last row.
func (n *near) removeLast() {
	last := len(n.places) - 1
	for l := range numLevels {
		n.leave(last, l)
	}
	n.places = shrunk(n.places[:last])
	switch {
	case n.pos == nil:
	case last < ungroupBelow:
		n.pos, n.groups = nil, [numLevels]map[uint32]*group{}
	default:
		n.pos = shrunk(n.pos[:last])
	}
}
