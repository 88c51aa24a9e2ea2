package metainfo

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
)

// vector is a torrent made by libtorrent, see testdata/make_vectors.py.
type vector struct {
	Case        string
	Version     string
	Name        string
	PieceLength int64 `json:"piece_length"`
	Files       []struct {
		Path []string
		Size int64
		Seed int
	}
	V1, V2  string
	Pieces  int
	Total   int64
	Torrent []byte
}

func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v []vector
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v) < 40 {
		t.Fatalf("only %d vectors", len(v))
	}
	return v
}

// content is the file that make_vectors.py makes.
func content(seed int, size int64) []byte {
	out := make([]byte, 0, size+BlockSize)
	for k := 0; int64(len(out)) < size; k++ {
		h := sha256.Sum256(fmt.Append(nil, seed, " ", k))
		out = append(out, bytes.Repeat(h[:], 512)...)
	}
	return out[:size]
}

// build makes a torrent from the bytes of its files, in the order of
// opt.Files.
func build(t testing.TB, opt BuildOptions, files [][]byte) *Torrent {
	t.Helper()
	b, err := NewBuilder(opt)
	if err != nil {
		t.Fatal(err)
	}
	var ranges []FileRange
	buf := make([]byte, b.PieceLength())
	for k := range b.NumPieces() {
		piece := buf[:b.PieceSize(k)]
		clear(piece)
		ranges = b.AppendRanges(ranges[:0], k)
		for _, r := range ranges {
			copy(piece[r.Offset:r.Offset+r.Length], files[r.File][r.FileOffset:])
		}
		b.SetPiece(k, b.HashPiece(k, piece))
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

// The same files give byte for byte the torrent that libtorrent makes.
func TestBuildEqualsLibtorrent(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Case+"/"+v.Version, func(t *testing.T) {
			opt := BuildOptions{
				Name: v.Name, PieceLength: v.PieceLength, CreatedBy: "libtorrent",
				V1: v.Version != "v2", V2: v.Version != "v1",
			}
			var files [][]byte
			for _, f := range v.Files {
				opt.Files = append(opt.Files, BuildFile{Path: f.Path, Length: f.Size})
				files = append(files, content(f.Seed, f.Size))
			}
			if v.Version != "v1" {
				// The order that files are named in makes no difference.
				slices.Reverse(opt.Files)
				slices.Reverse(files)
			}
			got := build(t, opt, files)
			if !bytes.Equal(got.Info.Bytes, parseVector(t, v).Info.Bytes) {
				t.Fatalf("info dictionary\n%q\nlibtorrent makes\n%q", got.Info.Bytes, parseVector(t, v).Info.Bytes)
			}
			if !bytes.Equal(got.Marshal(), v.Torrent) {
				t.Errorf("torrent\n%q\nlibtorrent makes\n%q", got.Marshal(), v.Torrent)
			}
		})
	}
}

func parseVector(t testing.TB, v vector) *Torrent {
	t.Helper()
	tor, err := Parse(v.Torrent)
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

func TestParseLibtorrent(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Case+"/"+v.Version, func(t *testing.T) {
			tor := parseVector(t, v)
			i := tor.Info
			if i.HasV1 != (v.V1 != "") || i.HasV1 && i.HashV1.String() != v.V1 {
				t.Errorf("v1 info hash %v, want %s", i.HashV1, v.V1)
			}
			if i.HasV2 != (v.V2 != "") || i.HasV2 && i.HashV2.String() != v.V2 {
				t.Errorf("v2 info hash %v, want %s", i.HashV2, v.V2)
			}
			if i.NumPieces() != v.Pieces || i.Length != v.Total {
				t.Errorf("%d pieces, %d bytes, libtorrent has %d, %d", i.NumPieces(), i.Length, v.Pieces, v.Total)
			}
			checkTiling(t, i)
			checkPieces(t, tor, v)
			if !bytes.Equal(tor.Marshal(), v.Torrent) {
				t.Error("does not round-trip")
			}
		})
	}
}

func checkTiling(t *testing.T, i *Info) {
	t.Helper()
	var end, size int64
	for k := range i.Files {
		f := &i.Files[k]
		if f.Offset != end {
			t.Fatalf("%q is at %d, not %d", f.Path, f.Offset, end)
		}
		if i.HasV2 && !f.Pad && f.Length > 0 && f.Offset%i.PieceLength != 0 {
			t.Errorf("%q is not aligned", f.Path)
		}
		end = f.End()
		if !f.Pad {
			size += f.Length
		}
	}
	if end != i.Length || size != i.TotalSize() {
		t.Errorf("files end at %d, hold %d; Length %d, TotalSize %d", end, size, i.Length, i.TotalSize())
	}
}

// checkPieces hashes the content piece by piece as a download would.
func checkPieces(t *testing.T, tor *Torrent, v vector) {
	t.Helper()
	i := tor.Info
	files := make(map[string][]byte)
	for _, f := range v.Files {
		files[fmt.Sprint(f.Path)] = content(f.Seed, f.Size)
	}
	layers := tor.Layers()
	if !layers.Complete() {
		t.Error("layers are not complete")
	}
	var spans []Span
	for k := range i.NumPieces() {
		data := make([]byte, i.PieceSpan(k))
		spans = i.AppendSpans(spans[:0], int64(k)*i.PieceLength, i.PieceSpan(k))
		var n int64
		for _, s := range spans {
			if !s.Pad {
				copy(data[n:n+s.Length], files[fmt.Sprint(i.Files[s.File].Path)][s.FileOffset:])
			}
			n += s.Length
		}
		if n != i.PieceSpan(k) {
			t.Fatalf("spans of piece %d cover %d of %d", k, n, i.PieceSpan(k))
		}
		h := i.HashPiece(k, data)
		if short := i.HashPiece(k, data[:i.PieceSize(k)]); short != h {
			t.Errorf("piece %d: hash depends on the padding", k)
		}
		v1, ok := i.PieceHashV1(k)
		if ok != i.HasV1 || v1 != h.V1 {
			t.Errorf("piece %d: SHA-1 %v, want %v", k, h.V1, v1)
		}
		v2, ok := layers.PieceHash(k)
		if ok != i.HasV2 || v2 != h.V2 {
			t.Errorf("piece %d: root %v, want %v", k, h.V2, v2)
		}
		if i.HasV2 && i.TreeRoot(k, data) != v2 {
			t.Errorf("piece %d: TreeRoot", k)
		}
	}
}
