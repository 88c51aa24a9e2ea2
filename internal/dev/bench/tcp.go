//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// transfer is what one pair of programs was measured at: both ends of it, and
// the time between adding the torrent and its last byte at the lower one.
type transfer struct{ down, up runs }

// tcp: a large file over TCP between all pairs of libtorrent and Shoal. A round
// measures each pair once, and each round begins with another.
func (b *bench) tcp() {
	dir := b.TempDir()
	file := filepath.Join(dir, "payload.bin")
	sum := rig.Payload(b, file, b.tcpSize, uint64(time.Now().UnixNano()))
	torrent := filepath.Join(dir, "payload.torrent")
	rig.LibtorrentCreate(b, file, torrent, "hybrid")
	rig.Binary(b)

	// An upper end says where it listens, a lower end when it is done.
	theirSeed := func() (*rig.Proc, string) {
		p := rig.LibtorrentSeed(b, torrent, dir)
		return p.Proc, p.Addr
	}
	ourSeed := func() (*rig.Proc, string) {
		n := rig.Seed(b, torrent, dir)
		b.Cleanup(func() { os.RemoveAll(filepath.Join(dir, ".shoal")) })
		return n.Proc, n.Peer
	}
	theirGet := func(addr, to string) *rig.Proc {
		return rig.LibtorrentGet(b, torrent, to, "--connect", addr).Proc
	}
	ourGet := func(addr, to string) *rig.Proc {
		return rig.Get(b, torrent, to, "--peer", addr, "--transport", "tcp")
	}
	type pair struct {
		what string
		seed func() (*rig.Proc, string)
		get  func(addr, to string) *rig.Proc
		transfer
	}
	pairs := []pair{
		{what: "libtorrent to libtorrent", seed: theirSeed, get: theirGet},
		{what: "libtorrent to shoal get", seed: theirSeed, get: ourGet},
		{what: "shoal seed to libtorrent", seed: ourSeed, get: theirGet},
		{what: "shoal seed to shoal get", seed: ourSeed, get: ourGet},
	}
	for i := range b.times(5) {
		for k := range pairs {
			p := &pairs[(i+k)%len(pairs)]
			b.round(p.what, func() {
				up, addr := p.seed()
				to := b.TempDir()
				b.level(b.tcpSize)
				settle()
				stopUp := watch(up.PID())
				down := p.get(addr, to)
				stopDown := watch(down.PID())
				took := down.Event("done", 10*time.Minute).Num("seconds")
				usedDown, usedUp := stopDown(), stopUp()
				if got := rig.Sum(b, filepath.Join(to, "payload.bin")); got != sum {
					b.Fatalf("%s: the file differs: SHA-256 %s, want %s", p.what, got, sum)
				}
				p.down.take(ran(took, usedDown))
				p.up.take(ran(took, usedUp))
			})
		}
	}
	theirs, get, seed, both := pairs[0].transfer, pairs[1].transfer, pairs[2].transfer, pairs[3].transfer
	size := sizeName(b.tcpSize)
	b.rows = append(b.rows,
		compare(size+" from a libtorrent seed: `shoal get`, libtorrent", b.tcpSize, get.down, theirs.down, 1.2),
		compareTime("user time of that", get.down.user(), theirs.down.user(), 0.8),
		compareTime("system time of that", get.down.system(), theirs.down.system(), 0),
		mark(in(float64(get.down.peak()), 100e6), row{what: "resident memory of that, at most", ours: megabytes(get.down.peak()),
			rival: megabytes(theirs.down.peak()) + " (its mapped file included)", ratio: ratio(quotient(float64(get.down.peak()), float64(theirs.down.peak()))), target: "under 100 MB"}),
		compare(size+" to a libtorrent client: from `shoal seed`, from libtorrent", b.tcpSize, seed.down, theirs.down, 1.8),
		compareTime("processor time of seeding it", seed.up.cpu(), theirs.up.cpu(), 0.30),
		compareTime("user time of seeding it", seed.up.user(), theirs.up.user(), 0),
		compareTime("system time of seeding it", seed.up.system(), theirs.up.system(), 0),
		compare(size+": `shoal seed` to `shoal get`, libtorrent to libtorrent", b.tcpSize, both.down, theirs.down, 2),
		compareTime("user time of both ends", both.down.user()+both.up.user(), theirs.down.user()+theirs.up.user(), 0),
		compareTime("system time of both ends", both.down.system()+both.up.system(), theirs.down.system()+theirs.up.system(), 0),
		mark(both.down.peak() > 0, row{what: "resident memory of the two", ours: megabytes(both.up.peak()) + " + " + megabytes(both.down.peak()),
			rival: fmt.Sprintf("%s + %s", megabytes(theirs.up.peak()), megabytes(theirs.down.peak())), ratio: "-", target: "-"}),
	)
}
