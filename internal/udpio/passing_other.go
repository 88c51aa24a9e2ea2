//go:build !windows

package udpio

// passing reports whether a failed read says nothing of the socket. Here none does.
func passing(error) bool { return false }
