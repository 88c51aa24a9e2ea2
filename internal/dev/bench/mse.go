//go:build unix

package main

import "fmt"

// mse: a large file over TCP in the open and by RC4, between all pairs of libtorrent and
// Shoal. Of each pair the two alternate.
func (b *bench) mse() {
	c := b.content()
	plain, rc4 := c.pairs("", "--encryption", "off"), c.pairs(" by RC4", "--encryption", "required")
	var all []pair
	for i := range plain {
		all = append(all, plain[i], rc4[i])
	}
	c.measure(b.times(5), all)
	size := sizeName(b.tcpSize)
	for i, what := range []string{"libtorrent to libtorrent", "libtorrent to `shoal get`", "`shoal seed` to libtorrent", "`shoal seed` to `shoal get`"} {
		open, hidden := all[2*i].transfer, all[2*i+1].transfer
		wanted := 0.8
		if i == 0 {
			wanted = 0 // it is what the others are seen beside
		}
		b.rows = append(b.rows,
			compare(fmt.Sprintf("%s, %s: by RC4, in the open", size, what), b.tcpSize, hidden.down, open.down, wanted),
			compareTime("processor time of both ends", hidden.down.cpu()+hidden.up.cpu(), open.down.cpu()+open.up.cpu(), 0))
	}
}
