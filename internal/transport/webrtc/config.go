package webrtc

import (
	"errors"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// Config says how a Host makes connections. The zero value is usable: host
// candidates only, on every interface, on a port that the system chooses.
type Config struct {
	// ICEServers are "stun:host:port" and "turn:user:password@host:port" URLs, the
	// latter with "?transport=tcp" behind it where that is meant. Empty means that
	// no server is asked for an address, but for those of SetServers.
	ICEServers []string

	// Loopback binds to 127.0.0.1 and offers no other candidate; mDNS is off and
	// ICEServers are ignored, those of SetServers unless they are on this machine,
	// too. For sharing within one machine and for tests. In a browser, which chooses
	// its own interfaces, only the servers are dropped.
	Loopback bool

	// RelayOnly connects by way of TURN servers alone, so that the other side does not
	// learn our address. Native only: a page says it when it makes its Shoal.
	RelayOnly bool

	// Port is the UDP port of all connections; 0 lets the system choose. Native only.
	Port uint16

	// MaxPending bounds half-open connections, those whose data channel has not
	// opened yet: so many of ours that wait for an answer, and so many that answer
	// others. Those that wait take no more than a quarter of MaxOpen. 0 means 32
	// natively, 10 in a browser.
	MaxPending int

	// MaxOpen bounds all connections, half-open ones included. 0 means 500
	// natively, 40 in a browser (which itself refuses the 501st).
	MaxOpen int

	// GatherTimeout is how long Offer and Answer wait for ICE candidates before
	// they go on with those found. 0 means 5 s.
	GatherTimeout time.Duration

	// PendingTimeout is how long a connection may stay half-open, counted from
	// Offer or Answer; then it is closed. 0 means 50 s, in a browser, where an offer
	// that nobody took is offered again, 11 minutes.
	PendingTimeout time.Duration

	// Accept is called with each further stream that the other side of a connection
	// opens, and the name it gives it; it must not block. nil: they are refused.
	Accept func(c transport.Conn, label string)
}

// Stats counts the connections of a Host.
type Stats struct {
	Live     int    // peer connections that exist now, half-open ones included
	HalfOpen int    // of these, the ones whose channel has not opened yet
	Opened   uint64 // channels that opened since the Host was made
	Failed   uint64 // half-open connections that ended without a channel
}

// Errors of this package. Errors about a session description are *SDPError.
var (
	// ErrHostClosed reports a call on a Host after Close.
	ErrHostClosed = errors.New("webrtc: host is closed")
	// ErrClosed reports a call on a connection after Close.
	ErrClosed = errors.New("webrtc: connection is closed")
	// ErrTooMany reports that MaxPending or MaxOpen is reached; try again later.
	ErrTooMany = errors.New("webrtc: too many connections")
	// ErrPendingTimeout reports that the other side did not connect in time.
	ErrPendingTimeout = errors.New("webrtc: no connection before the time limit")
	// ErrConnectFailed reports that no path to the other side was found, or that it
	// closed before the channel opened.
	ErrConnectFailed = errors.New("webrtc: connection could not be established")
	// ErrLost reports an open connection whose other side no longer answers.
	ErrLost = errors.New("webrtc: connection lost")
	// ErrPeerClosed reports a Write after the other side has closed the connection.
	ErrPeerClosed = errors.New("webrtc: the other side closed the connection")
	// ErrNoRelay reports that no TURN server is known, with Config.RelayOnly.
	ErrNoRelay = errors.New("webrtc: no relay is known")
	// ErrNotOfferer reports Accept on a connection that was made by Answer, or a
	// second Accept.
	ErrNotOfferer = errors.New("webrtc: no answer is expected here")
)

// An SDPError says why a session description of the other side is refused.
type SDPError struct{ Msg string }

func (e *SDPError) Error() string { return "webrtc: bad session description: " + e.Msg }

// A ServerError reports an entry of Config.ICEServers that cannot be understood.
type ServerError struct{ URL string }

func (e *ServerError) Error() string { return "webrtc: not a STUN or TURN URL: " + e.URL }

// MaxSDP is the largest session description accepted, in bytes.
const MaxSDP = 32 << 10

// maxHanded bounds the servers that SetServers keeps: each is asked for each connection.
const maxHanded = 4

// handed returns those of the servers that others named which may be used.
func (c *Config) handed(servers []string) (use []string) {
	for _, s := range servers {
		if len(use) < maxHanded && (!c.Loopback || isLoopbackServer(s)) {
			use = append(use, s)
		}
	}
	return use
}

// isLoopbackServer reports whether a server's URL has a loopback address for its host.
func isLoopbackServer(url string) bool {
	_, host, _ := strings.Cut(url, ":")
	host = host[strings.LastIndexByte(host, '@')+1:]
	host, _, _ = strings.Cut(host, "?")
	if !strings.HasPrefix(host, "127.") {
		return strings.HasPrefix(host, "[::1]:")
	}
	for _, c := range []byte(host) {
		if c != '.' && c != ':' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func (c Config) withDefaults() Config {
	if c.MaxPending <= 0 {
		c.MaxPending = defaultMaxPending
	}
	if c.MaxOpen <= 0 {
		c.MaxOpen = defaultMaxOpen
	}
	if c.GatherTimeout <= 0 {
		c.GatherTimeout = 5 * time.Second
	}
	if c.PendingTimeout <= 0 {
		c.PendingTimeout = defaultPendingTimeout
	}
	if c.Loopback {
		c.ICEServers = nil
	}
	return c
}
