package wsconn

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// sendBuffer is what the kernel may keep for one connection that does not read, in bytes; it
	// reckons with twice that. Left to itself it keeps megabytes. An announce's offers
	// for one receiver are smaller.
	sendBuffer = 64 << 10
	// userTimeout is how long something that was sent, or waits to be, may go without a word of the
	// other side (RFC 5482). Longer than a change of networks takes.
	userTimeout = 30 * time.Second
)

// Tune bounds what the kernel keeps for a socket, or for all that a listener will accept. It has no
// effect on what has no descriptor.
func Tune(socket any) {
	sc, ok := socket.(syscall.Conn)
	if !ok {
		return
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return
	}
	// Without them more memory may be taken; that is no reason to serve nobody.
	_ = rc.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout/time.Millisecond))
	})
}
