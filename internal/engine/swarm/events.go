package swarm

import (
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/wire"
)

// Event is something that happened outside the machine. Contents have further
// ones.
type Event interface{ Event() }

// PeerJoined says that a connection finished its handshake.
type PeerJoined struct {
	Peer PeerKey
	// Addr is where the connection goes to or comes from; invalid where nobody
	// could dial it, as over WebRTC.
	Addr netip.AddrPort
	// Origin is the address that the transport vouches for, if it is not Addr.
	// Relayed says that strangers share its IP address, as behind a relay.
	Origin   netip.AddrPort
	Relayed  bool
	Used     Hint // what the connection is made of
	ID       [20]byte
	Outgoing bool
	Fast     bool // the handshake's BEP 6 bit
	Extended bool // the handshake's BEP 10 bit
	V2       bool // the handshake's BEP 52 bit
	DHT      bool // the handshake's BEP 5 bit

	// WebSeed says that this is no connection but an HTTP server (BEP 17, 19), at
	// URL. The driver lets it say by messages what it has and when it can be
	// asked; Requests and Cancels alone are sent to it. It takes no place of
	// MaxPeers, and nobody is told of it. Peer and URL alone are set beside this.
	WebSeed bool
	URL     string
}

// PeerLeft says that a connection ended. The machine never sends it anything
// again.
type PeerLeft struct{ Peer PeerKey }

// DialFailed says that a Dial came to nothing.
type DialFailed struct{ Addr netip.AddrPort }

// Source says how an address became known. An address can have several.
type Source uint8

// The sources.
const (
	User    Source = 1 << iota // given by the user: dialled first
	Tracker                    // told by a tracker
	DHT                        // found in the DHT (BEP 5)
	LSD                        // found on the local network (BEP 14)
	PEX                        // told by another peer (BEP 11)

	vouched = User | Tracker // what a private torrent may use (BEP 27)
)

// Hint says how a peer is reached best.
type Hint struct {
	UTP       bool // it speaks uTP (BEP 29)
	Encrypted bool // it prefers encryption
}

// PeersFound offers addresses to connect to.
type PeersFound struct {
	Addrs  []netip.AddrPort
	Source Source // 0 means Tracker
	Hint   Hint   // holds for all of them
}

// Item is one message from a peer. For a Piece, Buffer is the number of the
// buffer its payload lies in; it is 0 when the payload was thrown away, because
// that peer had not been asked for it or another peer's copy was there first.
type Item struct {
	wire.Message
	Buffer uint32
}

// Received carries the messages of one peer in the order they came. Who gives it by
// pointer may use it again after the Step.
type Received struct {
	Peer  PeerKey
	Items []Item
}

// SendExt sends a message of an extension that the application registered. It
// is lost if the peer does not speak it.
type SendExt struct {
	Peer    PeerKey
	Name    string
	Payload []byte
}

// Event implements [Event].
func (PeerJoined) Event() {}

// Event implements [Event].
func (PeerLeft) Event() {}

// Event implements [Event].
func (DialFailed) Event() {}

// Event implements [Event].
func (PeersFound) Event() {}

// Event implements [Event].
func (Received) Event() {}

// Event implements [Event].
func (SendExt) Event() {}

// Effect is something the driver is to do. Effects are to be carried out in
// order. Slices in them are good until the next Step. Contents have further ones.
type Effect interface{ Effect() }

// Send sends messages to a peer. For each Request the driver expects a Piece,
// whose payload goes into the piece's buffer; for each Cancel it stops
// expecting it. It is a pointer that is good, like the messages, until the next
// Step.
type Send struct {
	Peer     PeerKey
	Messages []wire.Message
}

// Close ends a connection. Err says why: a *wire.ProtocolError when the
// peer broke the protocol, ErrUseless or another LocalError when we chose to. Ban asks the
// driver to refuse it in all swarms, as [Bans] does.
type Close struct {
	Peer PeerKey
	Err  error
	Ban  bool
}

// Dial connects to an address; the answer is PeerJoined or DialFailed.
type Dial struct {
	Addr netip.AddrPort
	Hint Hint
}

// Speaks says that a peer has named an extension that the application registered:
// it can be sent messages of it.
type Speaks struct {
	Peer PeerKey
	Name string
}

// GotExt is a message of an extension that the application registered.
type GotExt struct {
	Peer    PeerKey
	Name    string
	Payload []byte
}

// DHTNode is a DHT node that a peer told of (BEP 5, "port").
type DHTNode struct{ Addr netip.AddrPort }

// Private says that the torrent turned out to be private (BEP 27): the driver
// stops looking for peers in the DHT and on the local network.
type Private struct{}

// Effect implements [Effect].
func (*Send) Effect() {}

// Effect implements [Effect].
func (Close) Effect() {}

// Effect implements [Effect].
func (Dial) Effect() {}

// Effect implements [Effect].
func (GotExt) Effect() {}

// Effect implements Effect.
func (Speaks) Effect() {}

// Effect implements [Effect].
func (DHTNode) Effect() {}

// Effect implements [Effect].
func (Private) Effect() {}

// LocalError is our own reason to end a connection.
type LocalError struct{ Msg string }

// Error returns the message.
func (e *LocalError) Error() string { return e.Msg }

// Reasons of our own to end a connection.
var (
	ErrUseless   = &LocalError{"both sides have everything"}
	ErrDuplicate = &LocalError{"already connected to this peer"}
	ErrSelf      = &LocalError{"connected to ourselves"}
	ErrFull      = &LocalError{"connection limit reached"}
	ErrCrowd     = &LocalError{"too many connections to its address"}
	ErrEvicted   = &LocalError{"made room for a newcomer"}
	ErrBanned    = &LocalError{"banned for what it sent before"}
	ErrPrivate   = &LocalError{"found in a way that a private torrent forbids"}
	ErrIdle      = &LocalError{"silent for too long"}
)

// Breach is the error of a peer that broke the protocol.
func Breach(msg string) error { return &wire.ProtocolError{Msg: msg} }
