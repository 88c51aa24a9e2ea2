package main

import (
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient"
)

const (
	// maxReports bounds what is told of one torrent: what trackers say is made by
	// strangers, who may say something else every time.
	maxReports = 20
	// beforeAlone is how long a torrent's own trackers may fail before it is told: of the
	// many in some torrents most are gone, and one that answers is enough.
	beforeAlone = 5 * time.Second
)

// reports tells the user, once each, what goes wrong with a torrent that goes on.
type reports struct {
	t     *shoal.Torrent
	named []string // trackers of the command line: whoever names one wants to know of it
	began time.Time
	told  map[string]bool
	lost  string // what was told when pieces could not be read any more; "" while all can
}

func newReports(t *shoal.Torrent, trackers []string) *reports {
	return &reports{t: t, named: trackers, began: time.Now(), told: map[string]bool{}}
}

// look tells what is new.
func (r *reports) look() {
	lost := r.t.Stats().Lost // before the warning, which is of what is lost then
	r.warned(r.t.Warning(), lost)
	list, seeds := r.t.Trackers(), r.t.WebSeeds()
	st := r.t.Stats() // which counts web seeds among the peers as long as they are asked
	lonely := time.Since(r.began) >= beforeAlone && (st.Peers == 0 || st.Peers <= len(seeds) && st.Downloaded == 0)
	alone := lonely && !slices.ContainsFunc(list, func(s shoal.TrackerStatus) bool { return s.Err == nil })
	for _, s := range list {
		var refused *trackerclient.Refusal
		malformed := checkURL(s.URL, trackerSchemes)
		switch {
		case s.Err == nil:
		case malformed != nil:
			r.tell("tracker " + s.URL + ": " + malformed.Error())
		case alone, errors.As(s.Err, &refused), slices.Contains(r.named, s.URL):
			r.tell("tracker " + s.URL + ": " + networkError(s.Err))
		}
		if s.Warning != "" {
			r.tell("tracker " + s.URL + " says: " + s.Warning)
		}
	}
	for _, s := range seeds {
		if err := checkURL(s.URL, webSeedSchemes); err != nil {
			r.tell("web seed " + s.URL + ": " + err.Error())
		} else if s.Err != nil && lonely {
			r.tell("web seed " + s.URL + ": " + networkError(s.Err))
		}
	}
}

// noteLeftOut names what of a link is malformed, and so is not made use of.
func noteLeftOut(src shoal.Source) {
	parts := src.Magnet().LeftOut
	for _, part := range parts[:min(len(parts), maxReports)] {
		tell("shoal: warning: left out of the link: %s: it is malformed\n", part)
	}
}

// warned tells the torrent's own warning. One of pieces that cannot be read any more is
// told for the first of them only, and so is when all of them are back.
func (r *reports) warned(w error, lost int) {
	switch {
	case lost == 0 && r.lost != "":
		delete(r.told, r.lost) // it may come again
		r.lost = ""
		tell("\nshoal: %s is all there again, and shared\n", r.t.Name())
	case lost > 0 && r.lost != "":
	case w != nil:
		if lost > 0 {
			r.lost = oneLine(w)
		}
		r.tell(oneLine(w))
	}
}

func (r *reports) tell(line string) {
	if !r.told[line] && len(r.told) < maxReports {
		r.told[line] = true
		tell("\nshoal: warning: %s\n", line)
	}
}

// networkError is the reason of a failed announce or request in one line. What the network says of
// both ends is left out: our own port is another each time.
func networkError(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		err = call.Err
	}
	return strings.TrimPrefix(oneLine(err), "tracker: ")
}
