package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// A reloader reads files again when they change.
type reloader struct {
	log        *slog.Logger
	items      []*reloadable
	begin, end func() // when set, called before and after what a signal asks for
}

type reloadable struct {
	what  string
	paths []string
	load  func() error // on error, what was loaded before must stay
	stamp string       // of the files that load has seen
}

// add watches files that have been loaded just now.
func (r *reloader) add(what string, load func() error, paths ...string) {
	r.items = append(r.items, &reloadable{what, paths, load, stamp(paths)})
}

// stamp changes when one of the files does.
func stamp(paths []string) string {
	var b strings.Builder
	for _, p := range paths {
		if fi, err := os.Stat(p); err == nil {
			fmt.Fprint(&b, fi.ModTime().UnixNano(), fi.Size(), " ")
		} else {
			b.WriteString("missing ")
		}
	}
	return b.String()
}

// check loads what has changed, or everything.
func (r *reloader) check(all bool) {
	for _, it := range r.items {
		now := stamp(it.paths)
		if !all && now == it.stamp {
			continue
		}
		it.stamp = now
		if err := it.load(); err != nil {
			r.log.Error("reload failed, the old one stays in use", "what", it.what, "error", oneLine(err))
		} else {
			r.log.Info("reloaded", "what", it.what)
		}
	}
}

// hangUps returns SIGHUPs, from now on; none ends the process any more.
func hangUps() chan os.Signal {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup
}

// run checks each minute, and everything on a signal, until ctx is done.
func (r *reloader) run(ctx context.Context, hup <-chan os.Signal) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			if r.begin != nil {
				r.begin()
			}
			r.check(true)
			if r.end != nil {
				r.end()
			}
		case <-tick.C:
			r.check(false)
		}
	}
}
