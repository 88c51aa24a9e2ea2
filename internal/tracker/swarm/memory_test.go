package swarm

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// heap returns how many bytes build leaves behind.
func heap[T any](build func() T) (T, float64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	v := build()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return v, float64(after.HeapAlloc) - float64(before.HeapAlloc)
}

// Most swarms of a WebTorrent tracker are two tabs: their cost decides.
func TestMemoryOfASwarm(t *testing.T) {
	const swarms = 100_000
	conn := new(int)
	for _, tc := range []struct {
		name     string
		locality Locality
		tcp      bool
		most     float64
	}{
		{"two WebRTC peers", LocalityOff, false, 260},
		{"two WebRTC peers, full locality", LocalityFull, false, 420},
		{"two TCP peers", LocalityOff, true, 420},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, bytes := heap(func() *Core[*int] {
				c := New[*int](Config{Locality: tc.locality}, rand.New(rand.NewPCG(1, 2)), t0)
				for i := range 2 * swarms {
					var err error
					if tc.tcp {
						a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 7)
						_, _, err = c.AnnounceTCP(t0, TCPAnnounce{Hash: num(i / 2), Peer: num(i), Addr: a, Left: 1}, nil)
					} else {
						_, _, err = c.AnnounceRTC(t0, RTCAnnounce[*int]{Hash: num(i / 2), Peer: num(i), Conn: conn, Left: 1, Place: placed(0, i)}, nil)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				return c
			})
			t.Logf("%.0f bytes a swarm", bytes/swarms)
			if bytes/swarms > tc.most {
				t.Errorf("%.0f bytes a swarm, at most %.0f are allowed", bytes/swarms, tc.most)
			}

			// All of it comes back when everybody has gone.
			_, back := heap(func() any {
				if tc.tcp {
					c.Expire(t0.Add(time.Hour), 0, nil)
				} else {
					for i := range 2 * swarms {
						c.Part(t0, num(i/2), conn, num(i))
					}
				}
				return nil
			})
			if got := c.Totals(); got != (Totals{}) {
				t.Fatalf("%+v are left", got)
			}
			if left := bytes + back; left > 100<<10 {
				t.Errorf("%.0f bytes of %.0f are kept", left, bytes)
			}
			runtime.KeepAlive(c)
		})
	}
}

func TestAnnouncesAllocateNothing(t *testing.T) {
	for _, locality := range []Locality{LocalityOff, LocalityFull} {
		c, h := newCore(Config{Locality: locality}), id("hash")
		at := func(i int) (netip.AddrPort, netip.AddrPort) {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 7),
				netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}), 7)
		}
		var to []Receiver[int]
		var peers []TCPPeer
		now := t0
		round := func() {
			now = now.Add(time.Minute)
			for i := range 100 {
				v4, v6 := at(i)
				p := placed(int16(i%5), i)
				_, to, _ = c.AnnounceRTC(now, RTCAnnounce[int]{Hash: h, Peer: num(i), Conn: i, Left: int64(i % 2), Want: 10, Place: p}, to[:0])
				for _, r := range to {
					c.Route(h, r.Conn, r.Peer, num(i))
				}
				_, peers, _ = c.AnnounceTCP(now, TCPAnnounce{Hash: h, Peer: num(i), Addr: v4, Left: int64(i % 2), Want: 50, Place: p}, peers[:0])
				_, peers, _ = c.AnnounceTCP(now, TCPAnnounce{Hash: h, Peer: num(i), Addr: v6, Left: int64(i % 2), Want: 50, Place: p}, peers[:0])
			}
		}
		for range 20 {
			round() // what is kept grows to its size
		}
		if n := testing.AllocsPerRun(20, round); n > 0 {
			t.Errorf("locality %d: %v allocations in 300 announces", locality, n)
		}
	}
}
