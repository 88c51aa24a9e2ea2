package load

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"
)

// readUsage reads what a process has used, from /proc (proc(5)).
func readUsage(pid int) (u usage, err error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return u, errors.New("there is no such process")
	}
	// The program's name may hold anything; what counts is behind it.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return u, errors.New("its stat in /proc makes no sense")
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 everywhere
	for _, s := range f[11:13] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return u, errors.New("its stat in /proc makes no sense")
		}
		u.cpu += time.Duration(n) * tick
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch key {
		case "VmRSS":
			u.rss = kb << 10
		case "VmHWM":
			u.peak = kb << 10
		}
	}
	return u, nil
}
