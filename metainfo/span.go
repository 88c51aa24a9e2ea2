package metainfo

import "sort"

// Span is a part of a file in the piece space.
type Span struct {
	File       int   // index into Info.Files
	FileOffset int64 // within the file
	Offset     int64 // in the piece space
	Length     int64
	Pad        bool
}

// FileAt returns the index of the file that holds the byte at off, which must
// be in [0, Length).
func (i *Info) FileAt(off int64) int { return fileAt(i.Files, off) }

func fileAt(files []File, off int64) int {
	return sort.Search(len(files), func(k int) bool { return files[k].End() > off })
}

// AppendSpans appends the parts of files that cover [off, off+n), pads
// included, empty files left out. What lies outside the piece space is cut
// off.
func (i *Info) AppendSpans(dst []Span, off, n int64) []Span {
	return appendSpans(dst, i.Files, off, n)
}

func appendSpans(dst []Span, files []File, off, n int64) []Span {
	if off < 0 || n <= 0 {
		return dst
	}
	for k := fileAt(files, off); k < len(files) && n > 0; k++ {
		f := &files[k]
		m := min(n, f.End()-off)
		if m <= 0 {
			continue
		}
		dst = append(dst, Span{k, off - f.Offset, off, m, f.Pad})
		off += m
		n -= m
	}
	return dst
}

// PieceRange returns the first piece that holds bytes of file k and the one
// behind the last. Both are equal for an empty file.
func (i *Info) PieceRange(k int) (first, end int) {
	f := &i.Files[k]
	first = int(f.Offset / i.PieceLength)
	if f.Length == 0 {
		return first, first
	}
	return first, int((f.End()-1)/i.PieceLength) + 1
}
