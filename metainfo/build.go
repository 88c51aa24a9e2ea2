package metainfo

import (
	"slices"
	"strconv"

	"github.com/shoal-p2p/shoal/internal/bencode"
)

// BuildOptions say what torrent to make.
type BuildOptions struct {
	Name         string
	PieceLength  int64 // bytes; 0 is AutoPieceLength
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
	opt     BuildOptions
	info    Info  // the layout
	source  []int // index into opt.Files for each of info.Files, -1 for padding
	v2      []Hash256
	set     []bool
	missing int
}

// AutoPieceLength returns the piece length for so many bytes in files: a power
// of two from 16 KiB to 16 MiB, about 1000 to 2000 pieces. Many small files in
// a torrent that pads them get shorter pieces, so that the padding does not
// outgrow the content.
func AutoPieceLength(files []BuildFile, padded bool) int64 {
	var total int64
	for k := range files {
		total += files[k].Length
	}
	n := int64(BlockSize)
	for n < 16<<20 && total/n >= 2000 {
		n *= 2
	}
	if !padded || len(files) == 1 {
		return n
	}
	padding := func() (sum int64) {
		for k := range files {
			sum += -files[k].Length & (n - 1)
		}
		return sum
	}
	for n > BlockSize && padding() > total {
		n /= 2
	}
	return n
}

// NewBuilder lays out the piece space. Errors are of type *Error.
func NewBuilder(opt BuildOptions) (*Builder, error) {
	if !opt.V1 && !opt.V2 {
		opt.V1, opt.V2 = true, true
	}
	if msg := checkName(opt.Name); msg != "" {
		return nil, &Error{Err: ErrPath, Where: "name", Msg: msg}
	}
	var total int64
	for k := range opt.Files {
		f := &opt.Files[k]
		if err := checkPath(f.Path); err != nil {
			return nil, err
		}
		if f.Length < 0 || f.Length > MaxLength-total {
			return nil, &Error{Err: ErrLength, Where: quotePath(f.Path), Msg: strconv.FormatInt(f.Length, 10)}
		}
		total += f.Length
	}
	switch {
	case total == 0:
		return nil, &Error{Err: ErrEmpty, Msg: "there are no bytes to share"}
	case len(opt.Files) > MaxFiles:
		return nil, &Error{Err: ErrTooMany, Msg: "more than 1000000 files"}
	}
	if opt.PieceLength == 0 {
		opt.PieceLength = AutoPieceLength(opt.Files, opt.V1 && opt.V2)
	}
	if err := checkPieceLength(opt.PieceLength, opt.V2); err != nil {
		return nil, err
	}
	if opt.PieceLength%BlockSize != 0 {
		return nil, &Error{Err: ErrPieceLength, Msg: "not a multiple of 16 KiB"}
	}
	b := &Builder{opt: opt, info: Info{
		Name: opt.Name, PieceLength: opt.PieceLength, HasV1: opt.V1, HasV2: opt.V2,
		Single: len(opt.Files) == 1 && len(opt.Files[0].Path) == 1 && opt.Files[0].Path[0] == opt.Name,
	}}
	if err := b.layOut(); err != nil {
		return nil, err
	}
	if err := b.info.checkContent(); err != nil {
		return nil, err
	}
	if err := checkDuplicates(b.info.Files); err != nil {
		return nil, err
	}
	n := b.NumPieces()
	b.missing, b.set = n, make([]bool, n)
	if opt.V1 {
		b.info.Pieces = make([]byte, 20*n)
	}
	if opt.V2 {
		b.v2 = make([]Hash256, n)
	}
	return b, nil
}

// layOut places the files. Hybrids of one file have no padding, others fill
// the last piece too, as the reference implementation of BEP 52 does, so the
// same files give the same info hash everywhere.
func (b *Builder) layOut() error {
	order := make([]int, len(b.opt.Files))
	for k := range order {
		order[k] = k
	}
	if b.opt.V2 {
		slices.SortFunc(order, func(x, y int) int {
			return comparePaths(b.opt.Files[x].Path, b.opt.Files[y].Path)
		})
	}
	pad := b.opt.V2 && (!b.opt.V1 || len(order) > 1)
	var l fileList
	for _, k := range order {
		f := &b.opt.Files[k]
		if err := l.add(File{Path: f.Path, Length: f.Length, Executable: f.Executable}); err != nil {
			return err
		}
		b.source = append(b.source, k)
		if n := len(l.files); pad {
			if err := l.addPad(b.opt.PieceLength); err != nil {
				return err
			}
			if len(l.files) > n {
				b.source = append(b.source, -1)
			}
		}
	}
	b.info.Files, b.info.Length = l.files, l.end
	return nil
}

// NumPieces returns the number of pieces to hash.
func (b *Builder) NumPieces() int { return b.info.NumPieces() }

// PieceLength returns the length of a piece in bytes.
func (b *Builder) PieceLength() int64 { return b.info.PieceLength }

// PieceSize returns how many bytes HashPiece wants for a piece.
func (b *Builder) PieceSize(index int) int64 { return b.info.PieceSize(index) }

// TotalSize returns the bytes of all files.
func (b *Builder) TotalSize() int64 { return b.info.TotalSize() }

// AppendRanges appends the parts of files that make up a piece. What they do
// not cover is padding and must be zero in the data given to HashPiece.
func (b *Builder) AppendRanges(dst []FileRange, index int) []FileRange {
	off := int64(index) * b.info.PieceLength
	var room [8]Span
	for _, s := range b.info.AppendSpans(room[:0], off, b.info.PieceSize(index)) {
		if s.Pad {
			continue
		}
		dst = append(dst, FileRange{b.source[s.File], s.FileOffset, s.Offset - off, s.Length})
	}
	return dst
}

// HashPiece hashes a piece. It may be called concurrently.
func (b *Builder) HashPiece(index int, data []byte) PieceHashes { return b.info.HashPiece(index, data) }

// TreeBytes and TreeRootOf are those of Info, for callers that bring their own
// hash functions.
func (b *Builder) TreeBytes(index int) int64 { return b.info.TreeBytes(index) }

// TreeRootOf returns the v2 hash of a piece from the hashes of its blocks.
func (b *Builder) TreeRootOf(index int, leaves []Hash256) Hash256 {
	return b.info.TreeRootOf(index, leaves)
}

// SetPiece records the hashes of a piece, which must exist. It is not safe for
// concurrent use.
func (b *Builder) SetPiece(index int, h PieceHashes) {
	if !b.set[index] {
		b.set[index] = true
		b.missing--
	}
	if b.opt.V1 {
		copy(b.info.Pieces[20*index:], h.V1[:])
	}
	if b.opt.V2 {
		b.v2[index] = h.V2
	}
}

// Finish returns the torrent. The error is of type *Error, of kind ErrPieces
// when a piece has not been set.
func (b *Builder) Finish() (*Torrent, error) {
	if b.missing > 0 {
		return nil, &Error{Err: ErrPieces, Msg: strconv.Itoa(b.missing) + " pieces have not been hashed"}
	}
	t := &Torrent{
		Announce:     b.opt.Announce,
		WebSeeds:     b.opt.WebSeeds,
		Comment:      b.opt.Comment,
		CreatedBy:    b.opt.CreatedBy,
		CreationDate: b.opt.CreationDate,
	}
	if b.opt.V2 {
		t.PieceLayers = make(map[Hash256][]byte)
		b.setRoots(t.PieceLayers)
	}
	info, err := ParseInfo(b.appendInfo(nil))
	if err != nil {
		return nil, err
	}
	t.Info = info
	return t, nil
}

// setRoots works out the pieces root of every file and gathers the layers.
func (b *Builder) setRoots(layers map[Hash256][]byte) {
	for k := range b.info.Files {
		f := &b.info.Files[k]
		if f.Pad || f.Length == 0 {
			continue
		}
		first, end := b.info.PieceRange(k)
		if end-first == 1 {
			f.PiecesRoot = b.v2[first]
			continue
		}
		layer := make([]byte, 0, 32*(end-first))
		for _, h := range b.v2[first:end] {
			layer = append(layer, h[:]...)
		}
		f.PiecesRoot = LayerRoot(layer, b.info.PieceLength)
		layers[f.PiecesRoot] = layer
	}
}

// appendInfo writes the info dictionary, keys in order.
func (b *Builder) appendInfo(dst []byte) []byte {
	i := &b.info
	d := bencode.NewDict(dst)
	if i.HasV1 && i.Single && i.Files[0].Executable {
		d.String("attr", "x")
	}
	if i.HasV2 {
		d.Value("file tree", func(dst []byte) []byte { return appendTree(dst, withoutPads(i.Files), 0) })
	}
	if i.HasV1 && !i.Single {
		d.Value("files", func(dst []byte) []byte { return appendFiles(dst, i.Files) })
	}
	if i.HasV1 && i.Single {
		d.Int("length", i.Files[0].Length)
	}
	if i.HasV2 {
		d.Int("meta version", 2)
	}
	d.String("name", i.Name)
	d.Int("piece length", i.PieceLength)
	if i.HasV1 {
		d.Bytes("pieces", i.Pieces)
	}
	if b.opt.Private {
		d.Int("private", 1)
	}
	return d.End()
}

func withoutPads(files []File) []*File {
	out := make([]*File, 0, len(files))
	for k := range files {
		if !files[k].Pad {
			out = append(out, &files[k])
		}
	}
	return out
}

// appendTree writes the files below one folder, which stand together and in
// order. It recurses as deep as paths go, at most MaxPathDepth.
func appendTree(dst []byte, files []*File, depth int) []byte {
	dst = append(dst, 'd')
	for len(files) > 0 {
		f := files[0]
		name := f.Path[depth]
		dst = bencode.AppendString(dst, name)
		if len(f.Path) == depth+1 {
			dst = appendTreeFile(dst, f)
			files = files[1:]
			continue
		}
		n := 1
		for n < len(files) && files[n].Path[depth] == name {
			n++
		}
		dst = appendTree(dst, files[:n], depth+1)
		files = files[n:]
	}
	return append(dst, 'e')
}

func appendTreeFile(dst []byte, f *File) []byte {
	dst = append(dst, "d0:d"...)
	if f.Executable {
		dst = append(dst, "4:attr1:x"...)
	}
	dst = append(dst, "6:length"...)
	dst = bencode.AppendInt(dst, f.Length)
	if f.Length > 0 {
		dst = append(dst, "11:pieces root"...)
		dst = bencode.AppendBytes(dst, f.PiecesRoot[:])
	}
	return append(dst, "ee"...)
}

// appendFiles writes the v1 list.
func appendFiles(dst []byte, files []File) []byte {
	dst = append(dst, 'l')
	for k := range files {
		f := &files[k]
		dst = append(dst, 'd')
		switch {
		case f.Pad:
			dst = append(dst, "4:attr1:p"...)
		case f.Executable:
			dst = append(dst, "4:attr1:x"...)
		case looksPadded(f.Path):
			dst = append(dst, "4:attr0:"...)
		}
		dst = append(dst, "6:length"...)
		dst = bencode.AppendInt(dst, f.Length)
		dst = append(dst, "4:path"...)
		path := f.Path
		if f.Pad {
			path = []string{".pad", strconv.FormatInt(f.Length, 10)}
		}
		dst = appendStrings(dst, path)
		dst = append(dst, 'e')
	}
	return append(dst, 'e')
}
