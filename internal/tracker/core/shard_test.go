package core

import (
	"crypto/sha1"
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// However many processors there are, each of their loops is home to as many swarms as any other, and
// a small machine has no more shards than it needs.
func TestShardsFollowTheProcessors(t *testing.T) {
	for _, procs := range []int{1, 2, 3, 4, 6, 16, 17, 48, 64, 200} {
		n, loops := numShards(procs), min(procs, 64)
		if n%loops != 0 || n < 16 || n/loops < 4 || procs <= 4 && n > 18 {
			t.Errorf("%d shards for %d processors", n, procs)
		}
		homes := make([]int, loops)
		const swarms = 64_000
		for i := range swarms {
			h := swarm.Hash(sha1.Sum(binary.BigEndian.AppendUint64(nil, uint64(i))))
			homes[shardOf(12345, &h, n)%loops]++
		}
		for l, got := range homes {
			if want := swarms / loops; got < want*3/4 || got > want*5/4 {
				t.Errorf("%d processors: loop %d is home to %d swarms, %d are its share", procs, l, got, want)
			}
		}
	}
	if size := unsafe.Sizeof(shard{}); size != 64 {
		t.Errorf("a shard takes %d bytes, not one cache line", size)
	}
}

// Nobody can choose torrents so that all meet in one shard: those that share their beginning, their end, or differ in
// one place only are spread like any.
func TestChosenHashesAreSpread(t *testing.T) {
	const shards, swarms = 256, 64_000
	for _, key := range []uint64{1, 0x0123456789abcdef, 1 << 63} {
		for _, at := range []int{0, 5, 8, 12, 16} {
			var counts [shards]int
			for i := range uint32(swarms) {
				h := swarm.Hash{19: 7}
				binary.LittleEndian.PutUint32(h[at:], i)
				counts[shardOf(key, &h, shards)]++
			}
			for _, n := range counts {
				if n > 2*swarms/shards {
					t.Errorf("key %x: of %d torrents that differ at byte %d, %d are in one of %d shards", key, swarms, at, n, shards)
					break
				}
			}
		}
	}
}

// BenchmarkShards is announces without offers by many goroutines, each in swarms of its own: what they
// wait for each other at the shards.
func BenchmarkShards(b *testing.B) {
	tr := start(b, config())
	var turn atomic.Uint32
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		n := int(turn.Add(1))
		s := tr.newSession(&Client{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})}, limit.Slot{})
		tr.conns.Attach(&s.conn, s, func([]byte) {})
		var messages [64][]byte
		for i := range messages {
			h := swarm.Hash(sha1.Sum([]byte{byte(n), byte(i)}))
			m := signal.Announce{InfoHash: h, PeerID: id("peer"), Left: 1}
			messages[i] = m.Append(nil)
		}
		batch := tr.conns.Begin()
		for i := 0; pb.Next(); i++ {
			s.Message(batch, messages[i%len(messages)])
			if i%64 == 63 {
				tr.conns.End(batch)
				batch = tr.conns.Begin()
			}
		}
		s.conn.Detach(batch)
		tr.conns.End(batch)
	})
}
