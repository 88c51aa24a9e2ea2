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

// pair is a transfer from one program to another. An upper end says where it listens, a
// lower end when it is done.
type pair struct {
	what string
	seed func() (*rig.Proc, string)
	get  func(addr, to string) *rig.Proc
	transfer
}

// content is a large file that is sent over TCP.
type content struct {
	*bench
	dir, torrent, sum string
}

func (b *bench) content() *content {
	c := &content{bench: b, dir: b.TempDir()}
	file := filepath.Join(c.dir, "payload.bin")
	c.sum = rig.Payload(b, file, b.tcpSize, uint64(time.Now().UnixNano()))
	c.torrent = filepath.Join(c.dir, "payload.torrent")
	rig.LibtorrentCreate(b, file, c.torrent, "hybrid")
	rig.Binary(b)
	return c
}

// pairs are all that libtorrent and Shoal make, with further arguments for either end.
func (c *content) pairs(name string, args ...string) []pair {
	theirSeed := func() (*rig.Proc, string) {
		p := rig.LibtorrentSeed(c, c.torrent, c.dir, args...)
		return p.Proc, p.Addr
	}
	ourSeed := func() (*rig.Proc, string) {
		n := rig.Seed(c, c.torrent, c.dir, args...)
		c.Cleanup(func() { os.RemoveAll(filepath.Join(c.dir, ".shoal")) })
		return n.Proc, n.Peer
	}
	theirGet := func(addr, to string) *rig.Proc {
		return rig.LibtorrentGet(c, c.torrent, to, append([]string{"--connect", addr}, args...)...).Proc
	}
	ourGet := func(addr, to string) *rig.Proc {
		return rig.Get(c, c.torrent, to, append([]string{"--peer", addr, "--transport", "tcp"}, args...)...)
	}
	return []pair{
		{what: "libtorrent to libtorrent" + name, seed: theirSeed, get: theirGet},
		{what: "libtorrent to shoal get" + name, seed: theirSeed, get: ourGet},
		{what: "shoal seed to libtorrent" + name, seed: ourSeed, get: theirGet},
		{what: "shoal seed to shoal get" + name, seed: ourSeed, get: ourGet},
	}
}

// measure does each pair once a round, and each round begins with another.
func (c *content) measure(rounds int, pairs []pair) {
	for i := range rounds {
		for k := range pairs {
			p := &pairs[(i+k)%len(pairs)]
			c.round(p.what, func() {
				up, addr := p.seed()
				to := c.TempDir()
				c.level(c.tcpSize)
				settle()
				stopUp := watch(up.PID())
				down := p.get(addr, to)
				stopDown := watch(down.PID())
				took := down.Event("done", 10*time.Minute).Num("seconds")
				usedDown, usedUp := stopDown(), stopUp()
				if got := rig.Sum(c, filepath.Join(to, "payload.bin")); got != c.sum {
					c.Fatalf("%s: the file differs: SHA-256 %s, want %s", p.what, got, c.sum)
				}
				p.down.take(ran(took, usedDown))
				p.up.take(ran(took, usedUp))
			})
		}
	}
}

// tcp: a large file over TCP between all pairs of libtorrent and Shoal.
func (b *bench) tcp() {
	c := b.content()
	pairs := c.pairs("")
	c.measure(b.times(5), pairs)
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
