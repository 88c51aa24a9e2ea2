//go:build !linux

package load

import "errors"

func readUsage(int) (usage, error) {
	return usage{}, errors.New("what a process uses can be read on Linux alone")
}
