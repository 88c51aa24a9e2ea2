package swarm

import (
	"math/rand/v2"
	"testing"
)

// All swarms are told, a part at a time.
func TestSizes(t *testing.T) {
	c := New[*int](Config{}, rand.New(rand.NewPCG(1, 2)), t0)
	conn := new(int)
	for i := range 10 {
		for p := range i + 1 {
			a := RTCAnnounce[*int]{Hash: num(i), Peer: num(100*i + p), Conn: conn, Left: 1}
			if p == 0 {
				a.Left = 0
			}
			if _, _, err := c.AnnounceRTC(t0, a, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	seen, calls := map[Hash]int{}, 0
	for from, more := 0, true; more; more = from > 0 {
		calls++
		from = c.Sizes(from, 3, func(s Size) {
			if s.Seeders != 1 || s.TCPPeers != 0 || s.Peers() != s.RTCPeers {
				t.Errorf("%+v", s)
			}
			seen[s.Hash] = s.Peers()
		})
	}
	for i := range 10 {
		if seen[num(i)] != i+1 {
			t.Errorf("swarm %d has %d peers", i, seen[num(i)])
		}
	}
	if len(seen) != 10 || calls != 4 {
		t.Errorf("%d swarms in %d calls", len(seen), calls)
	}
}
