package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/admin"
)

// A reloader reads files again when they change.
type reloader struct {
	log        *slog.Logger
	items      []*reloadable
	last       atomic.Pointer[admin.Reload]
	begin, end func() // when set, called before and after what a signal asks for
}

type reloadable struct {
	what  string
	paths []string
	load  func() error  // on error, what was loaded before must stay
	stamp string        // of the files that load has seen
	wait  time.Duration // before load is tried once more, since it has failed; 0: it has not
	again time.Time
}

// What has failed is tried again, soon at first: often a file was being written, or its
// certificate was there and its key was not yet.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	// lookEvery is how often the files are looked at.
	lookEvery = time.Minute
)

// add watches files that have been loaded just now.
func (r *reloader) add(what string, load func() error, paths ...string) {
	r.items = append(r.items, &reloadable{what: what, paths: paths, load: load, stamp: stamp(paths)})
	r.note(time.Now())
}

// note keeps for the operator that files were read just now, and which of them could not be.
func (r *reloader) note(now time.Time) {
	last := admin.Reload{At: now, Failed: []string{}}
	for _, it := range r.items {
		if it.wait > 0 {
			last.Failed = append(last.Failed, it.what)
		}
	}
	r.last.Store(&last)
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

// check loads what has changed, what has failed and is to be tried again, or everything. It
// returns when it wants to be called next.
func (r *reloader) check(now time.Time, all bool) (next time.Time) {
	next = now.Add(lookEvery)
	read := false
	for _, it := range r.items {
		seen := stamp(it.paths)
		due := it.wait > 0 && !now.Before(it.again)
		if all || due || seen != it.stamp {
			r.load(it, now, all || seen != it.stamp)
			it.stamp, read = seen, true
		}
		if it.wait > 0 && it.again.Before(next) {
			next = it.again
		}
	}
	if read {
		r.note(now)
	}
	return next
}

// load loads one; fresh says that it is no mere retry.
func (r *reloader) load(it *reloadable, now time.Time, fresh bool) {
	err := it.load()
	if err == nil {
		it.wait = 0
		r.log.Info("reloaded", "what", it.what)
		return
	}
	if it.wait = min(2*it.wait, lastRetry); fresh || it.wait == 0 {
		it.wait = firstRetry
	}
	it.again = now.Add(it.wait)
	r.log.Error("reload failed, the old one stays in use", "what", it.what, "error", oneLine(err), "tried_again_in", it.wait.String())
}

// hangUps returns SIGHUPs, from now on; none ends the process any more.
func hangUps() chan os.Signal {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup
}

// run checks each minute, and everything on a signal, until ctx is done.
func (r *reloader) run(ctx context.Context, hup <-chan os.Signal) {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		var next time.Time
		select {
		case <-ctx.Done():
			return
		case <-hup:
			if r.begin != nil {
				r.begin()
			}
			next = r.check(time.Now(), true)
			if r.end != nil {
				r.end()
			}
		case <-timer.C:
			next = r.check(time.Now(), false)
		}
		timer.Reset(time.Until(next))
	}
}
