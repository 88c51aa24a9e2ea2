package wsconn

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// The loops read from all WebSocket connections by epoll. A connection that waits costs its
// conn and the kernel's socket: no goroutine, no stack, no buffer.
//
// A loop owns its connections: it alone reads from them and closes their descriptors. Anybody
// may write to them, under the conn's mu.
type loop struct {
	srv *Server
	poller
	conns table
	n     atomic.Int32
	turns atomic.Uint32 // rounds so far: one comes each sweepTick at least
	batch *Batch
	buf   []byte
	next  int // number where the next sweep goes on

	more    []*Conn // that had their turn and may have more, of which no event tells
	drained int     // number where drain goes on

	mu       sync.Mutex
	arriving []*Conn
	resuming []*Conn // that may go on after a Pause
	ended    bool    // nothing arrives any more
	wake     int     // an eventfd
}

const (
	readSize = 64 << 10
	// sweepPeriod is how long it takes to look at all connections of a loop once.
	sweepPeriod = 4 * time.Second
	sweepTick   = 200 * time.Millisecond
	// flushAfter is how long a busy loop goes on reading before it writes.
	flushAfter = time.Millisecond
	// maxRounds is how often one connection is read from in a row, unless that brings readSize bytes
	// before: then others have their turn, and what it set off is written.
	maxRounds = 32
	// A loop that had something to do rests before it looks again: then it wakes once for what
	// would otherwise wake it many times, as network cards do with their interrupts, and what
	// goes to one connection goes in one piece. Making a WebRTC connection takes a hundred times as
	// long. Where one round follows another anyway, the whole of a round takes roundTime.
	minRest   = 2 * time.Millisecond
	roundTime = 5 * time.Millisecond
	// fewEvents in a round are so few that a longer rest would find no more of them.
	fewEvents = 4
	// wakeSlot is the number of the eventfd.
	wakeSlot = -1
)

// rest returns how long a loop rests after a round that took work.
func rest(work time.Duration, events int) time.Duration {
	if events < fewEvents {
		return minRest
	}
	return max(roundTime-work, minRest)
}

// startLoops starts one loop for each processor.
func (s *Server) startLoops() error {
	for range min(runtime.GOMAXPROCS(0), 64) {
		l := &loop{srv: s, buf: make([]byte, readSize), batch: s.makeBatch(s.cfg.Counters.New())}
		p, err := newPoller()
		if err != nil {
			return err
		}
		l.poller = *p
		if l.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
			p.close()
			return os.NewSyscallError("eventfd", err)
		}
		unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, l.wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeSlot})
		s.loops = append(s.loops, l)
	}
	for _, l := range s.loops {
		s.wg.Go(l.run)
	}
	return nil
}

func (l *loop) run() {
	defer l.shutdown()
	tick := time.Now().Add(sweepTick)
	for {
		l.turns.Add(1)
		var events []unix.EpollEvent
		ok := true
		if len(l.more) > 0 {
			events = l.poll()
		} else if events, ok = l.wait(tick); !ok {
			return
		}
		if start := time.Now(); len(events)+len(l.more) > 0 {
			l.batch.Now = l.srv.cfg.Now()
			l.again()
			n := l.round(events, start)
			l.batch.flush()
			if len(l.more) == 0 {
				time.Sleep(rest(time.Since(start), n))
			}
		}
		select {
		case <-l.srv.done:
			return
		default:
		}
		if now := time.Now(); !now.Before(tick) {
			tick = now.Add(sweepTick)
			if l.n.Load() == 0 {
				continue
			}
			l.batch.Now = l.srv.cfg.Now()
			l.sweep()
			if left, ok := l.srv.timeLeft(now); ok {
				l.drain(left)
			}
			l.batch.flush()
		}
	}
}

// again reads from those that had more than their turn.
func (l *loop) again() {
	more := l.more
	l.more = nil
	for _, c := range more {
		if k := c.link.(*fdLink); l.conns.at(k.slot) == c {
			l.read(c, k, true)
		}
	}
}

// round handles events, and as long as more come in at once than fit, those, before anything
// is written: what goes to one connection then goes in one piece. It returns how many they were.
func (l *loop) round(events []unix.EpollEvent, start time.Time) (n int) {
	for {
		n += len(events)
		for i := range events {
			l.event(&events[i])
		}
		if len(events) < cap(events) || time.Since(start) > flushAfter {
			return n
		}
		events = l.poll()
	}
}

func (l *loop) event(e *unix.EpollEvent) {
	if e.Fd == wakeSlot {
		l.arrive()
		return
	}
	c := l.conns.at(e.Fd)
	if c == nil {
		return // it ended by an earlier event of this round
	}
	k := c.link.(*fdLink)
	if e.Events&unix.EPOLLOUT != 0 {
		c.mu.Lock()
		if c.state < cut {
			k.flush(c)
		}
		c.mu.Unlock()
	}
	if e.Events&^unix.EPOLLOUT != 0 {
		l.read(c, k, e.Events&^(unix.EPOLLOUT|unix.EPOLLIN) != 0)
	}
}

// read reads what is there. ends says that the stream's end is, too: it comes with no event of its own.
func (l *loop) read(c *Conn, k *fdLink, ends bool) {
	if c.paused() {
		if c.now() >= cut {
			l.drop(c, k)
		}
		return
	}
	total := 0
	for rounds, again := 0, true; again; rounds++ {
		if rounds == maxRounds || total >= readSize {
			l.more = append(l.more, c)
			return
		}
		room := c.room(l.buf)
		var n int
		var err error
		n, again, err = k.read(c, room)
		switch {
		case err == unix.EAGAIN:
			return
		case err != nil || n == 0 || !c.received(l.batch, l.buf, n):
			l.drop(c, k)
			return
		case c.paused():
			return
		}
		total += n
		again = again || ends
	}
	if c.home >= 0 && c.flags&flagSettled == 0 {
		l.settle(c, k)
	}
}

func (l *loop) sweep() {
	n := max(int(int64(len(l.conns.conns))*int64(sweepTick)/int64(sweepPeriod)), 256)
	for ; n > 0; n-- {
		if l.next >= len(l.conns.conns) {
			l.next = 0
			l.conns.trim()
			return
		}
		if c := l.conns.conns[l.next]; c != nil {
			c.sweep(l.batch)
		}
		l.next++
	}
}

// drain closes so many connections that none is left at the end of the time that Shutdown has.
func (l *loop) drain(left time.Duration) {
	n := int(l.n.Load())
	if left > sweepTick {
		n = (n*int(sweepTick/time.Millisecond) + int(left/time.Millisecond) - 1) / int(left/time.Millisecond)
	}
	for range l.conns.conns {
		if l.drained >= len(l.conns.conns) {
			l.drained = 0 // for those who were on their way here
		}
		if c := l.conns.conns[l.drained]; c != nil {
			c.Close(l.batch, wsframe.CloseGone, limit.ShuttingDown)
			n--
		}
		if l.drained++; n <= 0 {
			return
		}
	}
}

// Turns appends how often each loop has come round: several times a second, unless it is stuck.
func (s *Server) Turns(dst []uint32) []uint32 {
	for _, l := range s.loops {
		dst = append(dst, l.turns.Load())
	}
	return dst
}

func (s *Server) pokeLoops() {
	for _, l := range s.loops {
		l.poke()
	}
}

// poke makes the loop look around.
func (l *loop) poke() { unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (l *loop) shutdown() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.arrive()
	for _, c := range l.conns.conns {
		if c != nil {
			c.Close(l.batch, wsframe.CloseGone, limit.ShuttingDown)
		}
	}
	l.batch.flush()
	for _, c := range l.conns.conns {
		if c != nil {
			l.drop(c, c.link.(*fdLink))
		}
	}
	l.poller.close()
	unix.Close(l.wake)
}
