package trackerclient

import "strings"

const (
	// maxFlying bounds the announces by HTTP and UDP that a Client has under way,
	// maxFlyingAt those at one tracker.
	maxFlying   = 32
	maxFlyingAt = 8
	// maxSilent bounds those at trackers that did not answer last, so that dead
	// ones do not keep the others waiting; each of them is asked once at a time.
	maxSilent = maxFlying / 2
	// maxSilentKept bounds the trackers that are remembered as silent.
	maxSilentKept = 1024
)

// A job is an announce that waits for its turn.
type job struct {
	host string
	// begin is called by the loop when it is its turn. It returns what is then done
	// on a goroutine, and reports whether the tracker kept silent; nil: nothing.
	begin func() (work func() (silent bool))
}

// hostOf is what announces to one tracker have in common.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// line lets announces wait for their turn: by tracker in turns, at one tracker in the
// order they came, except that farewells go first. It is not safe for concurrent use.
type line struct {
	hosts  map[string]*hostLine
	turns  []*hostLine // those where something waits, the next one first
	flying int
	silent int // of them, at silent trackers
}

type hostLine struct {
	name     string
	first    []*job // farewells
	waiting  []*job
	flying   int
	queued   bool // in turns
	silent   bool // it did not answer the last time
	asSilent int  // of flying, those counted in line.silent
}

func (l *line) add(j *job, first bool) {
	h := l.hosts[j.host]
	if h == nil {
		if l.hosts == nil {
			l.hosts = make(map[string]*hostLine)
		}
		h = &hostLine{name: j.host}
		l.hosts[j.host] = h
	}
	if first {
		h.first = append(h.first, j)
	} else {
		h.waiting = append(h.waiting, j)
	}
	l.enqueue(h)
}

func (l *line) enqueue(h *hostLine) {
	if !h.queued && len(h.first)+len(h.waiting) > 0 {
		h.queued = true
		l.turns = append(l.turns, h)
	}
}

// next returns the announce whose turn it is, nil when none may start now. Its end is
// to be reported by done.
func (l *line) next() *job {
	if l.flying >= maxFlying {
		return nil
	}
	for i, h := range l.turns {
		if h.flying >= maxFlyingAt || h.silent && (h.flying > 0 || l.silent >= maxSilent) {
			continue
		}
		l.turns = append(l.turns[:i], l.turns[i+1:]...)
		h.queued = false
		from := &h.waiting
		if len(h.first) > 0 {
			from = &h.first
		}
		j := (*from)[0]
		(*from)[0] = nil
		if *from = (*from)[1:]; len(*from) == 0 {
			*from = nil
		}
		l.flying++
		h.flying++
		if h.silent {
			l.silent++
			h.asSilent++
		}
		l.enqueue(h)
		return j
	}
	return nil
}

// done reports the end of an announce that next returned.
func (l *line) done(host string, silent bool) {
	h := l.hosts[host]
	l.flying--
	h.flying--
	if h.asSilent > 0 {
		h.asSilent--
		l.silent--
	}
	h.silent = silent
	if h.flying == 0 && !h.queued && (!silent || len(l.hosts) > maxSilentKept) {
		delete(l.hosts, host)
	}
}

// clear has everything that waits end without being done. It is called when the
// Client is closed, so that no job begins any work.
func (l *line) clear() {
	for _, h := range l.turns {
		for _, j := range append(h.first, h.waiting...) {
			j.begin()
		}
	}
	l.turns = nil
}

// launch starts as many announces as may run. The loop calls it.
func (c *Client) launch() {
	if !tcpSupported {
		return
	}
	for j := c.line.next(); j != nil; j = c.line.next() {
		work := j.begin()
		if work == nil {
			c.line.done(j.host, false)
			continue
		}
		c.wg.Go(func() {
			silent := work()
			c.tell(func() { c.line.done(j.host, silent) })
		})
	}
}
