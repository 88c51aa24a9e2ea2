package swarm

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The announcer of these tests and how others relate to it.
var here = Place{Addr: 1, Prefix: 1, ASN: 1, Country: [2]byte{'D', 'E'}}

func placed(score int16, i int) Place {
	p := Place{Addr: 1000 + uint32(i), Prefix: 1000 + uint32(i), ASN: 2 + uint32(i%7), Country: [2]byte{'F', 'R'}}
	switch score {
	case sameAddr:
		p = here
	case samePrefix:
		p.Prefix, p.ASN, p.Country = here.Prefix, here.ASN, here.Country
	case sameASN:
		p.ASN, p.Country = here.ASN, here.Country
	case sameCountry:
		p.Country = here.Country
	}
	return p
}

// rounds fills a swarm with count[score] leechers, and as many seeders if the announcer is
// to be one, asks for want of them n times and calls f with how many of each score there were.
func rounds(t *testing.T, locality Locality, count [5]int, seeders bool, want, n int, f func(got [5]int)) {
	t.Helper()
	c, h := newCore(Config{Locality: locality}), id("hash")
	var scores []int16
	for score, n := range count {
		for range n {
			scores = append(scores, int16(score))
		}
	}
	rand.New(rand.NewPCG(5, 5)).Shuffle(len(scores), func(i, j int) { scores[i], scores[j] = scores[j], scores[i] })
	mine := int64(9)
	if seeders {
		mine = 0
		twice := make([]int16, 0, 2*len(scores)) // a seeder and a leecher of each
		for _, score := range scores {
			twice = append(twice, score, score)
		}
		scores = twice
	}
	for i, score := range scores {
		left := int64(9)
		if seeders && i%2 == 0 {
			left = 0
		}
		if _, _, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Event: Started, Left: left, Place: placed(score, i)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		_, to, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: id("me"), Conn: -1, Left: mine, Want: want, Place: here}, nil)
		if err != nil || len(to) != want || len(set(to)) != want {
			t.Fatalf("%v, %v", to, err)
		}
		var got [5]int
		for _, r := range to {
			got[scores[r.Conn]]++
			if seeders && r.Conn%2 == 0 {
				t.Fatal("a seeder was given a seeder")
			}
		}
		rest(c)
		f(got)
	}
}

// Whom an announcer that wants ten is given: three come from everywhere; of the seven that
// are to be near, four are as near as there are any and the others of the same ISP, as far
// as it goes.
func TestNearPeersFirst(t *testing.T) {
	for _, tc := range []struct {
		name     string
		locality Locality
		count    [5]int // far, same country, ISP, prefix, address
		least    [5]int // so near or nearer in every round
	}{
		{"small swarm", LocalityFull, [5]int{30, 3, 2, 3, 2}, [5]int{10, 7, 7, 5, 2}},
		{"small, one address", LocalityFull, [5]int{30, 0, 0, 0, 12}, [5]int{10, 7, 7, 7, 7}},
		{"not the address alone", LocalityFull, [5]int{30, 3, 10, 3, 10}, [5]int{10, 7, 7, 4, 4}},
		{"small country", LocalityFull, [5]int{30, 10, 2, 1, 1}, [5]int{10, 7, 4, 2, 1}},
		{"large swarm", LocalityFull, [5]int{900, 40, 2, 3, 2}, [5]int{10, 7, 7, 5, 2}},
		{"large address", LocalityFull, [5]int{900, 0, 0, 0, 200}, [5]int{10, 7, 7, 7, 7}},
		{"large prefix", LocalityFull, [5]int{900, 0, 0, 200, 0}, [5]int{10, 7, 7, 7, 0}},
		{"large ISP", LocalityFull, [5]int{900, 90, 200, 0, 2}, [5]int{10, 7, 7, 2, 2}},
		{"large country", LocalityFull, [5]int{900, 200, 2, 0, 2}, [5]int{10, 7, 4, 2, 2}},
		{"prefix only, small", LocalityPrefix, [5]int{30, 3, 3, 3, 2}, [5]int{10, 5, 5, 5, 2}},
		{"prefix only, small, many", LocalityPrefix, [5]int{30, 3, 3, 10, 2}, [5]int{10, 7, 7, 7, 2}},
		{"prefix only, large", LocalityPrefix, [5]int{800, 100, 100, 3, 2}, [5]int{10, 5, 5, 5, 2}},
	} {
		for _, seeders := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, ", seeders ", seeders), func(t *testing.T) {
				rounds(t, tc.locality, tc.count, seeders, 10, 500, func(got [5]int) {
					total := 0
					for score, n := range slices.Backward(got[:]) {
						if total += n; total < tc.least[score] {
							t.Fatalf("far to near %v, want so near or nearer at least %v", got, tc.least)
						}
					}
				})
			})
		}
	}
}

// Three of ten are drawn from all alike, however many are near.
func TestRandomShare(t *testing.T) {
	for _, tc := range []struct {
		name     string
		locality Locality
		count    [5]int
		want     int
		far      float64 // the expected share of peers with nothing in common
	}{
		{"full, large", LocalityFull, [5]int{900, 0, 100}, 10, 0.3 * 0.9},
		{"full, large, one wanted", LocalityFull, [5]int{900, 0, 100}, 1, 0.3 * 0.9},
		{"full, large, five wanted", LocalityFull, [5]int{900, 0, 100}, 5, 0.3 * 0.9},
		{"full, small", LocalityFull, [5]int{40, 0, 20}, 5, 0.3 * 40 / 60},
		{"full, all near", LocalityFull, [5]int{0, 0, 100}, 10, 0},
		{"full, none near", LocalityFull, [5]int{100}, 10, 1},
		{"prefix", LocalityPrefix, [5]int{900, 0, 0, 100}, 10, 0.3 * 0.9},
		{"prefix, same ISP", LocalityPrefix, [5]int{900, 0, 100}, 10, 0.9},
		{"off", LocalityOff, [5]int{900, 0, 0, 0, 100}, 10, 0.9},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const n = 4000
			far := 0
			rounds(t, tc.locality, tc.count, false, tc.want, n, func(got [5]int) { far += got[0] })
			if got := float64(far) / float64(n*tc.want); got < tc.far-0.025 || got > tc.far+0.025 {
				t.Errorf("%.3f of the chosen are far, want %.3f", got, tc.far)
			}
		})
	}
}

func TestNearTCPPeersFirst(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		c, h := newCore(Config{Locality: LocalityFull}), id("hash")
		at := func(i int) netip.AddrPort {
			ip := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			if v6 {
				ip = netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i >> 8), 15: byte(i)})
			}
			return netip.AddrPortFrom(ip, 7)
		}
		for i := range 1000 {
			score := int16(0)
			if i%10 == 0 {
				score = sameASN
			}
			if _, _, err := c.AnnounceTCP(t0, TCPAnnounce{Hash: h, Peer: num(i), Addr: at(i), Event: Started, Left: 9, Place: placed(score, i)}, nil); err != nil {
				t.Fatal(err)
			}
		}
		near := 0
		for range 500 {
			_, got, err := c.AnnounceTCP(t0, TCPAnnounce{Hash: h, Peer: id("me"), Addr: at(5000), Left: 9, Want: 50, Place: here}, nil)
			if err != nil || len(set(got)) != 50 {
				t.Fatalf("%d peers, %v", len(got), err)
			}
			for _, p := range got {
				if b := p.Addr.Addr().As16(); (int(b[14])<<8|int(b[15]))%10 == 0 {
					near++
				}
			}
		}
		if got := float64(near) / (500 * 50); got < 0.71 || got > 0.75 {
			t.Errorf("IPv6 %v: %.3f of the peers are of the same ISP, want 0.73", v6, got)
		}
	}
}

// A peer whose place changes, as after a reload of the operator's files, is found anew.
func TestPlaceMayChange(t *testing.T) {
	c, h := newCore(Config{Locality: LocalityFull}), id("hash")
	announce := func(i int, p Place, want int) []Receiver[int] {
		_, to, err := c.AnnounceRTC(t0, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Left: 9, Want: want, Place: p}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	for i := range 200 {
		announce(i, placed(0, i), 0)
	}
	announce(77, here, 0)
	for range 10 {
		rest(c)
		if to := announce(500, here, 10); !set(to)[Receiver[int]{num(77), 77}] {
			t.Fatalf("%v", to)
		}
	}
	check(t, c, LocalityFull)
}

// Whatever happens to a table, its groups and its choices are right.
func TestTable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		rng := rand.New(rand.NewPCG(seed, 0))
		ch := chooser{rng: rng}
		var tab table[int, string]
		var keys []int
		next := 0
		pick := func() int { return rng.IntN(len(keys)) }
		place := func() Place {
			return Place{uint32(rng.IntN(30)), uint32(rng.IntN(10)), uint32(rng.IntN(4)), [2]byte{byte(rng.IntN(3))}}
		}
		kinds := 1
		if rng.IntN(2) == 0 {
			kinds = 3
		}
		role := func() Role { return Role{rng.IntN(2) == 0, Trust(rng.IntN(kinds))} }
		roles := map[int]Role{}
		step := map[string]func(){
			"add": func() {
				roles[next] = role()
				tab.locate(tab.add(row[int, string]{key: next}, roles[next]), place())
				keys = append(keys, next)
				next++
			},
			"remove": func() {
				if len(keys) > 0 {
					i := pick()
					tab.remove(tab.find(keys[i]))
					keys[i] = keys[len(keys)-1]
					keys = keys[:len(keys)-1]
				}
			},
			"turn": func() {
				if len(keys) > 0 {
					i := tab.find(keys[pick()])
					key := tab.rows[i].key
					roles[key] = role()
					if at := tab.setRole(i, roles[key]); tab.rows[at].key != key {
						rt.Fatalf("setRole says that row %d is at %d", i, at)
					}
				}
			},
			"move": func() {
				if len(keys) > 0 {
					tab.locate(tab.find(keys[pick()]), place())
				}
			},
			"load": func() {
				if len(keys) > 0 {
					tab.rows[pick()].time = uint32(load(0).plus(2))
				}
			},
			"choose": func() {
				q := query{self: -1, want: rng.IntN(len(keys) + 2), place: place(), waiting: rng.IntN(4), total: 9}
				q.fresh = q.waiting
				asker := role()
				q.leechers = asker.Seeder
				q.lo, q.size = tab.eligible(asker.Trust, asker.Seeder)
				if len(keys) > 0 && rng.IntN(2) == 0 {
					q.self = pick()
				}
				got := choose(&ch, &tab, &q)
				eligible, idle := 0, 0
				for i := range tab.rows {
					if i == q.self || !asker.Meets(roles[tab.rows[i].key]) {
						continue
					}
					eligible++
					if q.waiting == 0 || tab.idle(int32(i), &q) {
						idle++
					}
				}
				if n := min(q.want, idle); len(got) > n || len(got) < n && eligible <= moreTries || len(set(got)) != len(got) {
					rt.Fatalf("%+v of %d, %d idle: %v", q, eligible, idle, got)
				}
				for _, i := range got {
					if q.waiting > 0 && !tab.idle(i, &q) {
						rt.Fatalf("%+v: row %d is busy", q, i)
					}
					if !asker.Meets(roles[tab.rows[i].key]) || int(i) == q.self {
						rt.Fatalf("%+v: row %d", q, i)
					}
				}
				for _, w := range ch.marks {
					if w != 0 {
						rt.Fatal("marks are left")
					}
				}
			},
		}
		names := []string{"turn", "move", "load", "choose"}
		// The table grows and shrinks over the sizes at which its shape changes.
		for range rapid.IntRange(1, 4).Draw(rt, "waves") {
			for _, phase := range []string{"add", "remove"} {
				for range rapid.IntRange(0, 150).Draw(rt, phase) {
					step[phase]()
					step[names[rng.IntN(len(names))]]()
				}
				if len(keys) != len(tab.rows) {
					rt.Fatalf("%d rows, want %d", len(tab.rows), len(keys))
				}
				if len(keys) > 0 {
					checkTable(t, &tab, LocalityFull)
				}
			}
		}
	})
}
