//go:build unix

package main

import (
	"fmt"
	"slices"
	"strings"
)

// outcome is what one run of a page came to. What was not measured is 0.
type outcome struct {
	err string // why there is none

	report
	cpu     float64 // seconds of processor time of the whole browser
	memory  int64   // bytes of the page's processes at most
	browser int64   // bytes of all processes of the browser at most
	stored  int64   // bytes that seeding has added to the browser's storage
	twice   int64   // bytes that were fetched again
	engines int     // workers of all tabs
}

// pairs are runs of Shoal and of webtorrent.js in turn.
type pairs struct{ ours, theirs []outcome }

// duel runs a pair of libraries so many times, each of them first in every other pair.
func (b *bench) duel(what string, times int, run func(library string) outcome) (p pairs) {
	for i := range times {
		order := []string{ourLibrary, theirLibrary}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, library := range order {
			o := b.outcome(what+": "+library, func() outcome { return run(library) })
			if library == ourLibrary {
				p.ours = append(p.ours, o)
			} else {
				p.theirs = append(p.theirs, o)
			}
		}
	}
	return p
}

// outcome is one run, or why there was none.
func (b *bench) outcome(what string, run func() outcome) (o outcome) {
	if err := b.round(what, func() { o = run() }); err != nil {
		o = outcome{err: failedBy(err)}
	}
	return o
}

// failedBy is the first line of an error, as a cell of the table.
func failedBy(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return "failed: " + strings.ReplaceAll(line, "|", "/")
}

// values are a property of the runs that came to an end.
func values(all []outcome, of func(outcome) float64) (v []float64) {
	for _, o := range all {
		if o.err == "" {
			v = append(v, of(o))
		}
	}
	return v
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// told is the median in words, or why there is none.
func told(all []outcome, of func(outcome) float64, words func(float64) string) string {
	if v := values(all, of); len(v) > 0 {
		return words(median(v))
	}
	for _, o := range all {
		return o.err
	}
	return "-"
}

// ratios are the quotients of the pairs of which both came to an end.
func (p pairs) ratios(of func(outcome) float64) (r []float64) {
	for i := range min(len(p.ours), len(p.theirs)) {
		if a, b := of(p.ours[i]), of(p.theirs[i]); p.ours[i].err == "" && p.theirs[i].err == "" && b > 0 {
			r = append(r, a/b)
		}
	}
	return r
}

// row compares a property of both. fine is asked of the median of Shoal and that of the ratios,
// which is 0 where there is none.
func (p pairs) row(what string, of func(outcome) float64, words func(float64) string, target string, fine func(ours, ratio float64) bool) row {
	r := p.ratios(of)
	out := row{what: what, ours: told(p.ours, of, words), rival: told(p.theirs, of, words), ratio: "-", target: target}
	if len(r) > 0 {
		out.ratio = ratio(median(r))
	}
	if len(r) > 1 {
		out.ratio += fmt.Sprintf(" (%d pairs, %.2f to %.2f)", len(r), slices.Min(r), slices.Max(r))
	}
	out.ok = len(values(p.ours, of)) > 0 && fine(median(values(p.ours, of)), median(r))
	return out
}

// least wants a ratio of that or more, most of that or less.
func least(wanted float64) func(_, ratio float64) bool {
	return func(_, ratio float64) bool { return ratio >= wanted }
}

func most(wanted float64) func(_, ratio float64) bool {
	return func(_, ratio float64) bool { return ratio > 0 && ratio <= wanted }
}

func speedOf(size int64) func(outcome) float64 {
	return func(o outcome) float64 { return quotient(float64(size)/1e6, o.Seconds) }
}

func tasksOf(o outcome) float64 { return o.Tasks }

func inSeconds(v float64) string { return fmt.Sprintf("%.2f s", v) }
func inMillis(v float64) string  { return fmt.Sprintf("%.0f ms", v*1e3) }
func asMillis(v float64) string  { return fmt.Sprintf("%.0f ms", v) }
func inSpeed(v float64) string   { return fmt.Sprintf("%.1f MB/s", v) }
func inMegabytes(v float64) string {
	return megabytes(int64(v))
}
