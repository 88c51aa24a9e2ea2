package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/shoal-p2p/shoal"
)

// watch waits until the function until returns, and calls show at every tick
// meanwhile. A fault of what is stored is told once.
func watch(ctx context.Context, t *shoal.Torrent, every time.Duration, until func(context.Context) error, show func(shoal.Stats)) error {
	ended := make(chan error, 1)
	go func() { ended <- until(ctx) }()
	tick := time.NewTicker(every)
	defer tick.Stop()
	warned := false
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			if w := t.Warning(); w != nil && !warned {
				warned = true
				fmt.Fprintln(os.Stderr, "\nshoal: "+oneLine(w))
			}
			show(t.Stats())
		}
	}
}

// forever waits for Ctrl-C.
func forever(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// showSeeding is what there is to say of a torrent that is only served.
func showSeeding(st *status, t *shoal.Torrent) func(shoal.Stats) {
	return func(s shoal.Stats) {
		st.show("seeding %s · %s · %s/s up · %s sent", t.Name(), plural(s.Peers, "peer", "peers"), size(int64(s.UpRate)), size(s.Uploaded))
	}
}
