package storage

import "golang.org/x/sys/unix"

// bootID names this run of the operating system, "" when unknown. What was
// written in an earlier one may have been lost with the power.
func bootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil || len(id) > 64 {
		return ""
	}
	return id
}
