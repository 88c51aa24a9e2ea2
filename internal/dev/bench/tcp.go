//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// tcp: a large file from a libtorrent seed, into libtorrent and into shoal get;
// then from shoal share into libtorrent.
func (b *bench) tcp() {
	file := b.payload(b.tcpSize)
	dir := filepath.Dir(file)
	torrent := filepath.Join(dir, "payload.torrent")
	rig.LibtorrentCreate(b, file, torrent, "hybrid")
	rig.Binary(b)

	var theirs, ours, up, upTheirs best
	for range b.rounds {
		b.round("libtorrent from libtorrent", func() {
			settle()
			seed := rig.LibtorrentSeed(b, torrent, dir)
			to := b.TempDir()
			get := rig.LibtorrentGet(b, torrent, to, "--connect", seed.Addr)
			stop := watch(get.PID())
			done := get.Event("done", 10*time.Minute)
			peak, cpu := stop()
			theirs.take(done.Num("seconds"), peak, cpu)
		})
		b.round("shoal get from libtorrent", func() {
			settle()
			seed := rig.LibtorrentSeed(b, torrent, dir)
			to := b.TempDir()
			get := rig.Get(b, torrent, to, "--peer", seed.Addr, "--transport", "tcp")
			stop := watch(get.PID())
			done := get.Event("done", 10*time.Minute)
			peak, cpu := stop()
			ours.take(done.Num("seconds"), peak, cpu) // both from adding the torrent to its last byte
			if code := get.Exit(time.Minute); code != 0 {
				b.Fatalf("get ended with %d", code)
			}
			rig.Same(b, file, filepath.Join(to, "payload.bin"))
		})
		b.round("libtorrent from libtorrent, the seed", func() {
			settle()
			seed := rig.LibtorrentSeed(b, torrent, dir)
			stop := watch(seed.PID())
			done := rig.LibtorrentGet(b, torrent, b.TempDir(), "--connect", seed.Addr).Event("done", 10*time.Minute)
			peak, cpu := stop()
			upTheirs.take(done.Num("seconds"), peak, cpu)
		})
		b.round("libtorrent from shoal seed", func() {
			node := rig.Seed(b, torrent, dir)
			settle()
			_, before := watch(node.PID())()
			stop := watch(node.PID())
			done := rig.LibtorrentGet(b, torrent, b.TempDir(), "--connect", node.Peer).Event("done", 10*time.Minute)
			peak, cpu := stop()
			up.take(done.Num("seconds"), peak, cpu-before)
		})
		os.RemoveAll(filepath.Join(dir, ".shoal"))
	}
	size := sizeName(b.tcpSize)
	b.rows = append(b.rows,
		compare(fmt.Sprintf("%s from a libtorrent seed: `shoal get`, libtorrent", size), b.tcpSize, ours, theirs, 1),
		mark(ours.memory < 200e6, row{what: "peak memory of that", ours: megabytes(ours.memory), rival: megabytes(theirs.memory) + " (its mapped file included)", ratio: ratio(float64(ours.memory) / float64(theirs.memory)), target: "under 200 MB"}),
		mark(true, row{what: "processor time of that", ours: fmt.Sprintf("%.1f s", ours.cpu), rival: fmt.Sprintf("%.1f s", theirs.cpu), ratio: ratio(ours.cpu / theirs.cpu), target: "-"}),
		compare(fmt.Sprintf("%s into libtorrent: from `shoal seed`, from libtorrent", size), b.tcpSize, up, upTheirs, 0),
		mark(true, row{what: "processor time of seeding it", ours: fmt.Sprintf("%.1f s", up.cpu), rival: fmt.Sprintf("%.1f s", upTheirs.cpu), ratio: ratio(up.cpu / upTheirs.cpu), target: "-"}),
	)
}

// compare makes a row of two speeds; wanted 0 asks for nothing.
func compare(what string, size int64, ours, rival best, wanted float64) row {
	r := ours.rate(size) / rival.rate(size)
	out := row{what: what, ours: ours.speed(size), rival: rival.speed(size), ratio: ratio(r), target: "-", ok: true}
	if wanted > 0 {
		out.target = fmt.Sprintf("%.1f x or more", wanted)
		out.ok = r >= wanted
	}
	return out
}

func ratio(r float64) string { return fmt.Sprintf("%.2f x", r) }

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

func sizeName(n int64) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
