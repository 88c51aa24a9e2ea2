//go:build unix

package main

import (
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// peak samples the browser's processes until the returned function is called, which says
// what those renderers took together at most that did something meanwhile, and what all
// processes did.
func (t tab) peak() func() (tab, all int64) {
	type use struct {
		cpu    float64 // at first
		worked bool
		pss    []int64
	}
	renderers := map[int]*use{}
	var whole int64
	n := 0
	sample := func() {
		var total int64
		for _, p := range t.browser.Processes() {
			pss := p.Memory()
			total += pss
			if !p.Renderer {
				continue
			}
			u := renderers[p.PID]
			if u == nil {
				u = &use{cpu: p.CPU}
				renderers[p.PID] = u
			}
			for len(u.pss) < n {
				u.pss = append(u.pss, 0)
			}
			u.pss = append(u.pss, pss)
			u.worked = u.worked || p.CPU > u.cpu+0.1 // others only stand by for pages to come
		}
		n++
		whole = max(whole, total)
	}
	sample()
	end := every(300*time.Millisecond, sample)
	return func() (most, all int64) {
		end()
		for i := range n {
			var sum int64
			for _, u := range renderers {
				if u.worked && i < len(u.pss) {
					sum += u.pss[i]
				}
			}
			most = max(most, sum)
		}
		return most, whole
	}
}

// processor is what the browser has used by now, in seconds.
func processor(browser *rig.Browser) (cpu float64) {
	for _, p := range browser.Processes() {
		cpu += p.CPU
	}
	return cpu
}
