package core

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// A shard is a part of the swarms under one lock, so that requests for different swarms seldom wait for
// each other.
type shard struct {
	mu     sync.Mutex
	number int
	core   *swarm.Core[*Session]
	_      [40]byte // a cache line each: otherwise a lock would slow down its neighbours
}

const (
	// Fewer shards than this save nothing: one without swarms has no memory to speak of.
	minShards = 16
	// shardsPerLoop is how many shards a loop of WebSocket connections has to itself, so that of
	// those who come by other ways few meet it at its lock.
	shardsPerLoop = 4
)

// numShards is how many shards there are for so many processors: a multiple of the loops that wsconn
// has then, so that each loop is home to as many swarms as any other.
func numShards(procs int) int {
	loops := min(procs, 64)
	return loops * max(shardsPerLoop, (minShards+loops-1)/loops)
}

// shardOf returns the shard of a swarm. It goes by all of the info hash, mixed with a key of its own:
// nobody can choose torrents that are all behind one lock.
func shardOf(key uint64, h *swarm.Hash, shards int) int {
	mix := func(a, b uint64) uint64 {
		hi, lo := bits.Mul64(a^key, b^0x9e3779b97f4a7c15)
		return hi ^ lo
	}
	m := mix(binary.LittleEndian.Uint64(h[:]), binary.LittleEndian.Uint64(h[8:])^bits.RotateLeft64(key, 32))
	m = mix(m, uint64(binary.LittleEndian.Uint32(h[16:])))
	hi, _ := bits.Mul64(m, uint64(shards))
	return int(hi)
}

func (t *Core) shard(h swarm.Hash) *shard { return &t.shards[shardOf(t.key, &h, len(t.shards))] }
