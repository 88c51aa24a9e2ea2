package swarm

// Trust says whom a peer may meet. It goes both ways: two peers meet if each may meet the other.
type Trust uint8

// The kinds of trust.
const (
	Ordinary Trust = iota // meets all who are not Limited
	Limited               // meets those who are Trusted alone
	Trusted               // meets everybody
)

// meets reports whether two peers may meet.
func (t Trust) meets(o Trust) bool {
	return t == Trusted || o == Trusted || t == Ordinary && o == Ordinary
}

// A Role is what decides which peers one is introduced to.
type Role struct {
	Seeder bool
	Trust  Trust
}

// Meets reports whether two peers are introduced to each other: they may meet, and one of them
// lacks something.
func (r Role) Meets(o Role) bool { return r.Trust.meets(o.Trust) && !(r.Seeder && o.Seeder) }

// The rows of a table stand in six segments in this order. Whom somebody may meet is then one
// range of rows, if the first row follows the last: nobody looks at rows that are of no use.
const (
	trustedSeeders = iota
	ordinarySeeders
	limitedSeeders
	limitedLeechers
	ordinaryLeechers
	trustedLeechers
)

func (r Role) segment() int {
	if r.Seeder {
		return [...]int{Ordinary: ordinarySeeders, Limited: limitedSeeders, Trusted: trustedSeeders}[r.Trust]
	}
	return [...]int{Ordinary: ordinaryLeechers, Limited: limitedLeechers, Trusted: trustedLeechers}[r.Trust]
}

// uncommon counts the rows of a table that are not Ordinary. Few tables have any.
type uncommon struct{ trustedSeeders, limitedSeeders, limitedLeechers, trustedLeechers int32 }

// notOrdinary counts the rows that are not Ordinary.
func (t *table[K, V]) notOrdinary() uncommon {
	if t.uncommon == nil {
		return uncommon{}
	}
	return *t.uncommon
}

// end returns the first place behind a segment.
func (t *table[K, V]) end(segment int) int {
	n := t.notOrdinary()
	switch segment {
	case trustedSeeders:
		return int(n.trustedSeeders)
	case ordinarySeeders:
		return int(t.seeders - n.limitedSeeders)
	case limitedSeeders:
		return int(t.seeders)
	case limitedLeechers:
		return int(t.seeders + n.limitedLeechers)
	case ordinaryLeechers:
		return len(t.rows) - int(n.trustedLeechers)
	}
	return len(t.rows)
}

// segment returns where row i stands.
func (t *table[K, V]) segment(i int) int {
	for s := range trustedLeechers {
		if i < t.end(s) {
			return s
		}
	}
	return trustedLeechers
}

func (t *table[K, V]) isSeeder(i int) bool { return i < int(t.seeders) }

// role returns what row i is.
func (t *table[K, V]) role(i int) Role {
	r := Role{Seeder: t.isSeeder(i)}
	if t.uncommon == nil {
		return r
	}
	switch t.segment(i) {
	case trustedSeeders, trustedLeechers:
		r.Trust = Trusted
	case limitedSeeders, limitedLeechers:
		r.Trust = Limited
	}
	return r
}

// setRole moves row i to its segment and returns its new place.
func (t *table[K, V]) setRole(i int, r Role) int {
	if t.uncommon == nil {
		if r.Trust == Ordinary {
			return t.setSeeder(i, r.Seeder)
		}
		t.uncommon = new(uncommon)
	}
	i = t.move(i, r.segment())
	t.settle()
	return i
}

// settle forgets the counts when all rows are Ordinary.
func (t *table[K, V]) settle() {
	if t.notOrdinary() == (uncommon{}) {
		t.uncommon = nil
	}
}

// setSeeder is setRole in a table where all rows are Ordinary.
func (t *table[K, V]) setSeeder(i int, seeder bool) int {
	if t.isSeeder(i) == seeder {
		return i
	}
	to := int(t.seeders)
	if !seeder {
		to--
	}
	t.swap(i, to)
	if seeder {
		t.seeders++
	} else {
		t.seeders--
	}
	if t.near != nil {
		t.near.setSeeder(to, seeder)
	}
	return to
}

// move takes row i from segment to segment. t.uncommon must be there.
func (t *table[K, V]) move(i, to int) int {
	at := t.segment(i)
	for ; at < to; at++ {
		j := t.end(at) - 1
		t.swap(i, j)
		t.shift(at, j, -1)
		i = j
	}
	for ; at > to; at-- {
		j := t.end(at - 1)
		t.swap(i, j)
		t.shift(at-1, j, 1)
		i = j
	}
	return i
}

// shift moves the end of a segment by one row, row i.
func (t *table[K, V]) shift(segment, i int, by int32) {
	n := t.uncommon
	switch segment {
	case trustedSeeders:
		n.trustedSeeders += by
	case ordinarySeeders:
		n.limitedSeeders -= by
	case limitedSeeders:
		t.seeders += by
		n.limitedSeeders += by
		n.limitedLeechers -= by
		if t.near != nil {
			t.near.setSeeder(i, by > 0)
		}
	case limitedLeechers:
		n.limitedLeechers += by
	case ordinaryLeechers:
		n.trustedLeechers -= by
	}
}

// eligible returns the range of rows whom a peer may meet: size of them from lo on, the first
// follows the last. leechers says that it has no use for seeders.
func (t *table[K, V]) eligible(trust Trust, leechers bool) (lo, size int) {
	switch all := len(t.rows); {
	case leechers:
		lo = t.end([...]int{Ordinary: limitedLeechers, Limited: ordinaryLeechers, Trusted: limitedSeeders}[trust])
		return lo, all - lo
	case trust == Trusted || t.uncommon == nil && trust == Ordinary:
		return 0, all
	case trust == Limited:
		lo = t.end(ordinaryLeechers)
		return lo, all - lo + t.end(trustedSeeders)
	default:
		lo = t.end(limitedLeechers)
		return lo, all - lo + t.end(ordinarySeeders)
	}
}

// eligibleSeeders returns how many of the first rows are seeders whom a peer may meet.
func (t *table[K, V]) eligibleSeeders(trust Trust) int {
	return t.end([...]int{Ordinary: ordinarySeeders, Limited: trustedSeeders, Trusted: limitedSeeders}[trust])
}
