package torrent

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Event is something that happened outside the machine: one of the following, or
// of package swarm.
type Event = swarm.Event

// Sent says that blocks of one peer have left for the transport. Who gives it by
// pointer may use it again after the Step.
type Sent struct {
	Peer   PeerKey
	Bytes  int
	Blocks int
}

// ReadFailed says that the store could not read a block. Peer is who was to have it,
// 0 where it was somebody else. The piece is no longer offered to anybody. It is fetched
// again, but not one that is Gone: that one comes back with Restored.
type ReadFailed struct {
	Peer                 PeerKey
	Index, Begin, Length uint32
	Gone                 bool
}

// Restored says that pieces which were gone are in the store again.
type Restored struct{ Pieces []int }

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

// BlockGenuine says that a block matches its hash: the driver may hand it to
// readers before its piece is whole.
type BlockGenuine struct {
	Index, Block int
	Buffer       uint32
}

// BlockForged says that a block does not match its hash.
type BlockForged struct {
	Index, Block int
	Buffer       uint32
}

// Leaves answers ReadLeaves with the hash of each block of the pieces, nil if one
// of them could not be read.
type Leaves struct {
	Peer    PeerKey
	Request metainfo.HashRequest
	Leaves  []metainfo.Hash256
}

// ContentReady answers Learned: the store is open. Have are the verified pieces
// it holds already; nil means none. Layers are the piece layers known so far.
type ContentReady struct {
	Info   *metainfo.Info
	Layers *metainfo.Layers
	Have   *bits.Set
}

// InfoGiven brings the info dictionary from elsewhere than peers, such as a .torrent
// that came after the magnet link. It counts only if it is the one that is looked for.
type InfoGiven struct{ Bytes []byte }

// ReaderMoved opens or moves a reader: pieces First to Last (inclusive) are
// needed soon, in that order, whether they are wanted or not. Urgent is how long
// the reader can wait for First; every later piece may take Spacing longer. Zero
// says that the reader's rate is not known yet.
type ReaderMoved struct {
	Reader      int
	First, Last int
	Urgent      time.Duration
	Spacing     time.Duration
	Jump        bool // the position changed by a seek: let go of what is not urgent
}

// ReaderClosed ends a reader.
type ReaderClosed struct{ Reader int }

// Grown adds pieces at the end of content that grows. Who stored them already, as
// the one who makes them has, says so.
type Grown struct {
	Pieces []Piece
	Stored bool
}

// Expired says that the pieces before First exist no longer, in content that grows.
// The driver may let go of them in the store. Beyond the last piece, those that come
// next are numbered from First on.
type Expired struct{ First int }

// Priority is how eagerly a piece is to be fetched.
type Priority uint8

// The priorities. Pieces of a higher one are fetched before all of a lower one,
// as far as the peers have them.
const (
	Skip Priority = iota // not to be fetched, unless a reader waits for it
	Low
	Normal
	High
)

// Priorities says which pieces to fetch, one priority for each; nil means Normal
// for all. One of another length than the torrent, or for content that grows, is
// ignored.
type Priorities struct{ Levels []Priority }

// Sequential has pieces fetched in their order instead of by rarity, or by rarity
// again. Priorities go before.
type Sequential struct{ On bool }

// SuperSeed has a complete torrent handed out piece by piece, to each peer
// another one, so that few bytes make many sources (BEP 16). Peers that are
// connected already know that we are a seed; it is for those that come.
type SuperSeed struct{ On bool }

// DownloadOnly stops serving anybody, or starts it again.
type DownloadOnly struct{ On bool }

// Budget changes Config.BufferBytes. What is open already stays.
type Budget struct{ Bytes int64 }

// Paused stops fetching and serving, or starts it again.
type Paused struct{ On bool }

// OnDemand says that readers will need what is not wanted: peers are kept, and not told
// that we want nothing, though nothing is needed between two reads. Before Priorities.
type OnDemand struct{ On bool }

// Event implements [Event].
func (OnDemand) Event() {}

// Event implements [Event].
func (Sent) Event() {}

// Event implements [Event].
func (ReadFailed) Event() {}

// Event implements [Event].
func (Restored) Event() {}

// Event implements [Event].
func (PieceStored) Event() {}

// Event implements [Event].
func (PieceForged) Event() {}

// Event implements [Event].
func (StoreFailed) Event() {}

// Event implements [Event].
func (BlockGenuine) Event() {}

// Event implements [Event].
func (BlockForged) Event() {}

// Event implements [Event].
func (Leaves) Event() {}

// Event implements [Event].
func (ContentReady) Event() {}

// Event implements [Event].
func (InfoGiven) Event() {}

// Event implements [Event].
func (ReaderMoved) Event() {}

// Event implements [Event].
func (ReaderClosed) Event() {}

// Event implements [Event].
func (Grown) Event() {}

// Event implements [Event].
func (Expired) Event() {}

// Event implements [Event].
func (Priorities) Event() {}

// Event implements [Event].
func (Sequential) Event() {}

// Event implements [Event].
func (SuperSeed) Event() {}

// Event implements [Event].
func (DownloadOnly) Event() {}

// Event implements [Event].
func (Budget) Event() {}

// Event implements [Event].
func (Paused) Event() {}

// Effect is something the driver is to do: one of the following, or of package
// swarm. Effects are to be carried out in order. Slices in them are good until
// the next Step.
type Effect = swarm.Effect

// Void says that a peer will answer none of the requests sent so far: it choked
// us, and speaks no BEP 6.
type Void struct{ Peer PeerKey }

// Upload reads a block from the store and sends it, then reports Sent.
type Upload struct {
	Peer                 PeerKey
	Index, Begin, Length uint32
}

// OpenPiece makes a buffer for a piece about to be fetched. Buffer is its
// number, never 0 and never used again. Only the first Data of its Size bytes are
// fetched; the padding behind them is zeros.
type OpenPiece struct {
	Index  int
	Size   int
	Data   int
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

// VerifyBlock checks one block in the buffer of a piece against its v2 hash; the
// answer is BlockGenuine or BlockForged. It is used where a piece failed or
// a reader waits; the whole piece is verified all the same.
type VerifyBlock struct {
	Index, Block int
	Buffer       uint32
	Leaf         metainfo.Hash256
}

// ClearBlock makes room in the buffer for another copy of a forged block.
type ClearBlock struct{ Index, Block int }

// ReadLeaves hashes the blocks of the stored pieces First to End-1 for a peer that
// asked for them (BEP 52); the answer is Leaves.
type ReadLeaves struct {
	Peer       PeerKey
	Request    metainfo.HashRequest
	First, End int
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

// ReaderExpired says that pieces of a reader's window exist no longer: those before
// First. The reader goes on with First unless it is moved.
type ReaderExpired struct{ Reader, First int }

// Stuck says why fetching cannot go on, in plain words.
type Stuck struct{ Err error }

// Effect implements [Effect].
func (*Upload) Effect() {}

// Effect implements [Effect].
func (Void) Effect() {}

// Effect implements [Effect].
func (OpenPiece) Effect() {}

// Effect implements [Effect].
func (DropPiece) Effect() {}

// Effect implements [Effect].
func (Verify) Effect() {}

// Effect implements [Effect].
func (VerifyBlock) Effect() {}

// Effect implements [Effect].
func (ClearBlock) Effect() {}

// Effect implements [Effect].
func (ReadLeaves) Effect() {}

// Effect implements [Effect].
func (Learned) Effect() {}

// Effect implements [Effect].
func (Have) Effect() {}

// Effect implements [Effect].
func (Lost) Effect() {}

// Effect implements [Effect].
func (Finished) Effect() {}

// Effect implements [Effect].
func (ReaderExpired) Effect() {}

// Effect implements [Effect].
func (Stuck) Effect() {}

// ErrBadData is why a connection was closed that brought forged bytes.
var ErrBadData = &wire.ProtocolError{Msg: "sent data that does not match its hash"}
