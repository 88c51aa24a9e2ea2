package torrent

import (
	"slices"
	"time"
)

const (
	refusalPause = 5 * time.Second // doubled with every further refusal
	maxRefusals  = 3               // of one piece, then the peer counts as without it
	manyRefused  = 64              // pieces of one peer at one time
)

// refusals are the pieces that a peer announced and then rejected requests for
// (BEP 6). It may be busy, so it is asked again after a pause.
type refusals struct{ list []refusal }

type refusal struct {
	piece int
	times int
	until time.Time
	ended bool // the pause is over
}

func (f *refusals) any() bool { return len(f.list) > 0 }

// bar reports whether a piece must not be asked for now.
func (f *refusals) bar(i int) bool {
	return len(f.list) > 0 && slices.ContainsFunc(f.list, func(r refusal) bool { return r.piece == i && !r.ended })
}

// note counts a refusal; those that come while the peer is not asked answer what
// was asked before and belong to the same one. It reports false when the peer is
// to be asked no more.
func (f *refusals) note(now time.Time, i int) bool {
	at := slices.IndexFunc(f.list, func(r refusal) bool { return r.piece == i })
	if at < 0 {
		if len(f.list) >= manyRefused {
			return false
		}
		f.list = append(f.list, refusal{piece: i, times: 1, until: now.Add(refusalPause)})
		return true
	}
	r := &f.list[at]
	if !r.ended {
		return true
	}
	if r.times++; r.times >= maxRefusals {
		f.list = slices.Delete(f.list, at, at+1)
		return false
	}
	r.until, r.ended = now.Add(refusalPause<<(r.times-1)), false
	return true
}

// clear forgets the refusals of a piece: a block of it came.
func (f *refusals) clear(i int) {
	if len(f.list) > 0 {
		f.list = slices.DeleteFunc(f.list, func(r refusal) bool { return r.piece == i })
	}
}

// retire forgets the refusals of the pieces before first.
func (f *refusals) retire(first int) {
	f.list = slices.DeleteFunc(f.list, func(r refusal) bool { return r.piece < first })
}

// sweep ends pauses. It reports whether one has ended.
func (f *refusals) sweep(now time.Time) bool {
	ended := false
	for k := range f.list {
		if r := &f.list[k]; !r.ended && !now.Before(r.until) {
			r.ended, ended = true, true
		}
	}
	return ended
}
