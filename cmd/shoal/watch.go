package main

import (
	"context"
	"fmt"
	"time"

	"github.com/shoal-p2p/shoal"
)

// watch waits until the function until returns, and calls show at every tick
// meanwhile. What goes wrong is told, once each.
func watch(ctx context.Context, r *reports, every time.Duration, until func(context.Context) error, show func(shoal.Stats)) error {
	ended := make(chan error, 1)
	go func() { ended <- until(ctx) }()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			r.look()
			return err
		case <-tick.C:
			r.look()
			show(r.t.Stats())
		}
	}
}

// goalEvent says that a goal ended the seeding.
type goalEvent struct {
	Event    string  `json:"event"`
	Ratio    float64 `json:"ratio"`
	Uploaded int64   `json:"uploaded"`
	Seconds  int64   `json:"seconds"` // of seeding
}

// seed shows what is served until a goal is reached, which it tells, or Ctrl-C.
func seed(ctx context.Context, r *reports, ev *events, asJSON bool) error {
	t, st := r.t, newStatus(asJSON)
	defer st.clear()
	err := watch(ctx, r, time.Second, func(ctx context.Context) error { return served(ctx, t) }, showSeeding(st, t))
	if err == nil && t.GoalReached() {
		s := t.Stats()
		ev.emit(goalEvent{"goal", s.Ratio, s.Uploaded, int64(s.Seeded.Seconds())})
		if !asJSON {
			st.clear()
			tell("%s: seeded enough: %s sent, ratio %.2f, in %v\n", t.Name(), size(s.Uploaded), s.Ratio, s.Seeded.Round(time.Second))
		}
	}
	return err
}

// served waits for a goal or Ctrl-C.
func served(ctx context.Context, t *shoal.Torrent) error {
	for ev := range t.Events(ctx) {
		if ev.Kind == shoal.GoalReached {
			break
		}
	}
	return nil
}

// showSeeding is what there is to say of a torrent that is only served.
func showSeeding(st *status, t *shoal.Torrent) func(shoal.Stats) {
	return func(s shoal.Stats) {
		lost := ""
		if s.Lost > 0 {
			lost = fmt.Sprintf(" · %d of %d pieces cannot be read", s.Lost, s.Pieces)
		}
		st.show("seeding %s · %s · %s/s up · %s sent%s", t.Name(), plural(s.Peers, "peer", "peers"), size(int64(s.UpRate)), size(s.Uploaded), lost)
	}
}
