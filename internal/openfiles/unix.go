//go:build unix

package openfiles

import "syscall"

// Raise lets this process open n files, or as many as it may, and returns how many
// that are. The superuser may have any number up to what the kernel allows; others go up to
// the hard limit.
func Raise(n int) int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return n
	}
	if uint64(l.Cur) < uint64(n) {
		want := l
		want.Cur = number(n, l.Cur)
		want.Max = max(l.Max, want.Cur)
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) != nil {
			want.Cur, want.Max = min(l.Max, want.Cur), l.Max
			syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) // what it is then is asked below
		}
		syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	}
	return int(min(uint64(l.Cur), 1<<30))
}

// number has the type of the limits, which is not the same everywhere.
func number[T int64 | uint64](n int, _ T) T { return T(n) }
