//go:build !linux

package sdnotify

import "errors"

const supported = false

func monotonic() (int64, error) { return 0, errors.ErrUnsupported }

func accepts(int) bool { return false }
