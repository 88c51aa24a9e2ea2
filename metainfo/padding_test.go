package metainfo

import "testing"

// What is to be fetched of a piece ends where its padding begins (BEP 47).
func TestPieceDataLeavesPaddingOut(t *testing.T) {
	const pl = 4 * BlockSize
	file := func(n int64, pad bool) File { return File{Length: n, Pad: pad} }
	many := []File{file(10, false)}
	for range 40 {
		many = append(many, file(1, true))
	}
	many = append(many, file(pl-50, true), file(7, false))
	for name, tt := range map[string]struct {
		files []File
		v2    bool // only
		want  []int64
	}{
		"no padding":            {[]File{file(pl+9, false)}, false, []int64{pl, 9}},
		"small files":           {[]File{file(9, false), file(pl-9, true), file(pl+1, false)}, false, []int64{9, pl, 1}},
		"at the very end":       {[]File{file(9, false), file(pl-9, true)}, false, []int64{9}},
		"twice":                 {[]File{file(9, false), file(5, true), file(pl-14, true)}, false, []int64{9}},
		"an empty file between": {[]File{file(9, false), file(5, true), file(0, false), file(pl-14, true), file(3, false)}, false, []int64{9, 3}},
		"in the middle":         {[]File{file(9, false), file(91, true), file(pl-100, false)}, false, []int64{pl}},
		"a piece of nothing":    {[]File{file(9, false), file(2*pl-9, true), file(3, false)}, false, []int64{9, pl, 3}},
		"more than anybody has": {many, false, []int64{pl, 7}},
		"v2 has none":           {[]File{file(9, false), file(pl-9, true), file(3, false)}, true, []int64{9, 3}},
	} {
		info := &Info{PieceLength: pl, HasV1: !tt.v2, HasV2: tt.v2}
		for _, f := range tt.files {
			f.Offset = info.Length
			info.Files = append(info.Files, f)
			info.Length += f.Length
		}
		for i, want := range tt.want {
			if got := info.PieceData(i); got != want {
				t.Errorf("%s: %d bytes of piece %d, want %d", name, got, i, want)
			}
		}
		if info.PieceData(-1) != 0 || info.PieceData(info.NumPieces()) != 0 {
			t.Errorf("%s: a piece out of range has bytes", name)
		}
	}
}
