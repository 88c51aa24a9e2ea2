package torrent

import (
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Item is one message from a peer. For a Piece, Buffer is the number of the
// buffer its payload lies in; it is 0 when the payload was thrown away, because
// that peer had not been asked for it or another peer's copy was there first.
type Item struct {
	wire.Message
	Buffer uint32
}

// Effect is something the driver is to do. Effects are to be carried out in
// order. Slices in them are good until the next Step.
type Effect interface{ effect() }

// Send sends messages to a peer. For each Request the driver expects a Piece,
// whose payload goes into the piece's buffer; for each Cancel it stops
// expecting it.
type Send struct {
	Peer     PeerKey
	Messages []wire.Message
}

// Upload reads a block from the store and sends it, then reports Sent.
type Upload struct {
	Peer                 PeerKey
	Index, Begin, Length uint32
}

// Close ends a connection. Err says why: a *wire.ProtocolError when the
// peer broke the protocol, ErrUseless or another LocalError when we chose to. Ban asks the
// driver to refuse its address from now on.
type Close struct {
	Peer PeerKey
	Err  error
	Ban  bool
}

// Dial connects to an address; the answer is PeerJoined or DialFailed.
type Dial struct{ Addr netip.AddrPort }

// OpenPiece makes a buffer for a piece about to be fetched. Buffer is its
// number, never 0 and never used again.
type OpenPiece struct {
	Index  int
	Size   int
	Buffer uint32
}

// DropPiece gives the buffer back. It follows PieceStored and StoreFailed too.
type DropPiece struct{ Index int }

// Verify checks the complete buffer against the expected hashes and stores it
// if all of them hold; the answer is PieceStored, PieceForged or StoreFailed.
type Verify struct {
	Index int
	V1    *metainfo.Hash    // SHA-1 of the piece
	V2    *metainfo.Hash256 // root of the piece's merkle tree
	Sums  bool              // report the SHA-1 of each block even if genuine
}

// Learned says that the info dictionary was fetched and is genuine. The driver
// opens a store for it and answers with ContentReady.
type Learned struct{ Info *metainfo.Info }

// Have says that a piece is stored and may be read.
type Have struct{ Index int }

// Lost says that a stored piece can no longer be read.
type Lost struct{ Index int }

// Finished says that every wanted piece is stored.
type Finished struct{}

// Stuck says why fetching cannot go on, in plain words.
type Stuck struct{ Err error }

func (Send) effect()      {}
func (Upload) effect()    {}
func (Close) effect()     {}
func (Dial) effect()      {}
func (OpenPiece) effect() {}
func (DropPiece) effect() {}
func (Verify) effect()    {}
func (Learned) effect()   {}
func (Have) effect()      {}
func (Lost) effect()      {}
func (Finished) effect()  {}
func (Stuck) effect()     {}

// LocalError is our own reason to end a connection.
type LocalError struct{ Msg string }

func (e *LocalError) Error() string { return e.Msg }

// Reasons of our own to end a connection.
var (
	ErrUseless   = &LocalError{"both sides have everything"}
	ErrDuplicate = &LocalError{"already connected to this peer"}
	ErrSelf      = &LocalError{"connected to ourselves"}
	ErrFull      = &LocalError{"connection limit reached"}
	ErrIdle      = &LocalError{"silent for too long"}
	ErrBadData   = &wire.ProtocolError{Msg: "sent data that does not match its hash"}
)
