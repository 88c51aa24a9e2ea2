//go:build unix

package test

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }
