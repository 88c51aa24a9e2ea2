package metainfo

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestPieceSizes(t *testing.T) {
	// a is 2 pieces and a bit, b is empty, c is less than a block.
	files := []BuildFile{{Path: []string{"a"}, Length: 70000}, {Path: []string{"b"}}, {Path: []string{"c"}, Length: 100}}
	data := [][]byte{content(1, 70000), nil, content(2, 100)}
	tests := []struct {
		name       string
		v1, v2     bool
		files      int
		size, span []int64
	}{
		{"v1", true, false, 3, []int64{32768, 32768, 4564}, []int64{32768, 32768, 4564}},
		{"v2", false, true, 3, []int64{32768, 32768, 4464, 100}, []int64{32768, 32768, 32768, 32768}},
		{"hybrid", true, true, 3, []int64{32768, 32768, 32768, 32768}, []int64{32768, 32768, 32768, 32768}},
		{"v2 of one file", false, true, 1, []int64{32768, 32768, 4464}, []int64{32768, 32768, 32768}},
		{"hybrid of one file", true, true, 1, []int64{32768, 32768, 4464}, []int64{32768, 32768, 4464}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := build(t, BuildOptions{Name: "d", PieceLength: 32768, V1: tt.v1, V2: tt.v2, Files: files[:tt.files]}, data).Info
			var size, span []int64
			for k := range i.NumPieces() {
				size, span = append(size, i.PieceSize(k)), append(span, i.PieceSpan(k))
			}
			if !slices.Equal(size, tt.size) || !slices.Equal(span, tt.span) {
				t.Errorf("sizes %d, spans %d\nwant  %d, spans %d", size, span, tt.size, tt.span)
			}
			for _, k := range []int{-1, i.NumPieces(), 1 << 30} {
				_, v1 := i.PieceHashV1(k)
				_, v2 := NewLayers(i).PieceHash(k)
				if i.PieceSize(k) != 0 || i.PieceSpan(k) != 0 || v1 || v2 {
					t.Errorf("piece %d exists", k)
				}
			}
			if i.TotalSize() != 70100-int64(3-tt.files)*50 {
				t.Errorf("TotalSize %d", i.TotalSize())
			}
		})
	}
}

func TestSpans(t *testing.T) {
	i, err := parseDict(hybrid)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		off, n int64
		want   string
	}{
		{0, 10000, "[{0 0 0 10000 false}]"},
		{9999, 2, "[{0 9999 9999 1 false} {1 0 10000 1 true}]"},
		{16383, 2, "[{1 6383 16383 1 true} {3 0 16384 1 false}]"},
		{0, 1 << 40, "[{0 0 0 10000 false} {1 0 10000 6384 true} {3 0 16384 20000 false}]"},
		{36384, 10, "[]"},
		{-1, 10, "[]"},
		{5, 0, "[]"},
		{5, -1, "[]"},
	}
	for _, tt := range tests {
		if got := fmt.Sprint(i.AppendSpans(nil, tt.off, tt.n)); got != tt.want {
			t.Errorf("%d+%d: %s, want %s", tt.off, tt.n, got, tt.want)
		}
	}
	for k, want := range [][2]int{{0, 1}, {0, 1}, {1, 1}, {1, 3}} {
		if first, end := i.PieceRange(k); first != want[0] || end != want[1] {
			t.Errorf("file %d is in pieces %d-%d", k, first, end)
		}
	}
}

func TestBuildV1KeepsTheOrder(t *testing.T) {
	opt := BuildOptions{Name: "d", PieceLength: 16384, V1: true, Files: []BuildFile{
		{Path: []string{"z"}, Length: 5}, {Path: []string{"a"}, Length: 6, Executable: true},
	}}
	i := build(t, opt, [][]byte{content(1, 5), content(2, 6)}).Info
	if describe(i) != "z@0+5; a@5+6" || !i.Files[1].Executable || i.Files[0].Executable {
		t.Errorf("%s", describe(i))
	}
}

// Folders sort by component, not by the whole path with its slashes.
func TestBuildSortsLikeAFileTree(t *testing.T) {
	var opt BuildOptions
	var data [][]byte
	opt.Name, opt.PieceLength = "d", 16384
	for k, p := range []string{"a.txt", "a/z", "a b", "a/b/c", "A", "a-/x", "ä"} {
		opt.Files = append(opt.Files, BuildFile{Path: strings.Split(p, "/"), Length: int64(k + 1)})
		data = append(data, content(k, int64(k+1)))
	}
	tor := build(t, opt, data)
	var order []string
	for k, f := range tor.Info.Files {
		if !f.Pad {
			order = append(order, strings.Join(tor.Info.RawPath(k), "/"))
		}
	}
	if want := []string{"A", "a/b/c", "a/z", "a b", "a-/x", "a.txt", "ä"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
	if _, err := Parse(tor.Marshal()); err != nil {
		t.Error(err)
	}
}

func TestBuildFields(t *testing.T) {
	opt := BuildOptions{
		Name: "f", Private: true, Comment: "c", CreatedBy: "b", CreationDate: 5,
		Announce: [][]string{{"http://a", "http://b"}, {"http://c"}}, WebSeeds: []string{"http://w"},
		Files: []BuildFile{{Path: []string{"f"}, Length: 3, Executable: true}},
	}
	tor, err := Parse(build(t, opt, [][]byte{content(1, 3)}).Marshal())
	if err != nil {
		t.Fatal(err)
	}
	i := tor.Info
	if !i.Private || !i.HasV1 || !i.HasV2 || !i.Single || !i.Files[0].Executable || i.PieceLength != 16384 {
		t.Errorf("%+v", i)
	}
	if tor.Comment != "c" || tor.CreatedBy != "b" || tor.CreationDate != 5 || len(tor.Announce) != 2 || len(tor.WebSeeds) != 1 {
		t.Errorf("%+v", tor)
	}
}

func TestNewBuilderRejects(t *testing.T) {
	file := func(n int64, p ...string) BuildFile { return BuildFile{Path: p, Length: n} }
	one := []BuildFile{file(5, "f")}
	tests := []struct {
		name string
		opt  BuildOptions
		want error
	}{
		{"no name", BuildOptions{Files: one}, ErrPath},
		{"name with a slash", BuildOptions{Name: "a/b", Files: one}, ErrPath},
		{"no files", BuildOptions{Name: "d"}, ErrEmpty},
		{"only empty files", BuildOptions{Name: "d", Files: []BuildFile{file(0, "f")}}, ErrEmpty},
		{"no path", BuildOptions{Name: "d", Files: []BuildFile{file(5)}}, ErrPath},
		{"path ..", BuildOptions{Name: "d", Files: []BuildFile{file(5, "..", "x")}}, ErrPath},
		{"negative length", BuildOptions{Name: "d", Files: []BuildFile{file(-5, "x")}}, ErrLength},
		{"too long", BuildOptions{Name: "d", Files: []BuildFile{file(MaxLength, "x"), file(1, "y")}}, ErrLength},
		{"one path twice", BuildOptions{Name: "d", Files: []BuildFile{file(5, "x"), file(5, "x")}}, ErrDuplicate},
		{"file and folder", BuildOptions{Name: "d", Files: []BuildFile{file(5, "x", "y"), file(5, "x")}}, ErrDuplicate},
		{"too many pieces", BuildOptions{Name: "f", PieceLength: 16384, Files: []BuildFile{file(1<<40, "f")}}, ErrTooMany},
		{"tiny pieces", BuildOptions{Name: "f", PieceLength: 8192, Files: one}, ErrPieceLength},
		{"negative pieces", BuildOptions{Name: "f", PieceLength: -1, Files: one}, ErrPieceLength},
		{"odd pieces in v2", BuildOptions{Name: "f", PieceLength: 3 * 16384, Files: one}, ErrPieceLength},
		{"odd pieces in v1", BuildOptions{Name: "f", V1: true, PieceLength: 20000, Files: one}, ErrPieceLength},
		{"huge pieces", BuildOptions{Name: "f", PieceLength: 1 << 30, Files: one}, ErrPieceLength},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewBuilder(tt.opt)
			checkError(t, err, tt.want)
		})
	}
	if _, err := NewBuilder(BuildOptions{Name: "f", V1: true, PieceLength: 3 * 16384, Files: one}); err != nil {
		t.Errorf("48 KiB pieces in v1: %v", err)
	}
}

func TestFinishWantsEveryPiece(t *testing.T) {
	b, err := NewBuilder(BuildOptions{Name: "f", PieceLength: 16384, Files: []BuildFile{{Path: []string{"f"}, Length: 20000}}})
	if err != nil {
		t.Fatal(err)
	}
	b.SetPiece(1, PieceHashes{V2: Hash256{1}})
	b.SetPiece(1, PieceHashes{V2: Hash256{1}})
	_, err = b.Finish()
	checkError(t, err, ErrPieces)
	b.SetPiece(0, PieceHashes{V2: Hash256{2}})
	if _, err = b.Finish(); err != nil {
		t.Error(err)
	}
}

func TestAutoPieceLength(t *testing.T) {
	one := func(n int64) []BuildFile { return []BuildFile{{Path: []string{"f"}, Length: n}} }
	for _, tt := range []struct{ size, want int64 }{
		{1, 16 << 10},
		{2 << 20, 16 << 10},
		{128 << 20, 128 << 10},
		{700 << 20, 512 << 10},
		{1 << 30, 1 << 20},
		{4 << 30, 4 << 20},
		{100 << 30, 16 << 20},
		{MaxLength, 16 << 20},
	} {
		got := AutoPieceLength(one(tt.size), true)
		if got != tt.want {
			t.Errorf("%d bytes: %d, want %d", tt.size, got, tt.want)
		}
		if n := tt.size / got; tt.size > 32<<20 && got < 16<<20 && (n < 1000 || n > 2000) {
			t.Errorf("%d bytes: %d pieces", tt.size, n)
		}
	}
	// A hundred thousand small files: without care the padding of a hybrid
	// would be a hundred times the content.
	many := slices.Repeat(one(2000), 100_000)
	if got := AutoPieceLength(many, true); got != 16<<10 {
		t.Errorf("padded: %d", got)
	}
	if got := AutoPieceLength(many, false); got != 128<<10 {
		t.Errorf("not padded: %d", got)
	}
}

func TestHashPieceIsSafeForGoroutines(t *testing.T) {
	data := content(4, 40*16384+5)
	opt := BuildOptions{Name: "f", PieceLength: 65536, Files: []BuildFile{{Path: []string{"f"}, Length: int64(len(data))}}}
	want := build(t, opt, [][]byte{data})
	b, err := NewBuilder(opt)
	if err != nil {
		t.Fatal(err)
	}
	hashes := make([]PieceHashes, b.NumPieces())
	var wg sync.WaitGroup
	for k := range hashes {
		wg.Go(func() {
			off := int64(k) * b.PieceLength()
			hashes[k] = b.HashPiece(k, data[off:off+b.PieceSize(k)])
		})
	}
	wg.Wait()
	for k, h := range hashes {
		b.SetPiece(k, h)
	}
	got, err := b.Finish()
	if err != nil || !bytes.Equal(got.Marshal(), want.Marshal()) {
		t.Errorf("another torrent, %v", err)
	}
}

func TestHashPieceAllocatesNothingPerBlock(t *testing.T) {
	data := content(4, 1<<20)
	for _, v := range []struct{ v1, v2 bool }{{true, false}, {false, true}, {true, true}} {
		b, err := NewBuilder(BuildOptions{Name: "f", V1: v.v1, V2: v.v2, PieceLength: 1 << 20,
			Files: []BuildFile{{Path: []string{"f"}, Length: 3 << 20}}})
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(5, func() { b.HashPiece(1, data) }); n > 2 {
			t.Errorf("%+v: %v allocations for 64 blocks", v, n)
		}
	}
}

// Short data gives a hash that does not fit, never a panic.
func TestHashPieceOfShortData(t *testing.T) {
	i, err := parseDict(hybrid)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 9999, 10000, 10001, 16384, 20000} {
		i.HashPiece(0, make([]byte, n))
	}
	if h := i.HashPiece(99, nil); !h.V2.IsZero() {
		t.Errorf("%v", h)
	}
}

func TestBuilderReportsPieceSpace(t *testing.T) {
	b, err := NewBuilder(BuildOptions{Name: "d", PieceLength: 16384, Files: []BuildFile{
		{Path: []string{"b"}, Length: 20000}, {Path: []string{"a"}, Length: 5}, {Path: []string{"c"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for k := range b.NumPieces() {
		got = append(got, fmt.Sprint(b.PieceSize(k), b.AppendRanges(nil, k)))
	}
	want := []string{"16384 [{1 0 0 5}]", "16384 [{0 0 0 16384}]", "16384 [{0 16384 0 3616}]"}
	if !slices.Equal(got, want) || b.TotalSize() != 20005 {
		t.Errorf("%q, want %q", got, want)
	}
	if len(b.AppendRanges(nil, 3)) != 0 || len(b.AppendRanges(nil, -1)) != 0 {
		t.Error("pieces out of range have files")
	}
}

func TestErrorText(t *testing.T) {
	err := error(&Error{Err: ErrPath, Where: "x", Msg: "y"})
	if err.Error() != "x: unsafe path: y" || !errors.Is(err, ErrPath) {
		t.Error(err)
	}
	if s := (&Error{Err: ErrEmpty}).Error(); s != "no content" {
		t.Error(s)
	}
}
