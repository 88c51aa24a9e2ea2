package metainfo

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/bencode"
)

// dict is for writing torrents by hand, wrong ones too.
type dict map[string]any

func encode(v any) []byte {
	switch v := v.(type) {
	case dict:
		d := bencode.NewDict(nil)
		for k, e := range v {
			d.Raw(k, encode(e))
		}
		return d.End()
	case []any:
		out := []byte{'l'}
		for _, e := range v {
			out = append(out, encode(e)...)
		}
		return append(out, 'e')
	case int:
		return bencode.AppendInt(nil, int64(v))
	case string:
		return bencode.AppendString(nil, v)
	}
	panic(fmt.Sprintf("%T", v))
}

// with returns a copy of d with changes; nil removes a key.
func (d dict) with(pairs ...any) dict {
	out := make(dict, len(d))
	for k, v := range d {
		out[k] = v
	}
	for k := 0; k < len(pairs); k += 2 {
		if pairs[k+1] == nil {
			delete(out, pairs[k].(string))
		} else {
			out[pairs[k].(string)] = pairs[k+1]
		}
	}
	return out
}

func path(s ...string) []any {
	var out []any
	for _, e := range s {
		out = append(out, e)
	}
	return out
}

func v1File(length int, p ...string) dict { return dict{"length": length, "path": path(p...)} }

func v2File(length int, root string) dict {
	f := dict{"length": length}
	if root != "" {
		f["pieces root"] = root
	}
	return dict{"": f}
}

var (
	rootA = strings.Repeat("A", 32)
	rootB = strings.Repeat("B", 32)

	v1Single = dict{"name": "f", "piece length": 16384, "length": 20000, "pieces": strings.Repeat("x", 40)}
	v1Folder = dict{"name": "d", "piece length": 16384, "pieces": strings.Repeat("x", 40), "files": []any{
		v1File(10000, "a"), v1File(0, "b"), v1File(10000, "c", "d"),
	}}
	v2Single = dict{"name": "f", "piece length": 16384, "meta version": 2, "file tree": dict{"f": v2File(20000, rootA)}}
	v2Folder = dict{"name": "d", "piece length": 16384, "meta version": 2, "file tree": dict{
		"a": v2File(10000, rootA), "b": v2File(0, ""), "c": dict{"d": v2File(20000, rootB)},
	}}
	hybrid = v2Folder.with("pieces", strings.Repeat("x", 60), "files", []any{
		v1File(10000, "a"), dict{"length": 6384, "path": path(".pad", "6384"), "attr": "p"},
		v1File(0, "b"), v1File(20000, "c", "d"),
	})
)

func parseDict(d dict) (*Info, error) { return ParseInfo(encode(d)) }

func describe(i *Info) string {
	var b strings.Builder
	for _, f := range i.Files {
		fmt.Fprintf(&b, "%s@%d+%d", strings.Join(f.Path, "/"), f.Offset, f.Length)
		if f.Pad {
			b.WriteString(" pad")
		}
		if !f.PiecesRoot.IsZero() {
			b.WriteString(" " + string(f.PiecesRoot[:1]))
		}
		b.WriteString("; ")
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func TestParseInfo(t *testing.T) {
	tests := []struct {
		name   string
		in     dict
		single bool
		files  string
	}{
		{"v1 single", v1Single, true, "f@0+20000"},
		{"v1 folder", v1Folder, false, "a@0+10000; b@10000+0; c/d@10000+10000"},
		{"v2 single", v2Single, true, "f@0+20000 A; .pad@20000+12768 pad"},
		{"v2 folder", v2Folder, false, "a@0+10000 A; .pad@10000+6384 pad; b@16384+0; c/d@16384+20000 B; .pad@36384+12768 pad"},
		{"hybrid", hybrid, false, "a@0+10000 A; .pad@10000+6384 pad; b@16384+0; c/d@16384+20000 B"},
		{"v2 with an empty folder", v2Single.with("file tree", dict{"e": dict{}, "g": dict{"f": v2File(5, rootA)}}), false,
			"g/f@0+5 A; .pad@5+16379 pad"},
		{"v2 single named otherwise", v2Single.with("name", "display name"), true, "f@0+20000 A; .pad@20000+12768 pad"},
		{"odd v1 piece length", v1Single.with("piece length", 12345), true, "f@0+20000"},
		{"v1 in its own words", v1Single.with("meta version", 1), true, "f@0+20000"},
		{"name.utf-8 wins", v1Single.with("name", "\xff\xfe", "name.utf-8", "g"), true, "g@0+20000"},
		{"Latin-1 name", v1Single.with("name", "caf\xe9.txt"), true, "caf_.txt@0+20000"},
		{"pads in the middle of v1", v1Folder.with("files", []any{
			v1File(1, "a"), dict{"length": 19998, "attr": "p"}, v1File(1, "b"),
		}), false, "a@0+1; .pad@1+19998 pad; b@19999+1"},
		{"pads of BitComet", v1Folder.with("files", []any{
			v1File(1, "a"), v1File(19999, "_____padding_file_0_____"),
		}), false, "a@0+1; .pad@1+19999 pad"},
		{"a pad's own path does not matter", v1Folder.with("files", []any{
			v1File(1, "a"), dict{"length": 19999, "attr": "p", "path": path("..", "..", "x")},
		}), false, "a@0+1; .pad@1+19999 pad"},
		{"symlinks take no room", v1Folder.with("files", []any{
			v1File(20000, "a"), dict{"length": 7, "attr": "l", "path": path("s"), "symlink path": path("a")},
		}), false, "a@0+20000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i, err := parseDict(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(i); got != tt.files {
				t.Errorf("files %s\nwant  %s", got, tt.files)
			}
			if i.Single != tt.single {
				t.Errorf("Single is %v", i.Single)
			}
			if i.Single && i.Files[0].Path[0] != i.Name {
				t.Errorf("single file %q in torrent %q", i.Files[0].Path, i.Name)
			}
			checkTiling(t, i)
			if n := len(i.SwarmHashes()); n == 0 || i.SwarmHashes()[0] != i.Key() {
				t.Errorf("%d swarm hashes", n)
			}
		})
	}
}

func TestInfoFields(t *testing.T) {
	i, err := parseDict(v1Folder.with("private", 1, "source", "X", "files", []any{
		dict{"length": 20000, "path": path("a"), "attr": "xh"},
		dict{"attr": "l", "path": path("s"), "symlink path": path("a")},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if !i.Private || i.Source != "X" || !i.Files[0].Executable || !i.Files[0].Hidden {
		t.Errorf("%+v", i)
	}
	if len(i.Symlinks) != 1 || i.Symlinks[0].Path[0] != "s" || i.Symlinks[0].Target[0] != "a" {
		t.Errorf("%+v", i.Symlinks)
	}
}

func TestParseInfoRejects(t *testing.T) {
	single := func(pairs ...any) dict { return v1Single.with(pairs...) }
	files := func(f ...any) dict { return v1Folder.with("files", f) }
	tree := func(d any) dict { return v2Single.with("file tree", d) }
	deepPath := slices.Repeat([]string{"x"}, MaxPathDepth+1)
	deepTree := v2File(5, rootA)
	for range MaxPathDepth + 1 {
		deepTree = dict{"x": deepTree}
	}
	tests := []struct {
		name string
		in   dict
		want error
	}{
		{"empty", dict{}, ErrField},
		{"no name", single("name", nil), ErrField},
		{"name is a number", single("name", 1), ErrField},
		{"no piece length", single("piece length", nil), ErrField},
		{"no pieces", single("pieces", nil), ErrField},
		{"pieces is a number", single("pieces", 7), ErrField},
		{"neither files nor length", single("length", nil), ErrField},
		{"length is a string", single("length", "20000"), ErrField},
		{"files is a dictionary and nothing else is there", v1Folder.with("files", dict{}), ErrField},
		{"file is a number", files(5), ErrField},
		{"file without length", files(dict{"path": path("a")}), ErrField},
		{"file without path", files(dict{"length": 20000}), ErrPath},
		{"path is a string", files(dict{"length": 20000, "path": "a"}), ErrPath},
		{"path component is a number", files(dict{"length": 20000, "path": []any{1}}), ErrPath},
		{"empty path", files(dict{"length": 20000, "path": []any{}}), ErrPath},
		{"the only file is padding", single("attr", "p"), ErrField},

		{"piece length 0", single("piece length", 0), ErrPieceLength},
		{"negative piece length", single("piece length", -16384), ErrPieceLength},
		{"piece length of 256 MiB", single("piece length", 256<<20), ErrPieceLength},
		{"v2 piece length of 8 KiB", v2Single.with("piece length", 8192), ErrPieceLength},
		{"v2 piece length not a power of two", v2Single.with("piece length", 49152), ErrPieceLength},

		{"v1 hashes short by a byte", single("pieces", strings.Repeat("x", 39)), ErrPieces},
		{"v1 hashes for one piece of two", single("pieces", strings.Repeat("x", 20)), ErrPieces},
		{"v1 hashes for three pieces of two", single("pieces", strings.Repeat("x", 60)), ErrPieces},
		{"more pieces than 1<<24", single("piece length", 1, "length", 1<<24+1), ErrTooMany},
		{"a file tree of more pieces than 1<<24", tree(dict{"f": v2File(1<<38+1, rootA)}), ErrTooMany},
		{"a file tree that adds up to more pieces", tree(dict{"f": v2File(1<<38, rootA), "g": v2File(1, rootB)}), ErrTooMany},

		{"negative length", single("length", -1), ErrLength},
		{"negative length of a file", files(v1File(-1, "a"), v1File(20001, "b")), ErrLength},
		{"negative length in the tree", tree(dict{"f": v2File(-1, rootA)}), ErrLength},
		{"length over 48 bits", single("length", 1<<48), ErrLength},
		{"lengths that overflow", files(v1File(1<<63-1, "a"), v1File(1<<63-1, "b")), ErrLength},
		{"lengths that add up to too much", files(v1File(1<<47, "a"), v1File(1<<47, "b")), ErrLength},
		{"no bytes", single("length", 0, "pieces", ""), ErrEmpty},
		{"no files", v1Folder.with("files", []any{}, "pieces", ""), ErrEmpty},
		{"only padding", files(dict{"length": 20000, "attr": "p"}), ErrEmpty},
		{"empty file tree", tree(dict{}), ErrEmpty},
		{"file tree of empty files", tree(dict{"f": v2File(0, "")}), ErrEmpty},

		{"name ..", single("name", ".."), ErrPath},
		{"name .", single("name", "."), ErrPath},
		{"empty name", single("name", ""), ErrPath},
		{"name.utf-8 that leaves", single("name.utf-8", ".."), ErrPath},
		{"path of 101 folders", files(v1File(20000, deepPath...)), ErrPath},
		{"tree that is itself a file", tree(v2File(5, rootA)), ErrPath},
		{"tree of 101 folders", tree(deepTree), ErrPath},

		{"meta version 3", v2Single.with("meta version", 3), ErrVersion},
		{"meta version 0 with a tree", v2Single.with("meta version", 0), ErrField},
		{"meta version is a string", v2Single.with("meta version", "2"), ErrField},
		{"meta version 2 without a tree", v2Single.with("file tree", nil), ErrField},
		{"a tree without meta version", v2Single.with("meta version", nil), ErrField},
		{"tree is a list", tree([]any{}), ErrField},
		{"tree entry is a number", tree(dict{"f": 5}), ErrField},
		{"file is a list", tree(dict{"f": dict{"": []any{}}}), ErrField},
		{"both file and folder", tree(dict{"f": v2File(5, rootA).with("g", v2File(5, rootA))}), ErrField},
		{"no length", tree(dict{"f": dict{"": dict{"pieces root": rootA}}}), ErrField},
		{"no pieces root", tree(dict{"f": v2File(5, "")}), ErrField},
		{"short pieces root", tree(dict{"f": v2File(5, rootA[1:])}), ErrField},
		{"pieces root of zeros", tree(dict{"f": v2File(5, strings.Repeat("\x00", 32))}), ErrField},
		{"padding in the tree", tree(dict{"f": dict{"": dict{"length": 5, "attr": "p", "pieces root": rootA}}}), ErrField},
		{"one root, two lengths", tree(dict{"f": v2File(50000, rootA), "g": v2File(70000, rootA)}), ErrField},

		{"hybrid without pieces", hybrid.with("pieces", nil), ErrField},
		{"hybrid without files", hybrid.with("files", nil), ErrField},
		{"hybrid with another name", hybrid.with("files", []any{v1File(10000, "X"), v1File(6384, "p").with("attr", "p"), v1File(0, "b"), v1File(20000, "c", "d")}), ErrHybrid},
		{"hybrid with another length", hybrid.with("files", []any{v1File(10001, "a"), v1File(6383, "p").with("attr", "p"), v1File(0, "b"), v1File(20000, "c", "d")}), ErrHybrid},
		{"hybrid without padding", hybrid.with("files", []any{v1File(10000, "a"), v1File(0, "b"), v1File(20000, "c", "d")}), ErrHybrid},
		{"hybrid in another order", hybrid.with("files", []any{v1File(20000, "c", "d"), v1File(12768, "p").with("attr", "p"), v1File(0, "b"), v1File(10000, "a")}), ErrHybrid},
		{"hybrid with a file less in v1", hybrid.with("files", []any{v1File(10000, "a"), v1File(0, "b"), v1File(26384, "p").with("attr", "p")}), ErrHybrid},
		{"hybrid with a file more in v1", hybrid.with("files", []any{
			v1File(10000, "a"), v1File(6384, "p").with("attr", "p"), v1File(0, "b"), v1File(20000, "c", "d"), v1File(5, "e"),
		}), ErrHybrid},
		{"hybrid with an empty file more in v1", hybrid.with("files", []any{
			v1File(10000, "a"), v1File(6384, "p").with("attr", "p"), v1File(0, "b"), v1File(20000, "c", "d"), v1File(0, "e"),
		}), ErrHybrid},
		{"hybrid padded by another piece", hybrid.with("pieces", strings.Repeat("x", 80), "files", []any{
			v1File(10000, "a"), v1File(6384, "p").with("attr", "p"), v1File(0, "b"), v1File(20000, "c", "d"), v1File(12769, "q").with("attr", "p"),
		}), ErrHybrid},
		{"hybrid of a single file with another name", v2Single.with("length", 20000, "pieces", strings.Repeat("x", 40), "name", "g"), ErrHybrid},
		{"hybrid of a single file with another length", v2Single.with("length", 20001, "pieces", strings.Repeat("x", 40)), ErrHybrid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseDict(tt.in)
			checkError(t, err, tt.want)
		})
	}
}

// checkError wants an *Error of a kind that reads well on one line.
func checkError(t *testing.T, err, want error) {
	t.Helper()
	var e *Error
	if !errors.Is(err, want) || !errors.As(err, &e) {
		t.Fatalf("error %v of type %T, want %v", err, err, want)
	}
	if s := err.Error(); len(s) > 250 || strings.ContainsAny(s, "\n\x00\x1b") || strings.Contains(s, "metainfo:") || strings.Contains(s, "bencode:") {
		t.Errorf("error is not one clean line: %q", s)
	}
}

// Errors of the encoding keep their own type and place.
func TestParseRejectsBadEncoding(t *testing.T) {
	good := encode(dict{"info": v1Single})
	tests := map[string][]byte{
		"empty":            nil,
		"cut":              good[:len(good)-1],
		"a key of no kind": []byte("d4:infodi1ei2eee"),
		"deep nesting":     bytes.Repeat([]byte("l"), 1<<20),
		"negative length":  []byte("d4:info-5:xe"),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(b)
			var e *Error
			var s *bencode.SyntaxError
			if !errors.As(err, &e) || !errors.As(err, &s) {
				t.Fatalf("error %v of type %T", err, err)
			}
			if _, err := ParseInfo(b); !errors.As(err, &s) {
				t.Fatalf("ParseInfo: %v", err)
			}
		})
	}
	for _, s := range []string{"i1e", "le", "4:spam"} {
		if _, err := Parse([]byte(s)); !errors.Is(err, ErrField) {
			t.Errorf("%s: %v", s, err)
		}
		if _, err := ParseInfo([]byte(s)); !errors.Is(err, ErrField) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestSizeLimits(t *testing.T) {
	if _, err := Parse(make([]byte, MaxTorrentSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("torrent: %v", err)
	}
	if _, err := ParseInfo(make([]byte, MaxInfoSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("info: %v", err)
	}
	big := encode(dict{"info": v1Single.with("x", strings.Repeat("x", MaxInfoSize))})
	if _, err := Parse(big); !errors.Is(err, ErrTooLarge) {
		t.Errorf("info in a torrent: %v", err)
	}
	many := "d5:filesl" + strings.Repeat("d6:lengthi1e4:pathl1:aee", MaxFiles+1) + "e4:name1:d12:piece lengthi16384e6:pieces0:e"
	if _, err := ParseInfo([]byte(many)); !errors.Is(err, ErrTooMany) {
		t.Errorf("files: %v", err)
	}
}

// ErrNotPortable is a warning for stores on some systems, not a parse error.
func TestCheckPortable(t *testing.T) {
	for _, s := range []string{"a", "a.b", ".hidden", "com", "com10", "lptx", "console", "nul1", "ünïcödé", "a b", "-"} {
		i := &Info{Name: s, Files: []File{{Path: []string{s}}}}
		if err := i.CheckPortable(); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{
		"con", "CON", "con.txt", "Aux.c", "nul", "prn.tar.gz", "COM1", "com9.log", "lpt0", "COM¹", "conin$", "con .txt",
		"a.", "a ", "...", "C:", "a:b", "a?", "a*", "<", ">", `"`, "a|b", "tab\there", "\x01",
	} {
		i, err := parseDict(v1Folder.with("files", []any{v1File(20000, "d", s)}))
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		checkError(t, i.CheckPortable(), ErrNotPortable)
		i, err = parseDict(v1Single.with("name", s))
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		checkError(t, i.CheckPortable(), ErrNotPortable)
	}
	i, err := parseDict(v1Folder.with("files", []any{v1File(10000, "d", "Straße"), v1File(10000, "D", "STRAßE")}))
	if err != nil {
		t.Fatal(err)
	}
	checkError(t, i.CheckPortable(), ErrNotPortable)
}

// What a name says on the way to a message is made harmless.
func TestErrorsAreSafeToPrint(t *testing.T) {
	_, err := parseDict(v2Single.with("file tree", dict{"\x1b[31m\n" + strings.Repeat("é", 100): 5}))
	checkError(t, err, ErrField)
}
