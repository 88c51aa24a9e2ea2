package metainfo

import (
	"bytes"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestTorrentFields(t *testing.T) {
	tor, err := Parse(encode(dict{
		"announce": "http://one/", "announce-list": []any{path("udp://two/", "udp://three/"), path(), path("http://one/", "udp://two/")},
		"comment": "c\xe9", "created by": "b", "creation date": 77, "url-list": path("http://w/", "", "http://w/"),
		"httpseeds": "http://h/?a=b",
		"nodes":     []any{[]any{"router.example", 6881}, []any{"2001:db8::1", 1}, []any{"x", 0}, []any{"x"}, []any{1, 2}, []any{"a", 1, 2}},
		"info":      v1Single, "other": dict{},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if want := [][]string{{"udp://two/", "udp://three/"}, {"http://one/"}}; !reflect.DeepEqual(tor.Announce, want) {
		t.Errorf("tiers %q", tor.Announce)
	}
	if tor.Comment != "cé" || tor.CreatedBy != "b" || tor.CreationDate != 77 {
		t.Errorf("%+v", tor)
	}
	if want := []string{"http://w/"}; !reflect.DeepEqual(tor.WebSeeds, want) {
		t.Errorf("web seeds %q", tor.WebSeeds)
	}
	if want := []string{"http://h/?a=b"}; !reflect.DeepEqual(tor.HTTPSeeds, want) {
		t.Errorf("seeds of BEP 17 %q", tor.HTTPSeeds)
	}
	if want := []string{"router.example:6881", "[2001:db8::1]:1"}; !reflect.DeepEqual(tor.Nodes, want) {
		t.Errorf("nodes %q", tor.Nodes)
	}
	again, err := Parse(tor.Marshal())
	if err != nil || !reflect.DeepEqual(again, tor) {
		t.Errorf("does not round-trip: %+v, %v", again, err)
	}
}

func TestAnnounceTiers(t *testing.T) {
	tests := []struct {
		announce, list any
		want           [][]string
	}{
		{"a", nil, [][]string{{"a"}}},
		{"a", []any{path("b")}, [][]string{{"a"}, {"b"}}},
		{"a", []any{path("b", "a")}, [][]string{{"b", "a"}}},
		{" ", []any{}, nil},
		{7, []any{5, path(" b "), "c"}, [][]string{{"b"}, {"c"}}},
		{strings.Repeat("a", 5000), nil, nil},
	}
	for _, tt := range tests {
		d := dict{"announce": tt.announce, "info": v1Single}
		if tt.list != nil {
			d["announce-list"] = tt.list
		}
		tor, err := Parse(encode(d))
		if err != nil || !reflect.DeepEqual(tor.Announce, tt.want) {
			t.Errorf("%v %v: %q, %v", tt.announce, tt.list, tor.Announce, err)
		}
	}
	var flood []any
	for k := range 5000 {
		flood = append(flood, path(strconv.Itoa(k)))
	}
	tor, err := Parse(encode(dict{"announce-list": flood, "info": v1Single, "url-list": flood[0]}))
	if err != nil || len(tor.Announce) != maxURLs {
		t.Errorf("%d tiers, %v", len(tor.Announce), err)
	}
}

func TestPieceLayersReject(t *testing.T) {
	good := build(t, BuildOptions{Name: "d", PieceLength: 16384, V2: true, Files: []BuildFile{
		{Path: []string{"a"}, Length: 40000}, {Path: []string{"b"}, Length: 50000}, {Path: []string{"c"}, Length: 5},
	}}, [][]byte{content(1, 40000), content(2, 50000), content(3, 5)})
	a, b, c := good.Info.Files[0].PiecesRoot, good.Info.Files[2].PiecesRoot, good.Info.Files[4].PiecesRoot
	with := func(change func(m map[Hash256][]byte)) []byte {
		tor := *good
		tor.PieceLayers = make(map[Hash256][]byte)
		for k, v := range good.PieceLayers {
			tor.PieceLayers[k] = bytes.Clone(v)
		}
		change(tor.PieceLayers)
		return tor.Marshal()
	}
	if _, err := Parse(with(func(map[Hash256][]byte) {})); err != nil {
		t.Fatal(err)
	}
	tests := map[string][]byte{
		"wrong hash":      with(func(m map[Hash256][]byte) { m[a][0] ^= 1 }),
		"swapped":         with(func(m map[Hash256][]byte) { m[a], m[b] = m[b], m[a] }),
		"short":           with(func(m map[Hash256][]byte) { m[a] = m[a][:64] }),
		"short by a byte": with(func(m map[Hash256][]byte) { m[a] = m[a][:95] }),
		"padded":          with(func(m map[Hash256][]byte) { m[a] = append(m[a], make([]byte, 32)...) }),
	}
	bare := append([]byte("d4:info"), good.Info.Bytes...)
	tests["short key"] = append(bytes.Clone(bare), "12:piece layersd3:abc0:ee"...)
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(in)
			checkError(t, err, ErrLayers)
		})
	}
	// What is not there comes from peers, what belongs to no file is of no use.
	for name, in := range map[string]struct {
		torrent []byte
		layers  int
	}{
		"one is missing":  {with(func(m map[Hash256][]byte) { delete(m, a) }), 1},
		"all are missing": {with(func(m map[Hash256][]byte) { clear(m) }), 0},
		"absent":          {append(bytes.Clone(bare), 'e'), 0},
		"a list":          {append(bytes.Clone(bare), "12:piece layerslee"...), 0},
		"of a small file": {with(func(m map[Hash256][]byte) { m[c] = c[:] }), 2},
		"of no file":      {with(func(m map[Hash256][]byte) { m[Hash256{1}] = c[:] }), 2},
	} {
		t.Run(name, func(t *testing.T) {
			tor, err := Parse(in.torrent)
			if err != nil || len(tor.PieceLayers) != in.layers || tor.Info.HashV2 != good.Info.HashV2 {
				t.Fatalf("%d layers, %v", len(tor.PieceLayers), err)
			}
			if l := tor.Layers(); l.Complete() != (in.layers == 2) {
				t.Errorf("complete is %v", l.Complete())
			}
		})
	}
	// Without layers the info dictionary alone is still good: a magnet's is.
	if _, err := ParseInfo(good.Info.Bytes); err != nil {
		t.Error(err)
	}
}

func TestNoInfo(t *testing.T) {
	_, err := Parse(encode(dict{"announce": "x"}))
	checkError(t, err, ErrField)
	_, err = Parse(encode(dict{"info": path("x")}))
	checkError(t, err, ErrField)
}

func TestHashText(t *testing.T) {
	s := "0123456789abcdefABCDEF0123456789abcdef01"
	h, err := ParseHash(s)
	if err != nil || h.String() != strings.ToLower(s) || h.IsZero() {
		t.Errorf("%v, %v", h, err)
	}
	long := s + s[:24]
	h2, err := ParseHash256(long)
	if err != nil || h2.String() != strings.ToLower(long) || h2.Short() != h || h2.IsZero() {
		t.Errorf("%v, %v", h2, err)
	}
	for _, bad := range []string{"", s[1:], s + "0", "g" + s[1:], s[:39] + " ", long[1:]} {
		_, err := ParseHash(bad)
		checkError(t, err, ErrHash)
		if _, err = ParseHash256(bad); !errors.Is(err, ErrHash) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// oddities are torrents as strangers make them: names that are none, paths that
// meet on some system, links, and keys that stand where they should not.
func oddities() [][]byte {
	odd := func(paths ...string) []byte { return encode(dict{"info": folder(paths...)}) }
	info := string(encode(v1Single))
	link := func(from, to string) dict {
		return dict{"attr": "l", "path": path(strings.Split(from, "/")...), "symlink path": path(strings.Split(to, "/")...)}
	}
	return [][]byte{
		odd("../../etc/passwd", "/etc/passwd", "a/../../b", `..\..\c`, "", "."), odd("a", "A", "a/b", "a.1", "A.1"),
		odd("con", "_con", "con.", "a:", "a?", "a.", "a "), odd("\xff", "\xfe", "\u202e", "\x00", "\x1b[2J"),
		odd(strings.Repeat("x", 300), strings.Repeat("x", 301)+".mkv", strings.Repeat("\u00e9", 200)), odd("\u00c4", "\u00e4", "\u212a", "k"),
		encode(dict{"info": v1Single.with("name", "a/b")}), encode(dict{"info": v1Folder.with("name", "..")}),
		encode(dict{"info": v2Single.with("file tree", dict{"..": dict{"a/b": v2File(5, rootA)}, "A": v2File(5, rootA), "a": dict{"b": v2File(5, rootB)}})}),
		encode(dict{"info": v1Folder.with("files", []any{v1File(20000, "a", "b"), link("l", "a"), link("l/x", "a"), link("m", "l/b"), link("a/n", "../.."), link("A", "a")})}),
		[]byte("d8:announce1:b8:announce1:a4:info" + info + "13:creation datei01.5ee\n"),
		[]byte("d4:infod4:name1:a5:filesld4:pathl0:1:xe6:lengthi05eee6:lengthi-0e12:piece lengthi16384e6:pieces20:xxxxxxxxxxxxxxxxxxxx7:private1:1ee"),
	}
}

// Whatever is read is written with its info dictionary untouched, and reads the
// same again: safe names, no two of one path on any system.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		if len(v.Torrent) < 4000 {
			f.Add(v.Torrent)
		}
	}
	for _, d := range []dict{v1Single, v1Folder, v2Single, v2Folder, hybrid} {
		f.Add(encode(dict{"info": d, "announce": "a", "nodes": []any{[]any{"h", 1}}}))
	}
	for _, b := range oddities() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tor, err := Parse(b)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		checkTiling(t, tor.Info)
		checkUnique(t, tor.Info)
		if !bytes.Contains(b, tor.Info.Bytes) {
			t.Fatal("the info dictionary is not as it came")
		}
		again, err := Parse(tor.Marshal())
		if err != nil || !reflect.DeepEqual(again, tor) {
			t.Fatalf("does not round-trip: %v", err)
		}
		exercise(tor.Info)
	})
}

func FuzzParseInfo(f *testing.F) {
	for _, d := range []dict{v1Single, v1Folder, v2Single, v2Folder, hybrid} {
		f.Add(encode(d))
	}
	for _, b := range oddities() {
		if tor, err := Parse(b); err == nil {
			f.Add(tor.Info.Bytes)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := ParseInfo(b)
		if err != nil {
			return
		}
		if !bytes.Equal(i.Bytes, b) {
			t.Fatal("the info dictionary is not as it came")
		}
		checkTiling(t, i)
		checkUnique(t, i)
		exercise(i)
	})
}

// Seeds that are refused would show nothing.
func TestOdditiesAreRead(t *testing.T) {
	for _, b := range oddities() {
		tor, err := Parse(b)
		if err != nil {
			t.Errorf("%q: %v", b, err)
			continue
		}
		checkUnique(t, tor.Info)
	}
}

// exercise calls what the rest of the program calls on a stranger's Info.
func exercise(i *Info) {
	l := NewLayers(i)
	_ = i.CheckPortable()
	n := i.NumPieces()
	for _, k := range []int{-1, 0, 1, n / 2, n - 1, n} {
		i.PieceSize(k)
		i.PieceHashV1(k)
		i.AppendSpans(nil, int64(k)*i.PieceLength, i.PieceSpan(k))
		i.HashPiece(k, make([]byte, min(i.PieceSpan(k), 1<<16)))
		i.PieceRootWidth(k)
		l.PieceHash(k)
		l.BlockRequest(k)
		if r, ok := l.Request(k); ok {
			_, _ = l.Answer(r, nil)
			_ = l.Add(r, make([]byte, r.Size()))
		}
	}
	_ = i.RawName()
	for k := range i.Files {
		i.PieceRange(k)
		i.RawPath(k)
	}
}

// url-list comes as a string, a list, an empty string or nonsense, from programs
// of twenty years.
func TestOddListsOfWebSeeds(t *testing.T) {
	for _, tt := range []struct {
		list any
		want []string
	}{
		{"http://a/", []string{"http://a/"}},
		{" http://a/x y ", []string{"http://a/x y"}},
		{"", nil},
		{7, nil},
		{dict{"a": "http://a/"}, nil},
		{path(), nil},
		{[]any{path("http://b/"), 5, "http://a/", dict{}, strings.Repeat("x", 5000)}, []string{"http://a/"}},
	} {
		tor, err := Parse(encode(dict{"info": v1Single, "url-list": tt.list, "httpseeds": tt.list}))
		if err != nil || !reflect.DeepEqual(tor.WebSeeds, tt.want) || !reflect.DeepEqual(tor.HTTPSeeds, tt.want) {
			t.Errorf("%v: %q %q, %v", tt.list, tor.WebSeeds, tor.HTTPSeeds, err)
		}
	}
}
