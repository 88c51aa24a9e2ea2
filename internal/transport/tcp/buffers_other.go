//go:build !linux

package tcp

// reader is what ReadBuffers needs, which only Linux has here.
type reader struct{}
