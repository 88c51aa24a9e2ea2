// Package transport defines the byte stream that the peer wire protocol runs on.
package transport

import (
	"context"
	"time"
)

// Kind says what carries a connection.
type Kind uint8

// The kinds of transport.
const (
	TCP Kind = iota + 1
	WebRTC
	HTTP // of web seeds, which are no streams
)

// String returns the name that flags, JSON and the docs use.
func (k Kind) String() string {
	switch k {
	case TCP:
		return "tcp"
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
	// RemoteAddr is the peer's own "host:port". It is "" where that is not known,
	// and where the address is a relay's: who bans it would ban others.
	RemoteAddr() string
}

// A Link is a connection to one peer that carries streams side by side, each a
// swarm of its own. It lives as long as one of them does. Its methods may be
// called by any goroutine.
type Link interface {
	// Open makes a further stream of that name, and waits until the other side has
	// taken it. The other side's program learns of it as of any incoming stream.
	Open(ctx context.Context, label string) (Conn, error)
	// Name notes the peer id that the other side gives itself, by which it is found
	// when it is met in another swarm.
	Name(id [20]byte)
	// Close ends all streams.
	Close() error
}

// Linked is implemented by a Conn that is a stream of a Link.
type Linked interface{ Link() Link }
