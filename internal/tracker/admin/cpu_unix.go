//go:build unix

package admin

import (
	"syscall"
	"time"
)

// cpuTime is the processor time of this process, 0 if the system does not tell.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
