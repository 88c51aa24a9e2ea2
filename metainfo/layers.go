package metainfo

// HashRequest names a range of nodes of a file's merkle tree, as the messages
// hash request, hashes and hash reject of BEP 52 carry it.
type HashRequest struct {
	Root        Hash256 // pieces root of the file
	Base        uint32  // layer, 0 is the 16 KiB blocks
	Index       uint32  // of the first node in that layer
	Length      uint32  // nodes, a power of two
	ProofLayers uint32  // layers above the base for which uncles are wanted
}

// Layers knows the hashes of the pieces of a v2 torrent, as far as they have
// been proved. For v1 torrents it is empty and complete. It is not safe for
// concurrent use.
type Layers struct {
	info *Info
}

// NewLayers returns the layers that follow from the info dictionary alone:
// those of files of one piece.
func NewLayers(i *Info) *Layers { return &Layers{info: i} }

// AddLayer takes the whole piece layer of the files with that root and checks
// it. The error is of kind ErrLayers.
func (l *Layers) AddLayer(root Hash256, layer []byte) error { panic("todo") }

// Layer returns the whole piece layer of a file, false while it is not known.
func (l *Layers) Layer(root Hash256) ([]byte, bool) { panic("todo") }

// PieceHash returns the v2 hash of a piece, false while it is not known or
// when there is none.
func (l *Layers) PieceHash(index int) (Hash256, bool) { panic("todo") }

// Complete reports whether the hash of every piece is known.
func (l *Layers) Complete() bool { panic("todo") }

// Request returns the hash request whose answer brings the hash of a piece,
// false when the hash is known or there is none.
func (l *Layers) Request(index int) (HashRequest, bool) { panic("todo") }

// Add checks the answer to a hash request against the pieces root and keeps
// it: Length hashes of the base layer followed by the uncles, 32 bytes each.
// It returns the range of pieces whose hashes are known now. Errors are of
// kind ErrRequest or ErrProof; nothing is kept then.
func (l *Layers) Add(r HashRequest, hashes []byte) (first, end int, err error) { panic("todo") }

// Answer returns the hashes that answer a request for the piece layer or one
// above it, or for blocks of the pieces that Blocks names, whose block hashes
// are given one after the other. An error means hash reject.
func (l *Layers) Answer(r HashRequest, blocks []Hash256) ([]byte, error) { panic("todo") }

// Blocks returns the pieces whose block hashes Answer needs for r: none when
// first == end. An error means hash reject.
func (l *Layers) Blocks(r HashRequest) (first, end int, err error) { panic("todo") }

// BlockRequest returns the request for the block hashes of a piece, false when
// the piece has no more than one block or its hash is not known.
func (l *Layers) BlockRequest(index int) (HashRequest, bool) { panic("todo") }

// CheckBlocks checks the answer to a BlockRequest against the piece's hash and
// returns the hash of each block.
func (l *Layers) CheckBlocks(r HashRequest, hashes []byte) ([]Hash256, error) { panic("todo") }
