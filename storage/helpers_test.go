package storage

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

const pieceLen = 16 << 10

// sample is a torrent with its content.
type sample struct {
	*metainfo.Torrent
	space []byte            // the piece space
	files map[string][]byte // by path below the torrent's name
}

// noise returns n bytes that depend on seed alone.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(b)
	return b
}

// versions are the kinds of torrents that every store has to hold.
var versions = []struct {
	name   string
	v1, v2 bool
}{{"v1", true, false}, {"v2", false, true}, {"hybrid", true, true}}

// makeSample builds a torrent from files given as "path:size"; a single
// component makes a single-file torrent if it is the only one.
func makeSample(t testing.TB, v1, v2 bool, files ...string) *sample {
	t.Helper()
	return makeSampleOf(t, pieceLen, v1, v2, files...)
}

// makeSampleOf is makeSample with pieces of another length.
func makeSampleOf(t testing.TB, pieceLength int64, v1, v2 bool, files ...string) *sample {
	t.Helper()
	s := &sample{files: make(map[string][]byte)}
	opt := metainfo.BuildOptions{Name: "sample", PieceLength: pieceLength, V1: v1, V2: v2}
	var data [][]byte
	for k, spec := range files {
		path, size, _ := strings.Cut(spec, ":")
		n, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		b := noise(n, uint64(k+1))
		if path == "zeros" {
			clear(b)
		}
		data = append(data, b)
		s.files[path] = b
		opt.Files = append(opt.Files, metainfo.BuildFile{Path: strings.Split(path, "/"), Length: int64(n)})
	}
	if len(files) == 1 && !strings.Contains(files[0], "/") {
		opt.Name = opt.Files[0].Path[0]
	}
	b, err := metainfo.NewBuilder(opt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumPieces() {
		piece := make([]byte, b.PieceSize(i))
		for _, r := range b.AppendRanges(nil, i) {
			copy(piece[r.Offset:r.Offset+r.Length], data[r.File][r.FileOffset:])
		}
		b.SetPiece(i, b.HashPiece(i, piece))
	}
	if s.Torrent, err = b.Finish(); err != nil {
		t.Fatal(err)
	}
	s.space = make([]byte, s.Info.Length)
	for i := range s.Info.Files {
		f := &s.Info.Files[i]
		copy(s.space[f.Offset:f.Offset+f.Length], s.files[strings.Join(s.Info.RawPath(i), "/")])
	}
	return s
}

// mixed is a folder with everything that is awkward in it.
func mixed(t testing.TB, v1, v2 bool) *sample {
	return makeSample(t, v1, v2, "a.bin:50000", "deep/er/b.bin:16384", "deep/c:1", "empty:0", "z.bin:100001")
}

// piece returns the bytes of piece i as they go over the wire.
func (s *sample) piece(i int) []byte {
	off := int64(i) * s.Info.PieceLength
	return s.space[off : off+s.Info.PieceSize(i)]
}

// fill writes the given pieces, all when there are none given.
func (s *sample) fill(t testing.TB, st Store, pieces ...int) {
	t.Helper()
	if len(pieces) == 0 {
		for i := range s.Info.NumPieces() {
			pieces = append(pieces, i)
		}
	}
	for _, i := range pieces {
		if n, err := st.WriteAt(s.piece(i), int64(i)*s.Info.PieceLength); err != nil || n != len(s.piece(i)) {
			t.Fatalf("piece %d: wrote %d, %v", i, n, err)
		}
	}
}

// wantSpace reads the whole piece space in odd portions and compares it.
func (s *sample) wantSpace(t testing.TB, st Store) {
	t.Helper()
	got := make([]byte, len(s.space))
	for off := 0; off < len(got); {
		n := min(7001, len(got)-off)
		if m, err := st.ReadAt(got[off:off+n], int64(off)); err != nil || m != n {
			t.Fatalf("read %d bytes at %d: %d, %v", n, off, m, err)
		}
		off += n
	}
	if !bytes.Equal(got, s.space) {
		t.Fatal("content differs from what was written")
	}
}

// setOf returns a set of n pieces with some in it.
func setOf(n int, in ...int) *Bits {
	b := NewBits(n)
	for _, i := range in {
		b.Set(i)
	}
	return b
}

func wantBits(t testing.TB, what string, got, want *Bits) {
	t.Helper()
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%s: got %08b, want %08b", what, got.Bytes(), want.Bytes())
	}
}

func full(n int) *Bits {
	b := NewBits(n)
	for i := range n {
		b.Set(i)
	}
	return b
}
