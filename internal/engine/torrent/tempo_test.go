package torrent

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
)

// pacedPeer is a peer with pieces that has sent something, at a pace.
func pacedPeer(m *Machine, key PeerKey, pace float64, pieces ...int) *peer {
	p := &peer{Peer: &swarm.Peer{Key: key}, key: key, has: bits.New(10), queue: newQueue(), pace: pace}
	for _, i := range pieces {
		p.has.Set(i)
	}
	if pace > 0 {
		p.down.Add(noon.Add(-time.Hour), 1)
	}
	m.byKey[key] = p
	m.peers = append(m.peers, p)
	return p
}

func paced() *Machine {
	return &Machine{now: noon, byKey: map[PeerKey]*peer{}, blockTime: latency{mean: 1, dev: 0.5}}
}

// The best are kept, the best first.
func TestKeepKeepsTheBest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, better := range []func(a, b float64) bool{less, more} {
		for n := 1; n < 6; n++ {
			var list []pacer
			var all []float64
			for range 20 {
				x := float64(rng.IntN(1000))
				all = append(all, x)
				list = keep(list, pacer{seconds: x}, n, better)
				slices.SortFunc(all, func(a, b float64) int {
					if better(a, b) {
						return -1
					}
					return 1
				})
				want := all[:min(n, len(all))]
				if len(list) != len(want) {
					t.Fatalf("%d are kept instead of %d", len(list), len(want))
				}
				for k := range want {
					if list[k].seconds != want[k] {
						t.Fatalf("%v instead of %v", list, want)
					}
				}
			}
		}
	}
}

func TestLatencyFollowsTheBlocks(t *testing.T) {
	var l latency
	expect := func(what string, overdue, tardy, patience time.Duration) {
		t.Helper()
		if l.overdue() != overdue || l.tardy() != tardy || l.patience() != patience {
			t.Errorf("%s: overdue after %v, tardy after %v, patience of %v", what, l.overdue(), l.tardy(), l.patience())
		}
	}
	const ms = time.Millisecond
	expect("nothing", 250*ms, 250*ms, 15*time.Second)
	l.add(time.Second)
	expect("one", 1250*ms, 2*time.Second, 15*time.Second)
	l.add(3 * time.Second) // mean 1.125, deviation 0.59375
	expect("two", 1421875*time.Microsecond, 2312500*time.Microsecond, 15*time.Second)
	l.add(125 * ms) // mean 1.0625, deviation 0.619140625
	expect("a quick one", 1372070312, 2300781249, 15*time.Second)
	l = latency{mean: 16, dev: 2}
	expect("a thin line", 17*time.Second, 20*time.Second, 24*time.Second)
	l = latency{mean: 50, dev: 10}
	expect("a very thin line", 55*time.Second, 70*time.Second, time.Minute)
}

// How long a peer takes for one more block is known from its pace, its queue and its
// silence.
func TestExpectedTime(t *testing.T) {
	const block = float64(BlockSize)
	for _, c := range []struct {
		what    string
		pace    float64
		queue   int
		silence time.Duration
		snubbed bool
		want    float64
	}{
		{"nothing asked", 4 * block, 0, time.Hour, false, 0.25},
		{"four asked", 4 * block, 4, 0, false, 1.25},
		{"silent for as long as a block takes", 4 * block, 4, time.Second / 4, false, 1.25},
		{"silent for longer", 4 * block, 4, time.Second, false, 5},
		{"slower than any", 1, 1, 0, false, 32},
		{"snubbed", 4 * block, 1, 0, true, 60},
		{"a stranger", 0, 0, 0, false, 1},
		{"a stranger that was asked", 0, startWindow / 2, 0, false, 1.5},
	} {
		m := paced()
		p := pacedPeer(m, 1, c.pace)
		for k := range c.queue {
			p.queue.add(request{index: uint32(k), length: BlockSize, at: noon.Add(-c.silence)})
		}
		p.queue.last = noon.Add(-c.silence)
		p.queue.snubbed = c.snubbed
		if got := m.expected(p); got != c.want {
			t.Errorf("%s: %v s instead of %v", c.what, got, c.want)
		}
	}
}

// A piece that a peer would bring too late is left to another that is at least twice as
// quick and can be asked.
func TestWhoIsTooSlowForAPiece(t *testing.T) {
	const block = float64(BlockSize)
	slow, soon := block/4, noon.Add(2*time.Second) // four seconds a block
	for _, c := range []struct {
		what string
		due  time.Time
		mine float64
		than func(m *Machine) // who else is there
		want bool
	}{
		{"nobody else", soon, slow, func(*Machine) {}, false},
		{"a quick one", soon, slow, func(m *Machine) { pacedPeer(m, 2, block, 3) }, true},
		{"one that is twice as quick", soon, slow, func(m *Machine) { pacedPeer(m, 2, 2*slow, 3) }, false},
		{"one that is a little more than twice as quick", soon, slow, func(m *Machine) { pacedPeer(m, 2, 2.01*slow, 3) }, true},
		{"in time", noon.Add(4 * time.Second), slow, func(m *Machine) { pacedPeer(m, 2, block, 3) }, false},
		{"just too late", noon.Add(4*time.Second - 1), slow, func(m *Machine) { pacedPeer(m, 2, block, 3) }, true},
		{"within a second", noon, 1.01 * block, func(m *Machine) { pacedPeer(m, 2, 10*block, 3) }, false},
		{"a second", noon, block, func(m *Machine) { pacedPeer(m, 2, 10*block, 3) }, true},
		{"one without the piece", soon, slow, func(m *Machine) { pacedPeer(m, 2, block, 4) }, false},
		{"one that chokes us", soon, slow, func(m *Machine) { pacedPeer(m, 2, block, 3).choked = true }, false},
		{"one that fell silent", soon, slow, func(m *Machine) { pacedPeer(m, 2, block, 3).queue.snubbed = true }, false},
		{"a stranger", soon, slow, func(m *Machine) { pacedPeer(m, 2, 0, 3) }, false},
		{"several", soon, slow, func(m *Machine) { pacedPeer(m, 2, 2*block, 4); pacedPeer(m, 3, block, 3) }, true},
	} {
		m := paced()
		p := pacedPeer(m, 1, c.mine, 3)
		c.than(m)
		if got := m.tooSlowFor(p, m.expected(p), 3, c.due); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
	// A look serves for a quarter of a second; who went meanwhile is not waited for.
	m := paced()
	p, quick := pacedPeer(m, 1, slow, 3), pacedPeer(m, 2, block, 3)
	m.look()
	delete(m.byKey, quick.key)
	if m.tooSlowFor(p, 4, 3, soon) {
		t.Error("a piece is left to a peer that is gone")
	}
	m.byKey[quick.key] = quick
	quick.queue.snubbed = true
	if m.tooSlowFor(p, 4, 3, soon) {
		t.Error("a piece is left to a peer that fell silent meanwhile")
	}
	quick.queue.snubbed = false
	works := m.tempo.work
	m.now = noon.Add(tempoFor - 1)
	m.look()
	if m.tempo.at != noon || m.tempo.work != works {
		t.Error("all peers are looked at twice in a quarter of a second")
	}
	m.now = noon.Add(tempoFor)
	if m.look(); m.tempo.at != m.now {
		t.Error("nobody was looked at for a quarter of a second")
	}
}

// Requests that have fallen behind are those at the front of a queue.
func TestTardyRequestsAreCounted(t *testing.T) {
	m := paced()
	p := pacedPeer(m, 1, 1<<20)
	for k := range 5 {
		p.queue.add(request{index: uint32(k), length: BlockSize, at: noon.Add(time.Duration(k-5) * time.Second)})
	}
	for limit, want := range map[time.Duration]int{time.Nanosecond: 5, time.Second: 5, time.Second + 1: 4, 3 * time.Second: 3, 5 * time.Second: 1, 5*time.Second + 1: 0} {
		if got := m.tardyOf(p, limit); got != want {
			t.Errorf("%d requests are older than %v", got, limit)
		}
	}
	m.asked = 5 // by 2 s, as the blocks take, four of them are late
	if tempo := m.look(); tempo.coming != 1 || tempo.asked != 5 {
		t.Errorf("%d of %d are on their way", tempo.coming, tempo.asked)
	}
}

// Starved peers are looked at when there is something for them, and no others.
func TestStarvedPeersAreWoken(t *testing.T) {
	for _, c := range []struct {
		what string
		news func(s *starved)
		want []PeerKey
	}{
		{"nothing", func(*starved) {}, nil},
		{"a piece of one", func(s *starved) { s.tell(1) }, []PeerKey{1}},
		{"the same twice", func(s *starved) { s.tell(1); s.tell(1) }, []PeerKey{1}},
		{"pieces of two", func(s *starved) { s.tell(1); s.tell(3) }, []PeerKey{1, 3}},
		{"a piece of nobody", func(s *starved) { s.tell(9) }, nil},
		{"as many as are named", func(s *starved) {
			for i := range maxNews {
				s.tell(i)
			}
		}, []PeerKey{1, 2, 3, 4, 5, 6, 7}},
		{"too many to name", func(s *starved) {
			for i := range maxNews {
				s.tell(100 + i)
			}
			s.tell(200)
		}, []PeerKey{1, 2, 3, 4, 5, 6, 7, 8}},
		{"room", func(s *starved) { s.room = true }, []PeerKey{5, 6}},
	} {
		m := paced()
		s := &m.starved
		for key := PeerKey(1); key <= 8; key++ {
			p := pacedPeer(m, key, 1, int(key))
			p.roomless = key >= 5 && key <= 7
			s.add(p)
			s.add(p)
		}
		s.turn = 3
		c.news(s)
		var woken []PeerKey
		wake := func() { s.wake(func(p *peer) { woken = append(woken, p.key) }) }
		wake()
		slices.Sort(woken)
		if c.what == "room" { // two of those that had none
			if len(woken) != roomWakes || woken[0] < 5 || woken[1] > 7 {
				t.Errorf("%s: %v", c.what, woken)
			}
		} else if !slices.Equal(woken, c.want) {
			t.Errorf("%s: %v", c.what, woken)
		}
		if len(s.list) != 8-len(woken) {
			t.Errorf("%s: %d are starved still", c.what, len(s.list))
		}
		for _, key := range woken {
			if m.byKey[key].starvedAt != 0 {
				t.Errorf("%s: peer %d is woken and starved", c.what, key)
			}
		}
		for at, p := range s.list {
			if p.starvedAt != at+1 {
				t.Errorf("%s: the list has lost track of peer %d", c.what, p.key)
			}
		}
		woken = nil
		if wake(); len(woken) != 0 {
			t.Errorf("%s: woken again: %v", c.what, woken)
		}
	}
	// What is told while nobody is starved is not kept.
	m := paced()
	m.starved.tell(1)
	m.starved.add(pacedPeer(m, 1, 1, 1))
	m.starved.wake(func(*peer) { t.Error("woken by old news") })
}
