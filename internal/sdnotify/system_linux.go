package sdnotify

import "golang.org/x/sys/unix"

const supported = true

// monotonic is the time of CLOCK_MONOTONIC in microseconds, by which systemd tells which reload is
// meant.
func monotonic() (int64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, err
	}
	return ts.Nano() / 1000, nil
}

// accepts reports whether a descriptor is a socket that listens for connections.
func accepts(fd int) bool {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && n != 0
}
