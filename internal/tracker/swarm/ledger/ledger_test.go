package ledger

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func rng() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func num(n int) (h swarm.Hash) { binary.BigEndian.PutUint32(h[:], uint32(n)); return h }

func addr(n int) netip.Addr { return netip.AddrFrom4([4]byte{9, byte(n >> 16), byte(n >> 8), byte(n)}) }

// cores are 16 that share a Ledger, as in a tracker; a swarm belongs to one of them.
func cores(l *Ledger) (all [16]*swarm.Core[int]) {
	for i := range all {
		all[i] = swarm.New[int](swarm.Config{Ledger: l}, rng(), t0)
	}
	return all
}

func join(c *swarm.Core[int], h swarm.Hash, peer int, src swarm.Source) error {
	_, _, err := c.AnnounceRTC(t0, swarm.RTCAnnounce[int]{Hash: h, Peer: num(peer), Conn: peer, Left: 1, Source: src}, nil)
	return err
}

// One stream may have all the peers that the tracker may have.
func TestOneSwarmMayHaveAllPeers(t *testing.T) {
	const most = 16_000
	l := New(Config{Peers: most}, rng())
	all := cores(l)
	for i := range most {
		if err := join(all[3], num(1), i, l.Source(addr(i))); err != nil {
			t.Fatalf("peer %d of %d: %v", i, most, err)
		}
	}
	if err := join(all[4], num(2), most, l.Source(addr(most))); err != swarm.ErrFull {
		t.Errorf("one peer too many: %v", err)
	}
	all[3].Part(t0, num(1), 7, num(7))
	if err := join(all[4], num(2), most, l.Source(addr(most))); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}

// One address, with as many connections as it likes, does not fill the tracker.
func TestOneAddressHasAQuota(t *testing.T) {
	l := New(Config{Peers: 100_000, Swarms: 100_000}, rng())
	all := cores(l)
	got := 0
	for i := range 50_000 {
		switch err := join(all[i%16], num(i), i, l.Source(addr(1))); err {
		case nil:
			got++
		case swarm.ErrQuota:
		default:
			t.Fatal(err)
		}
	}
	if want := 100_000 / 64; got != want {
		t.Errorf("one address has %d peers, want %d", got, want)
	}
	n := 0
	for _, c := range all {
		n += c.Totals().Swarms
	}
	if n != got {
		t.Errorf("%d swarms for %d peers", n, got)
	}
	if err := join(all[0], num(1<<20), 1, l.Source(addr(2))); err != nil {
		t.Errorf("another address: %v", err)
	}
	// By TCP likewise.
	_, _, err := all[0].AnnounceTCP(t0, swarm.TCPAnnounce{Hash: num(1<<20 + 16), Addr: netip.AddrPortFrom(addr(1), 7), Left: 1}, nil)
	if err != swarm.ErrQuota {
		t.Errorf("by TCP: %v", err)
	}
	l = New(Config{PeersPerAddr: -1, Peers: 2000, Exempt: func(a netip.Addr) bool { return a == addr(3) }}, rng())
	if l.Source(addr(3)) != 0 || l.Source(addr(4)) == 0 {
		t.Error("the wrong address is exempt")
	}
	c := cores(l)[0]
	for i := range 2000 {
		if err := join(c, num(1), i, l.Source(addr(4))); err != nil {
			t.Fatalf("no quota, peer %d: %v", i, err)
		}
	}
}

// 100 addresses fill the tracker with swarms of one peer each. An honest visitor, who comes with
// some torrents, gets in all the same, and theirs go; the swarms of others stay.
func TestHeavyAddressesMakeRoom(t *testing.T) {
	for _, kind := range []string{"swarms", "peers"} {
		cfg := Config{Swarms: 20_000, Peers: 100_000, PeersPerAddr: 1000}
		if kind == "peers" {
			cfg = Config{Swarms: 100_000, Peers: 20_000, PeersPerAddr: 1000}
		}
		l := New(cfg, rng())
		all := cores(l)
		at := func(h int) *swarm.Core[int] { return all[h%16] }
		for i := range 1000 {
			if err := join(at(i), num(i), i, l.Source(addr(1000+i/5))); err != nil {
				t.Fatal(err)
			}
		}
		full := false
		for i := 1000; i < 50_000; i++ {
			err := join(at(i), num(i), i, l.Source(addr(i%100)))
			full = full || err == swarm.ErrFull
		}
		if !full {
			t.Fatal("it was never full")
		}
		var ousted []swarm.Hash
		for i := range 500 {
			h := 100_000 + i
			if err := join(at(h), num(h), i, l.Source(addr(5000+i/10))); err != nil {
				t.Fatalf("%s: torrent %d of an honest visitor: %v", kind, i, err)
			}
			ousted = at(h).Ousted(ousted)
			if err := join(at(h), num(1<<20+h), i, l.Source(addr(1))); err != swarm.ErrFull && err != swarm.ErrQuota {
				t.Fatalf("%s: one of those who have filled it: %v", kind, err)
			}
		}
		if len(ousted) != 500 {
			t.Errorf("%s: %d swarms made room for 500", kind, len(ousted))
		}
		for i := range 1000 {
			if at(i).Scrape(num(i)).Incomplete != 1 {
				t.Fatalf("%s: swarm %d, of an address with five, is gone", kind, i)
			}
		}

		// Nobody need ask: what is nearly full is swept.
		if !l.Tight() {
			t.Fatalf("%s: full and not tight", kind)
		}
		gone := 0
		for _, c := range all {
			c.Expire(t0, 0, func(swarm.Hash) { gone++ })
		}
		if l.Tight() || gone < 2000 {
			t.Errorf("%s: %d swarms were swept", kind, gone)
		}
		for i := range 1000 {
			if at(i).Scrape(num(i)).Incomplete != 1 {
				t.Fatalf("%s: swarm %d, of an address with five, was swept", kind, i)
			}
		}
	}
}

func TestCountsReturnToNothing(t *testing.T) {
	l := New(Config{}, rng())
	var wg sync.WaitGroup
	for w, c := range cores(l) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 2000 {
				if err := join(c, num(i/3), i, l.Source(addr(i%1500))); err != nil {
					t.Errorf("core %d: %v", w, err)
				}
			}
			if n := l.Peers(l.Source(addr(w))); n < 2 {
				t.Errorf("core %d: a source has %d peers", w, n)
			}
			for i := range 2000 {
				c.Part(t0, num(i/3), i, num(i))
			}
		}()
	}
	wg.Wait()
	if l.peers.Load() != 0 || l.swarms.Load() != 0 {
		t.Errorf("%d peers, %d swarms are left", l.peers.Load(), l.swarms.Load())
	}
	for i := range l.stripes {
		if n := len(l.stripes[i].peers); n > 0 {
			t.Fatalf("%d sources are left", n)
		}
	}
}
