//go:build unix

package load

import "syscall"

// raiseOpenFiles lets this process open n files, if it may, and returns how many it
// may open.
func raiseOpenFiles(n int) int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return n
	}
	if l.Cur < uint64(n) {
		want := syscall.Rlimit{Cur: uint64(n), Max: max(l.Max, uint64(n))}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) != nil {
			want.Cur, want.Max = l.Max, l.Max
			syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want)
		}
		syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	}
	return int(min(l.Cur, 1<<30))
}
