//go:build unix

package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

const (
	limitRate   = 4 << 20 // bytes a second
	limitWindow = 10 * time.Second
	limitWarmup = 2 * time.Second // from the first piece on
)

// limits: how well a limit of either side is kept, by transport.
func (b *bench) limits() {
	size := int64(limitRate * (limitWindow + 2*limitWarmup).Seconds())
	file := b.payload(size)
	rate := strconv.Itoa(limitRate)
	for _, transport := range []string{"tcp", "webrtc"} {
		for _, c := range []struct {
			what     string
			up, down []string
		}{
			{"`shoal get --limit-down`", nil, []string{"--limit-down", rate}},
			{"`shoal share --limit-up`", []string{"--limit-up", rate}, nil},
		} {
			var got float64
			b.round(c.what+" "+transport, func() {
				n := rig.Share(b, file, c.up...)
				settle()
				got = b.steady(rig.Get(b, n.Link, b.TempDir(), append([]string{"--transport", transport}, c.down...)...))
			})
			off := got/limitRate - 1
			b.rows = append(b.rows, mark(got > 0 && math.Abs(off) <= 0.05, row{
				what: fmt.Sprintf("%s %d MiB/s over %s, for 10 s", c.what, limitRate>>20, transport),
				ours: fmt.Sprintf("%.2f MiB/s (%+.1f %%)", got/(1<<20), 100*off), rival: "-", ratio: "-", target: "within 5 %",
			}))
		}
	}
}

// steady returns the bytes a second that a download verifies over the window.
func (b *bench) steady(get *rig.Proc) float64 {
	var from, last float64 // bytes
	var began, at time.Time
	for end := time.Now().Add(limitWindow + 30*time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		all := get.Events("progress")
		if len(all) == 0 {
			continue
		}
		bytes := all[len(all)-1].Num("bytes")
		if bytes == last {
			continue
		}
		last = bytes
		switch {
		case at.IsZero():
			at = time.Now()
		case began.IsZero() && time.Since(at) >= limitWarmup:
			from, began = bytes, time.Now()
		case !began.IsZero() && time.Since(began) >= limitWindow:
			return (bytes - from) / time.Since(began).Seconds()
		}
	}
	b.Fatalf("the download did not last long enough")
	return 0
}
