package storage

import (
	"os"
	"strings"
)

// bootID names this run of the operating system, "" when unknown. What was
// written in an earlier one may have been lost with the power.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(b) > 64 {
		return ""
	}
	return strings.TrimSpace(string(b))
}
