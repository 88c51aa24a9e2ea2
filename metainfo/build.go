package metainfo

// BuildOptions say what torrent to make.
type BuildOptions struct {
	Name         string
	PieceLength  int64 // bytes; 0 chooses one that gives 1000 to 2000 pieces
	V1, V2       bool  // neither is both: a hybrid
	Private      bool
	Comment      string
	CreatedBy    string
	CreationDate int64 // seconds since 1970, 0 leaves it out
	Announce     [][]string
	WebSeeds     []string
	// Files with their paths below Name. One file whose path is [Name] makes
	// a single-file torrent. v1 keeps this order, v2 and hybrids sort.
	Files []BuildFile
}

// BuildFile is one file to be shared.
type BuildFile struct {
	Path       []string
	Length     int64
	Executable bool
}

// FileRange is a part of a file that a piece covers.
type FileRange struct {
	File       int   // index into BuildOptions.Files
	FileOffset int64 // within the file
	Offset     int64 // within the piece
	Length     int64
}

// Builder makes a torrent from the bytes of its files: feed every piece
// through HashPiece and SetPiece, then call Finish.
type Builder struct {
	opt  BuildOptions
	info Info // the layout
}

// NewBuilder lays out the piece space. Errors are of type *Error.
func NewBuilder(opt BuildOptions) (*Builder, error) { panic("todo") }

// NumPieces returns the number of pieces to hash.
func (b *Builder) NumPieces() int { return b.info.NumPieces() }

// PieceLength returns the length of a piece in bytes.
func (b *Builder) PieceLength() int64 { return b.info.PieceLength }

// PieceSize returns how many bytes HashPiece wants for a piece.
func (b *Builder) PieceSize(index int) int64 { return b.info.PieceSize(index) }

// AppendRanges appends the parts of files that make up a piece. What they do
// not cover is padding and must be zero in the data given to HashPiece.
func (b *Builder) AppendRanges(dst []FileRange, index int) []FileRange { panic("todo") }

// HashPiece hashes a piece. It may be called concurrently.
func (b *Builder) HashPiece(index int, data []byte) PieceHashes { return b.info.HashPiece(index, data) }

// SetPiece records the hashes of a piece. It is not safe for concurrent use.
func (b *Builder) SetPiece(index int, h PieceHashes) { panic("todo") }

// Finish returns the torrent, or an error when a piece has not been set.
func (b *Builder) Finish() (*Torrent, error) { panic("todo") }
