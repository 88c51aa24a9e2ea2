package wsconn

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

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
	srv   *Server
	epoll int
	file  *os.File // epoll, in the runtime's poller: a loop that waits parks as any goroutine
	conns []*Conn  // by descriptor
	n     atomic.Int32
	batch *Batch
	buf   []byte
	next  int // descriptor where the next sweep goes on

	more    []*Conn // that had their turn and may have more without a further event
	drained int     // descriptors below are closed by drain

	mu       sync.Mutex
	arriving []*Conn
	ended    bool // nothing arrives any more
	wake     int  // an eventfd
}

const (
	readSize = 64 << 10
	// sweepPeriod is how long it takes to look at all connections of a loop once.
	sweepPeriod = 4 * time.Second
	sweepTick   = 200 * time.Millisecond
	// flushAfter is how long a busy loop goes on reading before it writes.
	flushAfter = time.Millisecond
	// maxRounds is how often one connection is read from in a row.
	maxRounds = 32
	// rest is how long a loop that had something to do waits before it looks again: then it
	// wakes once for what would otherwise wake it many times, as network cards do with their
	// interrupts. Making a WebRTC connection takes a hundred times as long.
	rest = 2 * time.Millisecond
)

// startLoops starts one loop for each processor.
func (s *Server) startLoops() error {
	for range min(runtime.GOMAXPROCS(0), 64) {
		l := &loop{srv: s, buf: make([]byte, readSize), batch: s.makeBatch(s.cfg.Counters.New())}
		var err error
		if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
			return os.NewSyscallError("epoll_create", err)
		}
		if l.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
			unix.Close(l.epoll)
			return os.NewSyscallError("eventfd", err)
		}
		unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.wake)})
		unix.SetNonblock(l.epoll, true)
		l.file = os.NewFile(uintptr(l.epoll), "epoll")
		s.loops = append(s.loops, l)
	}
	for _, l := range s.loops {
		s.wg.Go(l.run)
	}
	return nil
}

func (l *loop) run() {
	defer l.shutdown()
	rc, err := l.file.SyscallConn()
	if err != nil {
		return
	}
	events := make([]unix.EpollEvent, 256)
	n := 0
	poll := func(fd uintptr) bool {
		// Not unix.EpollWait, which makes room for another goroutine as if it blocked.
		r, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		if n = int(r); errno != 0 {
			n = 0
		}
		return n > 0
	}
	tick := time.Now().Add(sweepTick)
	l.file.SetReadDeadline(tick)
	for {
		n = 0
		err := rc.Read(poll)
		if n > 0 && l.n.Load() > 0 {
			l.batch.Now = l.srv.cfg.Now()
		}
		if n == 0 && err != nil && !os.IsTimeout(err) {
			return
		}
		// As long as more comes in at once, it is handled before anything is written: what
		// goes to one connection then goes in one piece.
		handled := n > 0
		for start := time.Now(); n > 0; {
			for i := range events[:n] {
				l.event(&events[i])
			}
			if time.Since(start) > flushAfter || !poll(uintptr(l.epoll)) {
				break
			}
		}
		l.batch.flush()
		if handled {
			time.Sleep(rest)
		}
		select {
		case <-l.srv.done:
			return
		default:
		}
		if now := time.Now(); !now.Before(tick) {
			tick = now.Add(sweepTick)
			l.file.SetReadDeadline(tick)
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

func (l *loop) event(e *unix.EpollEvent) {
	if int(e.Fd) == l.wake {
		l.arrive()
		return
	}
	c := l.conns[e.Fd]
	if c == nil {
		return // it ended by an earlier event of this round
	}
	k := c.link.(*fdLink)
	if e.Events&unix.EPOLLOUT != 0 {
		c.mu.Lock()
		if c.state != gone {
			k.flush(c)
		}
		c.mu.Unlock()
	}
	if e.Events&^unix.EPOLLOUT != 0 {
		l.read(c, k)
	}
}

func (l *loop) read(c *Conn, k *fdLink) {
	for rounds, again := 0, true; again; rounds++ {
		if rounds == maxRounds {
			l.more = append(l.more, c)
			l.poke()
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
		}
	}
	if c.home >= 0 && c.flags&flagSettled == 0 {
		l.settle(c, k)
	}
}

func (l *loop) sweep() {
	n := max(int(int64(len(l.conns))*int64(sweepTick)/int64(sweepPeriod)), 256)
	for ; n > 0 && len(l.conns) > 0; n-- {
		if l.next >= len(l.conns) {
			l.next = 0
			return
		}
		if c := l.conns[l.next]; c != nil {
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
	for ; n > 0 && l.drained < len(l.conns); l.drained++ {
		if c := l.conns[l.drained]; c != nil {
			c.Close(l.batch, wsframe.CloseGone, limit.ShuttingDown)
			n--
		}
	}
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
	for _, c := range l.conns {
		if c != nil {
			c.Close(l.batch, wsframe.CloseGone, limit.ShuttingDown)
		}
	}
	l.batch.flush()
	for _, c := range l.conns {
		if c != nil {
			l.drop(c, c.link.(*fdLink))
		}
	}
	l.file.Close()
	unix.Close(l.wake)
}
