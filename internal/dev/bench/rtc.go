//go:build unix

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	ours "github.com/shoal-p2p/shoal/internal/transport/webrtc"
	"github.com/shoal-p2p/shoal/test/rig"
)

const (
	rtcChunk = 256 << 10 // bytes of one operation of the benchmarks
	// allocatedBefore is what the association of pion allocated, in bytes for each
	// byte sent, as long as Shoal ran on it.
	allocatedBefore = 12.0
)

// webrtc: the same bytes from one host to another, into a tab that counts them
// alone, and into a tab that verifies and keeps them.
func (b *bench) webrtc() {
	b.rtcPairs()
	b.rtcTabs()
}

// rtcPairs runs the transport's own benchmarks, beside that of a bare pion pair.
func (b *bench) rtcPairs() {
	size := sizeName(b.rtcSize)
	var pair, bare runs
	var allocated float64
	b.round("benchmarks of package webrtc", func() {
		binary := filepath.Join(b.TempDir(), "webrtc.test")
		build := exec.Command("go", "test", "-c", "-o", binary, "./internal/transport/webrtc")
		build.Dir = rig.Root()
		if out, err := build.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		measure := func(name string, into *runs) benchmark {
			out, err := exec.Command(binary, "-test.run", "^$", "-test.bench", "^"+name+"$", "-test.benchtime", fmt.Sprintf("%dx", b.rtcSize/rtcChunk)).CombinedOutput()
			all := benchmarks(string(out))
			if err != nil || len(all) != 1 {
				b.Fatalf("%s: %v: %s", name, err, out)
			}
			into.take(run{seconds: all[0].metrics["ns/op"] / 1e9 * float64(b.rtcSize/rtcChunk)})
			return all[0]
		}
		for range b.times(5) {
			measure("BenchmarkBarePion", &bare)
			allocated = measure("BenchmarkPair", &pair).metrics["B/op"] / rtcChunk
		}
	})
	b.rows = append(b.rows,
		compare(size+" by WebRTC, native to native: Shoal, a bare pion pair", b.rtcSize, pair, bare, 4),
		mark(in(allocated, allocatedBefore/2), row{what: "bytes allocated for each byte of that", ours: fmt.Sprintf("%.2f", allocated), rival: "-", ratio: "-", target: fmt.Sprintf("%g or less, half of before", allocatedBefore/2)}),
	)
}

func (b *bench) rtcTabs() {
	size := sizeName(b.rtcSize)
	file := b.payload(b.rtcSize)
	host, err := ours.NewHost(ours.Config{Loopback: true})
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.Cleanup(func() { host.Close() })
	pion, shoal := b.bareTab(b.rtcSize, startBare), b.bareTab(b.rtcSize, startShoal(host))
	var bare, sender, full runs
	for range b.times(3) {
		b.round("bare sender to bare tab", func() { bare.take(b.receive(pion, b.rtcSize)) })
		b.round("Shoal's sender to bare tab", func() { sender.take(b.receive(shoal, b.rtcSize)) })
		b.round("share to a Shoal tab", func() {
			n := rig.Share(b, file)
			tab := rig.OpenTab(rig.StartBrowser(b, rig.BrowserConfig{}), n)
			settle()
			tab.Add(n.Link)
			full.take(run{seconds: tab.WaitDone(10 * time.Minute).Seconds})
			tab.Same(file)
		})
	}
	b.rows = append(b.rows,
		compare(size+" from `shoal share` to a Shoal tab, Shoal's sender to a bare tab", b.rtcSize, full, sender, 0.9),
		compare(size+" into a bare tab: Shoal's sender, bare pion sender", b.rtcSize, sender, bare, 0),
		compare(size+" from `shoal share` to a Shoal tab, bare pion sender to a bare tab", b.rtcSize, full, bare, 0),
	)
}
