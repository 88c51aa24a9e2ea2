// Package metainfo describes what a torrent contains.
//
// It reads, checks, makes and writes .torrent files of version 1 (BEP 3),
// version 2 (BEP 52) and hybrids of both, with padding files (BEP 47),
// trackers (BEP 12), web seeds (BEP 19, BEP 17) and the private flag (BEP 27).
//
//	torrent  d8:announce..13:announce-list..4:info<info>12:piece layersd<root><hashes>..e8:url-list..e
//	info v1  d6:lengthi..e4:name..12:piece lengthi..e6:pieces<20 bytes a piece>e
//	     or  d5:filesld6:lengthi..e4:pathl..ee..e4:name..12:piece lengthi..e6:pieces..e
//	info v2  d9:file treed<name>d0:d6:lengthi..e11:pieces root32:<root>ee..e12:meta versioni2e4:name..12:piece lengthi..ee
//
// Files lie one behind the other in the piece space. In v2 and hybrids each
// file that has bytes starts at a piece boundary; the gaps are padding. A
// hybrid lists its padding, which may or may not fill the last piece. A
// v2-only torrent implies it, and there it always does.
package metainfo

// The limits of what is accepted.
const (
	MaxTorrentSize = 64 << 20  // bytes of a .torrent file
	MaxInfoSize    = 32 << 20  // bytes of an info dictionary
	MaxPieces      = 1 << 24   // pieces of a torrent
	MaxPieceLength = 128 << 20 // bytes of a piece
	MaxFiles       = 1_000_000 // files of a torrent
	MaxPathDepth   = 100       // components of a path
	MaxNameLength  = 255       // bytes of a path component
	MaxLength      = 1<<48 - 1 // bytes of the piece space
)

// File is one file of a torrent, or a gap between two.
type File struct {
	Path       []string // below Info.Name, safe and the file's own on every system; for a single-file torrent [Name]; of no meaning for a pad
	Offset     int64    // in the piece space
	Length     int64
	Pad        bool    // zeros that are stored nowhere
	PiecesRoot Hash256 // v2: merkle root; zero for v1, pads and empty files
	Executable bool
	Hidden     bool
}

// End returns the offset in the piece space behind the file's last byte.
func (f *File) End() int64 { return f.Offset + f.Length }

// Symlink is a symbolic link that a torrent asks for (BEP 47). Both paths are
// below Info.Name and safe. The target is a file, a folder or a link of the
// torrent; links that lead elsewhere are left out.
type Symlink struct {
	Path   []string
	Target []string
}

// Info is a parsed info dictionary. It is not changed after parsing, so it
// may be shared.
type Info struct {
	Name        string // the file or the folder, safe on every system
	PieceLength int64  // bytes
	Private     bool
	Source      string
	HasV1       bool
	HasV2       bool
	Single      bool      // a single file, not a folder
	Files       []File    // tile [0, Length) in piece-space order; pads and empty files included
	Symlinks    []Symlink // not part of Files
	Length      int64     // of the piece space, pads included, those behind the last file too
	Pieces      []byte    // v1: 20 bytes a piece; nil for v2-only
	Bytes       []byte    // the exact info dictionary
	HashV1      Hash      // SHA-1 of Bytes when HasV1
	HashV2      Hash256   // SHA-256 of Bytes when HasV2

	rawName string
	raw     map[int][]string // paths that Files have otherwise, by index
}

// RawName returns the name as the torrent spells it, which may be no file name
// at all: for those who look a file up where the torrent was made.
func (i *Info) RawName() string {
	if i.rawName != "" {
		return i.rawName
	}
	return i.Name
}

// RawPath returns the path of a file as the torrent spells it, the same as its
// Path unless that had to differ. Nobody may create a file of that name.
func (i *Info) RawPath(file int) []string {
	if raw, ok := i.raw[file]; ok {
		return raw
	}
	return i.Files[file].Path
}

// ParseInfo reads an info dictionary, as ut_metadata delivers it. The Info
// refers to b. Errors are of type *Error.
func ParseInfo(b []byte) (*Info, error) { return parseInfo(b) }

// NumPieces returns the number of pieces.
func (i *Info) NumPieces() int {
	return int((i.Length + i.PieceLength - 1) / i.PieceLength)
}

// PieceSpan returns how many bytes of the piece space a piece covers: the
// piece length, or less for the last piece of a torrent whose list of files
// does not end in padding. It is 0 for an index out of range. A peer may ask
// for any part of it, see PieceSize.
func (i *Info) PieceSpan(index int) int64 {
	if index < 0 || index >= i.NumPieces() {
		return 0
	}
	return min(i.PieceLength, i.Length-int64(index)*i.PieceLength)
}

// PieceSize returns how many bytes of a piece are hashed and stored; 0 for an
// index out of range.
//
// In v1 and hybrid torrents the SHA-1 of a piece covers the padding, so this
// is PieceSpan. In v2-only torrents the piece at a
// file's end stops where the file does. What libtorrent does there differs:
// from 2.1 on it asks for the short last block, as this project does; up to
// 2.0.x it asks for a whole block, padding included, and closes the connection
// if the answer is shorter. Both serve any range up to the end of the piece.
// So request up to PieceData, but serve up to PieceSpan, with zeros behind the
// file, exactly as long as was asked.
func (i *Info) PieceSize(index int) int64 {
	if i.HasV1 {
		return i.PieceSpan(index)
	}
	return i.fileBytes(index)
}

// maxPads bounds the padding files behind each other that PieceData looks through: one
// is what anybody makes, and a hostile torrent may have a million.
const maxPads = 16

// PieceData returns how many bytes of a piece to request from a peer: those before
// the padding at its end, which is known to be zeros (BEP 47), or all PieceSize
// of a piece that holds nothing else; 0 for an index out of range.
func (i *Info) PieceData(index int) int64 {
	size := i.PieceSize(index)
	if size == 0 || !i.HasV1 {
		return size
	}
	start := int64(index) * i.PieceLength
	end := start + size
	for range maxPads {
		f := &i.Files[i.FileAt(end-1)]
		if !f.Pad {
			return end - start
		}
		if f.Offset <= start {
			break
		}
		end = f.Offset
	}
	return size
}

// PieceHashV1 returns the SHA-1 of a piece, false for v2-only torrents and for
// an index out of range.
func (i *Info) PieceHashV1(index int) (Hash, bool) {
	if index < 0 || index >= len(i.Pieces)/20 {
		return Hash{}, false
	}
	return Hash(i.Pieces[20*index:]), true
}

// Key returns the main key of the swarm: the v1 info hash where there is one,
// else the v2 one cut to 20 bytes.
func (i *Info) Key() Hash {
	if i.HasV1 {
		return i.HashV1
	}
	return i.HashV2.Short()
}

// SwarmHashes returns every key under which the swarm is found, v1 first.
func (i *Info) SwarmHashes() []Hash {
	var out []Hash
	if i.HasV1 {
		out = append(out, i.HashV1)
	}
	if i.HasV2 {
		out = append(out, i.HashV2.Short())
	}
	return out
}

// TotalSize returns the bytes of all files without padding.
func (i *Info) TotalSize() int64 {
	var n int64
	for k := range i.Files {
		if !i.Files[k].Pad {
			n += i.Files[k].Length
		}
	}
	return n
}
