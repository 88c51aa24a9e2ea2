package load

import "time"

// usage is what a process has used.
type usage struct {
	cpu       time.Duration
	rss, peak int64 // bytes
}

// usage sums what the trackers' processes have used; those that are gone count nothing.
func (g *generator) usage() (sum usage) {
	for _, pid := range g.PIDs {
		u, err := readUsage(pid)
		if err != nil {
			continue
		}
		sum.cpu += u.cpu
		sum.rss += u.rss
		sum.peak += u.peak
	}
	return sum
}
