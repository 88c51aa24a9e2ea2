package wsconn

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A poller is an epoll in which a goroutine waits as in any read, without a thread of its own.
//
// The runtime's own epoll watches not the sockets' epoll but a gate, which is open only while
// the goroutine waits. Without it every packet that comes while the loop
// rests or works would wake a thread that finds nothing to do.
type poller struct {
	fd     int      // the sockets' epoll
	gate   *os.File // an epoll that watches fd
	gateFD int
	raw    syscall.RawConn
	events []unix.EpollEvent
}

func newPoller() (*poller, error) {
	p := &poller{fd: -1, gateFD: -1, events: make([]unix.EpollEvent, 256)}
	var err error
	if p.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create", err)
	}
	if p.gateFD, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		err = unix.EpollCtl(p.gateFD, unix.EPOLL_CTL_ADD, p.fd, &unix.EpollEvent{})
	}
	if err == nil {
		err = unix.SetNonblock(p.gateFD, true)
	}
	if err == nil {
		p.gate = os.NewFile(uintptr(p.gateFD), "epoll")
		p.raw, err = p.gate.SyscallConn()
	}
	if err != nil {
		p.close()
		return nil, os.NewSyscallError("epoll", err)
	}
	return p, nil
}

func (p *poller) close() {
	if p.gate != nil {
		p.gate.Close()
	} else if p.gateFD >= 0 {
		unix.Close(p.gateFD)
	}
	unix.Close(p.fd)
}

// poll returns what has happened and does not wait. It is valid until the next call.
func (p *poller) poll() []unix.EpollEvent {
	// Not unix.EpollWait, which makes room for another goroutine as if it blocked.
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		return nil
	}
	return p.events[:n]
}

// wait is poll, but waits until something happens or it is time. It reports false when the
// poller does not work any more.
func (p *poller) wait(until time.Time) (events []unix.EpollEvent, ok bool) {
	if events = p.poll(); len(events) > 0 {
		return events, true
	}
	p.gate.SetReadDeadline(until)
	armed := false
	err := p.raw.Read(func(uintptr) bool {
		if !armed {
			armed = true
			p.open(unix.EPOLLIN)
		}
		events = p.poll()
		return len(events) > 0
	})
	if armed {
		p.open(0)
	}
	return events, err == nil || os.IsTimeout(err)
}

// open says for what the gate is open.
func (p *poller) open(events uint32) {
	unix.EpollCtl(p.gateFD, unix.EPOLL_CTL_MOD, p.fd, &unix.EpollEvent{Events: events})
}
