// Package transport defines the byte stream that the peer wire protocol runs on.
package transport

import "time"

// Kind says what carries a connection.
type Kind uint8

// The kinds of transport.
const (
	TCP Kind = iota + 1
	UTP
	WebRTC
	HTTP // of web seeds, which are no streams
)

// String returns the name that flags, JSON and the docs use.
func (k Kind) String() string {
	switch k {
	case TCP:
		return "tcp"
	case UTP:
		return "utp"
	case WebRTC:
		return "webrtc"
	case HTTP:
		return "http"
	}
	return "unknown"
}

// Conn is an ordered, reliable stream of bytes to one peer. Read and Write may
// be called by one goroutine each at the same time; Close may be called by any
// goroutine, any number of times, and makes both return an error. Write blocks
// while the transport's send buffer is full, so memory in flight is bounded.
type Conn interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	// WriteBuffers writes the buffers in order as if they were one. It may
	// change the slice of slices, but not the bytes.
	WriteBuffers(bufs [][]byte) (int64, error)
	Close() error
	// SetReadDeadline and SetWriteDeadline make a blocked call return an error
	// whose Timeout method reports true; the zero time means no deadline.
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	Kind() Kind
	// RemoteAddr is "host:port" where it is known, "" where it is not.
	RemoteAddr() string
}
