package udpio

import (
	"errors"

	"golang.org/x/sys/windows"
)

// passing reports whether a failed read says nothing of the socket: a packet was longer
// than the buffer, or one that was sent has not arrived. Anybody can bring that about.
func passing(err error) bool {
	return errors.Is(err, windows.WSAEMSGSIZE) || errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAENETRESET)
}
