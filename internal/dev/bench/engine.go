//go:build unix

package main

import (
	"fmt"
	"strings"
)

// engine: what a block costs where nothing but the engine runs, and what its way
// allocates. The loads are those of the benchmarks and tests.
func (b *bench) engine() {
	b.round("benchmarks of the engine", func() {
		n := 0
		for _, x := range benchmarks(b.goTest("-run", "^$", "-bench", "^Benchmark(Block|EndGame|Idle)", "-count", "5", "./internal/engine/...")) {
			ns, ok := x.metrics["ns/block"]
			if !ok {
				ns = x.metrics["ns/op"]
			}
			n++
			b.rows = append(b.rows, mark(in(ns, 3000), row{what: "engine alone: " + x.what(), ours: fmt.Sprintf("%.2f µs", ns/1e3), rival: "-", ratio: "-", target: "3 µs or less"}))
		}
		if n == 0 {
			b.rows = append(b.rows, row{what: "engine alone", ours: "failed", rival: "-", ratio: "-", target: "3 µs or less"})
			b.Fatalf("there is no benchmark of the engine")
		}
	})
	b.figuresOf("a block over TCP, both ends together", "./internal/driver", "TestBlocksCostNoMemory")
}

// what is the benchmark's name in words: "Block/200-seeds" is "block, 200 seeds".
func (x benchmark) what() string {
	name := strings.NewReplacer("/", ", ", "-", " ", "_", " ").Replace(x.name)
	return strings.ToLower(name[:1]) + name[1:]
}

// sim: swarms on a virtual clock.
func (b *bench) sim() {
	const pkg = "./internal/sim"
	b.figuresOf("8 Mbit/s played from 20 peers of 2 Mbit/s, 30 to 200 ms, 1 % loss, 100 seeds", pkg, "TestPlayback", "-args", "-figures")
	b.figuresOf("1,000 leechers, one seed", pkg, "TestSwarmBesideTheFluidBound", "-args", "-figures")
	b.figuresOf("200 peers, three of ten give nothing", pkg, "TestSwarmBesideThoseWhoGiveNothing", "-args", "-figures")
}

// idle: ten thousand torrents that nobody wants anything of.
func (b *bench) idle() {
	b.figuresOf("10,000 idle seeding torrents of 1,000 pieces, all announced", "./internal/driver/native", "TestIdleSeeds", "-args", "-idle.torrents", "10000", "-idle.for", "1m")
}
