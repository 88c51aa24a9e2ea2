// Package torrent decides everything about one torrent: which block to ask from
// whom, whom to serve, which bytes are genuine.
//
// It is a state machine without I/O. [Machine.Step] takes the time and what has
// happened, and returns what is to be done; [Machine.Deadline] says when it wants
// to be called again if nothing happens before. It reads no clock, opens no
// socket, starts no goroutine and draws its randomness from the source it was
// given, so the same events at the same times give the same effects on every
// platform. Payload bytes never pass through it: it names pieces and blocks, and
// the driver moves the bytes.
package torrent

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/metainfo"
)

// BlockSize is the unit of requests. The last block of a piece may be shorter.
const BlockSize = metainfo.BlockSize

// PeerKey is the driver's handle for one connection. It is never reused.
type PeerKey uint32

// Config says what a machine works on. The zero value of every optional field
// is a stated default. It must not be changed after New.
type Config struct {
	Key    metainfo.Hash     // info hash on the wire; required
	HashV2 *metainfo.Hash256 // full v2 info hash where known, to check metadata against
	PeerID [20]byte          // ours; required
	Info   *metainfo.Info    // nil: fetched from peers (BEP 9)
	Layers *metainfo.Layers  // v2 piece layers known so far; nil: fetched (BEP 52)
	Have   *bits.Set         // verified pieces in the store; nil: none
	Rand   *rand.Rand        // required, seeded by the driver
	Client string            // the "v" of the extension handshake; "" sends none

	MaxPeers     int   // connections; 0 means 80
	MaxHalfOpen  int   // dials under way; 0 means 16
	BufferBytes  int64 // memory for pieces being fetched; 0 means 64 MiB
	UploadWindow int   // bytes given to the driver per peer and not yet sent; 0 means 1 MiB
	UploadSlots  int   // upload slots to start with; 0 means 8
	MaxSlots     int   // upload slots at most; 0 means 64
	QueueLimit   int   // requests outstanding per peer at most; 0 means 500
	ListenPort   int   // TCP port told to peers; 0 tells none
	Private      bool  // BEP 27: no peer exchange
}

func (c *Config) fill() error {
	if c.Rand == nil {
		return errors.New("torrent: Config.Rand is nil")
	}
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.MaxPeers, 80)
	def(&c.MaxHalfOpen, 16)
	def(&c.UploadWindow, 1<<20)
	def(&c.UploadSlots, 8)
	def(&c.MaxSlots, 64)
	def(&c.QueueLimit, 500)
	if c.BufferBytes == 0 {
		c.BufferBytes = 64 << 20
	}
	return nil
}

// Event is something that happened outside the machine.
type Event interface{ event() }

// PeerJoined says that a connection finished its handshake.
type PeerJoined struct {
	Peer     PeerKey
	Addr     netip.AddrPort // invalid where unknown, as over WebRTC
	ID       [20]byte
	Outgoing bool
	Fast     bool // the handshake's BEP 6 bit
	Extended bool // the handshake's BEP 10 bit
	V2       bool // the handshake's BEP 52 bit
}

// PeerLeft says that a connection ended. The machine never sends it anything
// again.
type PeerLeft struct{ Peer PeerKey }

// DialFailed says that a Dial came to nothing.
type DialFailed struct{ Addr netip.AddrPort }

// PeersFound offers addresses to connect to. Trusted ones, given by the user,
// are dialled first.
type PeersFound struct {
	Addrs   []netip.AddrPort
	Trusted bool
}

// Received carries the messages of one peer in the order they came.
type Received struct {
	Peer  PeerKey
	Items []Item
}

// Sent says that blocks of one peer have left for the transport.
type Sent struct {
	Peer   PeerKey
	Bytes  int
	Blocks int
}

// ReadFailed says that the store could not read a block that was to be
// uploaded. The piece is no longer offered to anybody.
type ReadFailed struct {
	Peer                 PeerKey
	Index, Begin, Length uint32
}

// PieceStored says that a piece was genuine and is in the store. Sums are the
// SHA-1 of its blocks, given when Verify asked for them.
type PieceStored struct {
	Index int
	Sums  [][20]byte
}

// PieceForged says that a piece did not match its hash. Sums are the SHA-1 of
// its blocks.
type PieceForged struct {
	Index int
	Sums  [][20]byte
}

// StoreFailed says that a genuine piece could not be written. The machine stops
// fetching until Resume; what was stored stays.
type StoreFailed struct{ Index int }

// ContentReady answers Learned: the store is open. Have are the verified pieces
// it holds already; nil means none. Layers are the piece layers known so far.
type ContentReady struct {
	Info   *metainfo.Info
	Layers *metainfo.Layers
	Have   *bits.Set
}

// ReaderMoved opens or moves a reader: pieces First to Last (inclusive) are
// needed soon, in that order. Urgent is how long the reader can wait for First;
// every later piece may take Spacing longer.
type ReaderMoved struct {
	Reader      int
	First, Last int
	Urgent      time.Duration
	Spacing     time.Duration
	Jump        bool // the position changed by a seek: let go of what is not urgent
}

// ReaderClosed ends a reader.
type ReaderClosed struct{ Reader int }

// Wanted replaces the set of pieces to fetch; nil wants all of them.
type Wanted struct{ Pieces *bits.Set }

// Paused stops fetching and serving, or starts it again.
type Paused struct{ On bool }

func (PeerJoined) event()   {}
func (PeerLeft) event()     {}
func (DialFailed) event()   {}
func (PeersFound) event()   {}
func (Received) event()     {}
func (Sent) event()         {}
func (ReadFailed) event()   {}
func (PieceStored) event()  {}
func (PieceForged) event()  {}
func (StoreFailed) event()  {}
func (ContentReady) event() {}
func (ReaderMoved) event()  {}
func (ReaderClosed) event() {}
func (Wanted) event()       {}
func (Paused) event()       {}
