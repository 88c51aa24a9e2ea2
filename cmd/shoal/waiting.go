package main

import (
	"fmt"
	"time"

	"github.com/shoal-p2p/shoal"
)

// silence is how long nothing may come before it is said why.
const silence = 10 * time.Second

// waiting tells why nothing comes.
type waiting struct {
	tell func(format string, args ...any) // to the user
	last int64                            // downloaded, when something came last
	at   time.Time
	told string
}

// look returns why nothing has come for a while, "" while something does. It tells it
// too, once for as long as it stays the same.
func (x *waiting) look(now time.Time, s shoal.Stats) (why string) {
	switch {
	case x.at.IsZero() || s.Downloaded != x.last || s.Left <= 0:
		x.last, x.at, x.told = s.Downloaded, now, ""
		return ""
	case now.Sub(x.at) < silence:
		return ""
	case s.Peers == 0:
		why = "no peer has been found yet"
	case s.Sources == 0 && s.Peers == 1:
		why = "the only peer does not have what is missing"
	case s.Sources == 0:
		why = fmt.Sprintf("none of the %d peers has what is missing", s.Peers)
	default:
		why = plural(s.Sources, "peer has what is missing, but sends nothing", "peers have what is missing, but send nothing")
	}
	if why != x.told {
		x.told = why
		x.tell("\nshoal: nothing comes: %s\n", why)
	}
	return why
}
