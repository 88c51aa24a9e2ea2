package load

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// These attacks hold what a tracker has little of, rather than send much.

// hold opens connection n, sends begin, and then says nothing until the tracker ends it, and for a
// while after.
func (a *attackers) hold(ctx context.Context, n int, upgrade bool, begin []byte) {
	nc, _, err := a.dial(ctx, n, upgrade)
	if err != nil {
		return
	}
	defer nc.Close()
	if a.write(nc, begin, 1) == nil {
		for one := make([]byte, 512); err == nil; {
			_, err = nc.Read(one)
		}
	}
	if ctx.Err() == nil {
		a.closed.Add(1)
		sleep(ctx, stormPause)
	}
}

// gently waits so that the connections of an attack do not all come at once: a storm is another
// profile.
func gently(ctx context.Context, n int) bool { return sleep(ctx, time.Duration(n)*time.Second/2000) }

// halfFrames begins frames of 32 KiB and never ends them: one half of the connections sends
// nine bytes, the other half 6 KiB.
func halfFrames(ctx context.Context, a *attackers) {
	whole := appendFrame(nil, wsframe.Text, []byte(strings.Repeat("x", 32<<10)))
	a.each(ctx, func(n int) {
		if !gently(ctx, n) {
			return
		}
		a.hold(ctx, n, true, whole[:[]int{9, 6 << 10}[n%2]])
	})
}

// bodies asks for a page with a body that never comes.
func bodies(ctx context.Context, a *attackers) {
	begin := []byte("GET /health HTTP/1.1\r\nHost: " + a.t.host + "\r\nContent-Length: 5\r\n\r\n")
	a.each(ctx, func(n int) {
		if gently(ctx, n) {
			a.hold(ctx, n, false, begin)
		}
	})
}

// slowReaders asks for much and reads nothing of it.
func slowReaders(ctx context.Context, a *attackers) {
	var list []string
	for i := range 70 {
		list = append(list, strconv.Itoa(1e9+i)+"hhhhhhhhhh")
	}
	scrape := appendFrame(nil, wsframe.Text, []byte(`{"action":"scrape","info_hash":["`+strings.Join(list, `","`)+`"]}`))
	a.each(ctx, func(n int) {
		if !gently(ctx, n) {
			return
		}
		nc, _, err := a.dial(ctx, n, true)
		if err != nil {
			return
		}
		defer nc.Close()
		pulse(ctx, a.g.AttackRate/float64(a.g.AttackConns), func(count int) bool {
			for range count {
				if a.write(nc, scrape, 1) != nil {
					if ctx.Err() == nil {
						a.closed.Add(1)
					}
					return false
				}
			}
			return true
		})
	})
}
