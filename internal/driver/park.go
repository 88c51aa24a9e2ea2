package driver

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
)

// phase is what a torrent is doing, seen from outside its loop.
type phase uint8

const (
	// opening: the content is being opened or checked. There is no loop, and
	// none may start.
	opening phase = iota
	// parked: nothing is to be done. There is no machine, no goroutine and no
	// open file; whoever needs the loop starts it.
	parked
	running
	ended
)

// defaultQuiet is how long a complete torrent without peers keeps its machine.
const defaultQuiet = time.Minute

// maxPending bounds the events that wait for a content to be opened.
const maxPending = 64

// maxNamed bounds the addresses that outlive a machine.
const maxNamed = 64

// gate is where the loop of a torrent is started and ended. Whoever gives it
// something to do passes through, so that it does not end underneath.
type gate struct {
	mu     sync.Mutex
	phase  phase
	users  int           // calls and posts under way; the loop does not end meanwhile
	paused bool          // by the user
	held   bool          // for a check of what is stored
	failed func()        // opens the content once more; nil: it did not fail to open
	free   chan struct{} // closed when the loop has ended, for the one who holds it

	// What a new machine is told first.
	pending []torrent.Event
	wishes  wishes
	named   []netip.AddrPort // by the user: nobody else may know them
	windows map[int]torrent.ReaderMoved
}

func (g *gate) stopped() bool { return g.paused || g.held }

// enter makes sure that the loop runs, and that it goes on until leave. It
// reports false for a torrent that has no loop now and may not get one.
func (t *Torrent) enter() bool {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	switch t.gate.phase {
	case opening, ended:
		return false
	case parked:
		if t.gate.stopped() || t.start() != nil {
			return false
		}
	}
	t.gate.users++
	return true
}

// name keeps addresses for every machine that is made for the torrent.
func (g *gate) name(addrs []netip.AddrPort) {
	g.mu.Lock()
	defer g.mu.Unlock()
	// Not in place: a machine may be reading the list.
	named := slices.Clone(g.named)
	for _, a := range addrs {
		if len(named) < maxNamed && !slices.Contains(named, a) {
			named = append(named, a)
		}
	}
	g.named = named
}

func (t *Torrent) leave() {
	t.gate.mu.Lock()
	t.gate.users--
	t.gate.mu.Unlock()
}

// wake starts the loop of a parked torrent.
func (t *Torrent) wake() {
	if t.enter() {
		t.leave()
	}
}

// start makes a machine and the loop that owns it. Callers hold gate.mu.
func (t *Torrent) start() error {
	m, err := torrent.New(t.machineConfig())
	if err != nil {
		return err
	}
	t.m = m
	t.welcome()
	t.conns, t.buffers = map[torrent.PeerKey]link{}, map[int]*pieceBuffer{}
	t.inbox, t.calls = make(chan torrent.Event, 256), make(chan func())
	t.mu.Lock()
	t.early = map[int]*pieceBuffer{}
	t.mu.Unlock()
	first := t.gate.wishes.events()
	ids := make([]int, 0, len(t.gate.windows))
	for id := range t.gate.windows {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		first = append(first, t.gate.windows[id])
	}
	if len(t.gate.named) > 0 {
		first = append(first, swarm.PeersFound{Addrs: t.gate.named, Source: swarm.User})
	}
	first = append(first, t.gate.pending...)
	t.gate.pending = nil
	t.gate.phase = running
	t.s.wg.Go(func() { t.run(first) })
	return nil
}

// park ends the loop if nothing needs it. The loop calls it after each step.
func (t *Torrent) park(now time.Time) bool {
	if t.live > 0 || t.dialling > 0 || t.verifying > 0 {
		if t.live > 0 {
			t.quiet = time.Time{}
		}
		return false
	}
	if !t.stopping && !t.m.Complete() {
		t.quiet = time.Time{}
		return false
	}
	if t.quiet.IsZero() {
		t.quiet = now
	}
	if !t.stopping && now.Sub(t.quiet) < t.s.cfg.Quiet {
		return false
	}
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	if t.gate.phase != running || t.gate.users > 0 || len(t.inbox) > 0 ||
		t.stopping != t.gate.stopped() || !t.stopping && t.awaited() {
		return false
	}
	t.dropAll()
	down, up, _ := t.m.Totals()
	t.before.down += down
	t.before.up += up
	t.snapshot(now)
	t.before.web = t.shot.Load().FromWebSeeds
	t.m, t.conns, t.buffers, t.inbox, t.calls = nil, nil, nil, nil, nil
	t.quiet, t.stopping = time.Time{}, false
	t.gate.phase = parked
	if t.gate.free != nil {
		t.gate.phase = opening // somebody waits to check the content
		close(t.gate.free)
		t.gate.free = nil
	}
	return true
}

// dropAll gives back what the loop holds.
func (t *Torrent) dropAll() {
	t.stopDials()
	for _, c := range t.conns {
		c.close()
	}
	for _, b := range t.buffers {
		b.drop()
	}
	t.s.ledger.release(&t.grant)
	t.s.places.give(t.live, 0)
	t.live = 0
}

// awaited reports whether some reader is in front of pieces that are missing.
// Callers hold gate.mu.
func (t *Torrent) awaited() bool {
	for _, w := range t.gate.windows {
		if t.lacks(w) {
			return true
		}
	}
	return false
}

func (t *Torrent) lacks(w torrent.ReaderMoved) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := w.First; i <= w.Last; i++ {
		if !t.have.Has(i) && !t.away.Has(i) {
			return true
		}
	}
	return false
}

// readerMoved passes a reader's window on. A reader whose pieces are all there
// wakes nobody.
func (t *Torrent) readerMoved(w torrent.ReaderMoved) {
	t.gate.mu.Lock()
	if t.gate.windows == nil {
		t.gate.windows = map[int]torrent.ReaderMoved{}
	}
	t.gate.windows[w.Reader] = w
	asleep := t.gate.phase != running
	t.gate.mu.Unlock()
	if !asleep {
		t.post(w)
	} else if t.lacks(w) {
		t.wake() // start tells the machine of the window
	}
}

func (t *Torrent) readerClosed(id int) {
	t.gate.mu.Lock()
	_, known := t.gate.windows[id]
	delete(t.gate.windows, id)
	resting := t.gate.phase == parked
	t.gate.mu.Unlock()
	switch {
	case resting && t.content.Rest != nil:
		t.content.Rest() // what was opened for the reader
	case known && !resting:
		t.post(torrent.ReaderClosed{Reader: id})
	}
}

// post gives an event to the loop. What comes while the content is being opened, or
// to a torrent that is paused, waits for the next loop.
func (t *Torrent) post(ev torrent.Event) {
	t.gate.mu.Lock()
	if g := &t.gate; g.phase == opening || g.phase == parked && g.stopped() {
		if len(g.pending) < maxPending {
			g.pending = append(g.pending, ev)
		}
		g.mu.Unlock()
		return
	}
	t.gate.mu.Unlock()
	if !t.enter() {
		return
	}
	defer t.leave()
	select {
	case t.inbox <- ev:
	case <-t.quit:
	}
}

// call runs f in the loop and waits for it. It reports false when there is no
// loop: the torrent has ended, or its content is being checked.
func (t *Torrent) call(f func()) bool {
	if !t.enter() {
		return false
	}
	defer t.leave()
	ran := make(chan struct{})
	select {
	case t.calls <- func() { f(); close(ran) }:
		<-ran
		return true
	case <-t.quit:
		return false
	}
}
