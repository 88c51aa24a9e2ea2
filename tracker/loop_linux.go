package tracker

import (
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// The loops read from all WebSocket connections by epoll. A connection that waits costs its
// conn and the kernel's socket: no goroutine, no stack, no buffer.
//
// A loop owns its connections: it alone reads from them and closes their descriptors. Anybody
// may write to them, under the conn's mu.
type loop struct {
	t     *Tracker
	index int8
	epoll int
	file  *os.File // epoll, in the runtime's poller: a loop that waits parks as any goroutine
	conns []*conn  // by descriptor
	n     atomic.Int32
	batch batch
	buf   []byte
	next  int // descriptor where the next sweep goes on

	more    []*conn // that had their turn and may have more without a further event
	drained int     // descriptors below are closed by drain

	mu       sync.Mutex
	arriving []*conn
	wake     int // an eventfd
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
func (t *Tracker) startLoops() error {
	for i := range min(runtime.GOMAXPROCS(0), 64) {
		l := &loop{t: t, index: int8(i), buf: make([]byte, readSize)}
		l.batch.n = t.newCounters()
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
		t.loops = append(t.loops, l)
	}
	for _, l := range t.loops {
		t.wg.Add(1)
		go l.run()
	}
	return nil
}

func (l *loop) run() {
	defer l.t.wg.Done()
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
			l.batch.now = l.t.cfg.Now()
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
		case <-l.t.done:
			return
		default:
		}
		if now := time.Now(); !now.Before(tick) {
			tick = now.Add(sweepTick)
			l.file.SetReadDeadline(tick)
			if l.n.Load() == 0 {
				continue
			}
			l.batch.now = l.t.cfg.Now()
			l.sweep()
			if left, ok := l.t.timeLeft(now); ok {
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

func (l *loop) read(c *conn, k *fdLink) {
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
		case err != nil || n == 0 || !c.received(&l.batch, l.buf, n):
			l.drop(c, k)
			return
		}
	}
	if c.home >= 0 && c.flags&flagSettled == 0 {
		l.settle(c, k)
	}
}

// settle moves a connection to the loop where its swarm is, so that a swarm and its connections
// meet; but a crowd does not all go to one loop.
func (l *loop) settle(c *conn, k *fdLink) {
	c.flags |= flagSettled
	to := l.t.loops[c.home]
	if to == l || to.n.Load() > l.n.Load()+l.n.Load()/4+64 {
		return
	}
	c.mu.Lock()
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, k.fd, nil)
	k.epoll = -1
	c.mu.Unlock()
	l.conns[k.fd] = nil
	l.n.Add(-1)
	to.take(c)
}

// take gives a connection to the loop, by any goroutine.
func (l *loop) take(c *conn) {
	l.n.Add(1)
	l.mu.Lock()
	l.arriving = append(l.arriving, c)
	first := len(l.arriving) == 1
	l.mu.Unlock()
	if first {
		l.poke()
	}
}

func (l *loop) arrive() {
	var b [8]byte
	unix.Read(l.wake, b[:])
	l.mu.Lock()
	arriving := l.arriving
	l.arriving = nil
	l.mu.Unlock()
	more := l.more
	l.more = nil
	for _, c := range more {
		if k := c.link.(*fdLink); l.conns[k.fd] == c {
			l.read(c, k)
		}
	}
	for _, c := range arriving {
		k := c.link.(*fdLink)
		for k.fd >= len(l.conns) {
			l.conns = append(l.conns, make([]*conn, 1024)...)
		}
		l.conns[k.fd] = c
		c.mu.Lock()
		k.epoll = l.epoll
		err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, k.fd, &unix.EpollEvent{Events: k.events(c.blocked), Fd: int32(k.fd)})
		c.mu.Unlock()
		if err != nil {
			l.drop(c, k)
			continue
		}
		if k.tls != nil {
			l.read(c, k) // what came behind the request is no event any more
		}
	}
}

// drop ends a connection.
func (l *loop) drop(c *conn, k *fdLink) {
	l.conns[k.fd] = nil
	l.n.Add(-1)
	c.end(&l.batch) // from here on nobody else touches the descriptor
	if k.tls != nil {
		l.t.buffers.put(k.tls.out)
	}
	unix.Close(k.fd)
}

func (l *loop) sweep() {
	n := max(int(int64(len(l.conns))*int64(sweepTick)/int64(sweepPeriod)), 256)
	for ; n > 0 && len(l.conns) > 0; n-- {
		if l.next >= len(l.conns) {
			l.next = 0
			return
		}
		if c := l.conns[l.next]; c != nil {
			c.sweep(&l.batch)
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
			c.close(&l.batch, wsframe.CloseGone, reasonShutdown)
			n--
		}
	}
}

func (t *Tracker) pokeLoops() {
	for _, l := range t.loops {
		l.poke()
	}
}

// poke makes the loop look around.
func (l *loop) poke() { unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (l *loop) shutdown() {
	l.arrive()
	for _, c := range l.conns {
		if c != nil {
			c.close(&l.batch, wsframe.CloseGone, reasonShutdown)
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

// An fdLink is a socket that a loop reads from. conn.mu guards epoll.
type fdLink struct {
	fd    int
	epoll int // where it is registered, -1 between two loops
	tls   *tlsLink
}

func (k *fdLink) events(blocked bool) uint32 {
	if blocked {
		return unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLOUT
	}
	return unix.EPOLLIN | unix.EPOLLRDHUP
}

// read reads once. again says that more may be there without a further event.
func (k *fdLink) read(c *conn, b []byte) (n int, again bool, err error) {
	if k.tls != nil {
		return k.tls.read(c, b)
	}
	for {
		if n, err = rawRead(k.fd, b); err != unix.EINTR {
			return n, false, err
		}
	}
}

func (k *fdLink) flush(c *conn) {
	done, err := false, error(nil)
	if k.tls != nil {
		done, err = k.tls.write(c)
	} else {
		done, err = k.write(&c.out)
	}
	switch {
	case err != nil:
		k.hangup(c)
	case !done && !c.blocked, done && c.blocked:
		c.blocked = !done
		if k.epoll >= 0 {
			unix.EpollCtl(k.epoll, unix.EPOLL_CTL_MOD, k.fd, &unix.EpollEvent{Events: k.events(c.blocked), Fd: int32(k.fd)})
		}
	}
	if done && err == nil {
		c.flushed()
		if c.state == closing {
			unix.Shutdown(k.fd, unix.SHUT_WR)
		}
	}
}

// write writes what the socket takes and removes it from *b.
func (k *fdLink) write(b *[]byte) (done bool, err error) {
	for len(*b) > 0 {
		n, err := rawWrite(k.fd, *b)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return false, nil
		case err != nil:
			return false, err
		default:
			*b = (*b)[:copy(*b, (*b)[n:])]
		}
	}
	return true, nil
}

// rawRead and rawWrite are read and write on sockets that do not block. unix.Read and unix.Write
// give the processor away for their duration, and take it back: an eighth of the CPU under load.

func rawRead(fd int, b []byte) (int, error) {
	return rawIO(unix.SYS_READ, fd, b)
}

func rawWrite(fd int, b []byte) (int, error) {
	return rawIO(unix.SYS_WRITE, fd, b)
}

func rawIO(call uintptr, fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (k *fdLink) hangup(c *conn) { unix.Shutdown(k.fd, unix.SHUT_RDWR) }

// adopt takes the socket of nc over, which is of no use afterwards. It reports false, and has
// changed nothing, if nc has no descriptor of its own.
func (t *Tracker) adopt(c *conn, nc net.Conn, buffered []byte) bool {
	var tl *tlsLink
	raw, _ := nc.(*net.TCPConn)
	if raw == nil {
		if tl = tlsLinkOf(nc); tl == nil {
			return false
		}
		raw = tl.tcp
	}
	rc, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	fd := -1
	if rc.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }) != nil || err != nil {
		return false
	}
	raw.SetDeadline(time.Time{})
	raw.Close()
	if tl != nil {
		tl.detach(fd)
	}
	c.link = &fdLink{fd: fd, epoll: -1, tls: tl}
	if len(buffered) > 0 {
		b := t.newBatch()
		c.received(b, buffered, len(buffered))
		t.endBatch(b)
	}
	l := t.loops[int(t.turn.Add(1))%len(t.loops)]
	if c.home >= 0 {
		l = t.loops[c.home]
	}
	l.take(c)
	return true
}
