//go:build !linux

package wsconn

// Tune bounds what the kernel keeps for a socket, where it can be told to.
func Tune(any) {}
