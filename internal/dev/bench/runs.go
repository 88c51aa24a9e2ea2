//go:build unix

package main

import (
	"fmt"
	"slices"
)

// run is one measurement.
type run struct {
	seconds      float64
	user, system float64 // seconds of processor time
	memory       int64   // resident bytes at the peak
}

// runs are the measurements of one thing. What counts is their median.
type runs []run

func (r *runs) take(x run) { *r = append(*r, x) }

// median returns the middle of a property, 0 without a measurement.
func (r runs) median(of func(run) float64) float64 {
	if len(r) == 0 {
		return 0
	}
	var all []float64
	for _, x := range r {
		all = append(all, of(x))
	}
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

func (r runs) seconds() float64 { return r.median(seconds) }
func (r runs) user() float64    { return r.median(func(x run) float64 { return x.user }) }
func (r runs) system() float64  { return r.median(func(x run) float64 { return x.system }) }
func (r runs) cpu() float64     { return r.median(func(x run) float64 { return x.user + x.system }) }

func seconds(x run) float64 { return x.seconds }

// peak is the largest resident size of all.
func (r runs) peak() int64 {
	var most int64
	for _, x := range r {
		most = max(most, x.memory)
	}
	return most
}

// rate is how many megabytes a second the median is.
func (r runs) rate(size int64) float64 {
	if s := r.seconds(); s > 0 {
		return float64(size) / s / 1e6
	}
	return 0
}

func (r runs) speed(size int64) string {
	if len(r) == 0 {
		return "failed"
	}
	return fmt.Sprintf("%.1f MB/s", r.rate(size))
}

// compare makes a row of two speeds; wanted 0 asks for nothing.
func compare(what string, size int64, ours, rival runs, wanted float64) row {
	r := quotient(ours.rate(size), rival.rate(size))
	out := row{what: what, ours: ours.speed(size), rival: rival.speed(size), ratio: ratio(r) + spread(ours, rival), target: "-", ok: r > 0}
	if wanted > 0 {
		out.target = fmt.Sprintf("%g x or more", wanted)
		out.ok = r >= wanted
	}
	return out
}

// spread is how far the pairs lie apart, where there are several.
func spread(ours, rival runs) string {
	if len(ours) != len(rival) || len(ours) < 2 {
		return ""
	}
	var all []float64
	for i := range ours {
		all = append(all, quotient(rival[i].seconds, ours[i].seconds))
	}
	return fmt.Sprintf(" (pairs %.2f to %.2f)", slices.Min(all), slices.Max(all))
}

// compareTime makes a row of two processor times, the less the better; most 0
// asks for nothing.
func compareTime(what string, ours, rival, most float64) row {
	r := quotient(ours, rival)
	out := row{what: what, ours: fmt.Sprintf("%.2f s", ours), rival: fmt.Sprintf("%.2f s", rival), ratio: ratio(r), target: "-", ok: r > 0}
	if most > 0 {
		out.target = fmt.Sprintf("%.2f x or less", most)
		out.ok = r > 0 && r <= most
	}
	return out
}

// quotient is a/b, 0 where one of them was not measured.
func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func ratio(r float64) string {
	if r == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f x", r)
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

func sizeName(n int64) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
