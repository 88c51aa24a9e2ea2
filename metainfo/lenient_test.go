package metainfo

import (
	"bytes"
	"crypto/sha1"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/bencode"
)

// What others write and everybody else opens is opened, with the info hash of
// the bytes as they came.
func TestOthersTorrents(t *testing.T) {
	pieces := "6:pieces40:" + strings.Repeat("x", 40)
	const head = "12:piece lengthi16384e"
	good := "d6:lengthi20000e4:name1:f" + head + pieces + "e"
	for name, tt := range map[string]struct {
		torrent, info, files string
	}{
		"keys out of order":          {"d4:info" + good + "8:announce8:http://ae", good, "f"},
		"keys of info out of order":  {info: "d4:name1:f6:lengthi20000e" + pieces + head + "e", files: "f"},
		"a newline behind the end":   {"d4:info" + good + "e\n", good, "f"},
		"garbage behind the end":     {"d4:info" + good + "e\x00\x00x", good, "f"},
		"a key twice":                {"d8:announce1:a8:announce1:b4:info" + good + "e", good, "f"},
		"info twice":                 {"d4:info" + good + "4:info2:xxe", good, "f"},
		"a name twice":               {info: "d6:lengthi20000e4:name1:f4:name1:g" + head + pieces + "e", files: "f"},
		"a length of a key with 0":   {"d04:info" + good + "e", good, "f"},
		"length with a leading zero": {info: "d6:lengthi020000e4:name1:f" + head + pieces + "e", files: "f"},
		"a date with a leading zero": {"d13:creation datei01700000000e4:info" + good + "e", good, "f"},
		"a date of a float":          {"d13:creation datei1700000000.5e4:info" + good + "e", good, "f"},
		"a date of 30 digits":        {"d13:creation datei" + strings.Repeat("9", 30) + "e4:info" + good + "e", good, "f"},
		"a date that is nothing":     {"d13:creation dateie4:info" + good + "e", good, "f"},
		"a comment that is a list":   {"d7:commentle4:info" + good + "5:nodesi5ee", good, "f"},
		"both length and files":      {info: "d5:filesld6:lengthi20000e4:pathl1:aeee6:lengthi5e4:name1:d" + head + pieces + "e", files: "a"},
		"files that is no list":      {info: "d5:files0:6:lengthi20000e4:name1:f" + head + pieces + "e", files: "f"},
		"an odd meta version":        {info: "d6:lengthi20000e12:meta version1:24:name1:f" + head + pieces + "e", files: "f"},
		"meta version 0":             {info: "d6:lengthi20000e12:meta versioni0e4:name1:f" + head + pieces + "e", files: "f"},
		"a date of a file":           {info: "d5:filesld6:lengthi20000e5:mtimei1.5e4:pathl1:aeee4:name1:d" + head + pieces + "e", files: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.torrent == "" {
				tt.torrent = "d4:info" + tt.info + "e"
			}
			tor, err := Parse([]byte(tt.torrent))
			if err != nil {
				t.Fatal(err)
			}
			if tor.Info.HashV1 != Hash(sha1.Sum([]byte(tt.info))) || list(tor.Info) != tt.files {
				t.Errorf("%q of hash %v", list(tor.Info), tor.Info.HashV1)
			}
			magnet, err := ParseInfo([]byte(tt.info))
			if err != nil || magnet.HashV1 != tor.Info.HashV1 || list(magnet) != tt.files {
				t.Errorf("by its metadata: %v", err)
			}
			// What is written of it is strict around the info dictionary.
			out := tor.Marshal()
			if again, err := Parse(out); err != nil || again.Info.HashV1 != tor.Info.HashV1 {
				t.Errorf("written again: %v", err)
			}
			if _, err := bencode.Parse(bytes.Replace(out, []byte(tt.info), []byte("de"), 1), bencode.Options{}); err != nil {
				t.Errorf("written again: %v", err)
			}
		})
	}
	tor, err := Parse([]byte("d13:creation datei01700000000e4:info" + good + "e"))
	if err != nil || tor.CreationDate != 1700000000 {
		t.Errorf("made at %d, %v", tor.CreationDate, err)
	}
}

// In doubt a torrent is private.
func TestPrivateAsOthersWriteIt(t *testing.T) {
	for raw, want := range map[string]bool{
		"i1e": true, "i0e": false, "1:1": true, "1:0": false, "0:": false, "i00e": false, "i-0e": false, "i01e": true, "i1.5e": true, "4:true": true, "le": true,
	} {
		d := bencode.NewDict(nil)
		for k, v := range v1Single {
			d.Raw(k, encode(v))
		}
		d.Raw("private", []byte(raw))
		if i, err := ParseInfo(d.End()); err != nil || i.Private != want {
			t.Errorf("%s: %v, %v", raw, i != nil && i.Private, err)
		}
	}
}

// BEP 52 has one spelling of a dictionary, and its order is that of the files:
// nobody may see another.
func TestVersion2IsStrict(t *testing.T) {
	good := string(encode(v2Folder))
	if _, err := ParseInfo([]byte(good)); err != nil {
		t.Fatal(err)
	}
	file := "d0:d6:lengthi5e11:pieces root32:" + rootA + "ee"
	const tail = "12:meta versioni2e4:name1:d12:piece lengthi16384e"
	for name, s := range map[string]string{
		"files out of order": "d9:file treed1:b" + file + "1:a" + file + "e" + tail + "e",
		"a file twice":       "d9:file treed1:a" + file + "1:a" + file + "e" + tail + "e",
		"an overlong number": strings.Replace(good, "i10000e", "i010000e", 1),
		"keys out of order":  "d" + tail + "9:file treed1:a" + file + "ee",
	} {
		_, err := Parse([]byte("d4:info" + s + "e"))
		checkError(t, err, err)
		if _, err := ParseInfo([]byte(s)); err == nil {
			t.Errorf("%s is read", name)
		}
		if err == nil {
			t.Errorf("%s is read in a torrent", name)
		}
	}
	// Around it there is no such need.
	if _, err := Parse([]byte("d4:info" + good + "8:announce1:ae\n")); err != nil {
		t.Error(err)
	}
}

// Names that are no file names open under one that is, and say what they were.
func TestNamesOfTorrents(t *testing.T) {
	for _, tt := range []struct {
		in        dict
		name, raw string
	}{
		{v1Single.with("name", "Nice OS R1/beta"), "Nice OS R1beta", "Nice OS R1/beta"},
		{v1Single.with("name", strings.Repeat("x", 304)), strings.Repeat("x", 240), strings.Repeat("x", 304)},
		{v1Single.with("name", "caf\xe9"), "caf_", "caf\xe9"},
		{v1Folder.with("name", "a\nb"), "a_b", "a\nb"},
		{v1Folder.with("name", ""), "_", "_"},
		{v1Folder.with("name", "plain"), "plain", "plain"},
		{v2Single.with("file tree", dict{"a/b": v2File(5, rootA)}), "ab", "a/b"},
		{v2Single.with("file tree", dict{"..": v2File(5, rootA)}), "_", ".."},
		{v2Folder.with("name", "x/y"), "xy", "x/y"},
	} {
		i, err := parseDict(tt.in)
		if err != nil {
			t.Errorf("%q: %v", tt.raw, err)
			continue
		}
		if i.Name != tt.name || i.RawName() != tt.raw || i.Single && (i.Files[0].Path[0] != tt.name || i.RawPath(0)[0] != tt.raw) {
			t.Errorf("%q is %q and %q %q", tt.raw, i.Name, i.RawName(), i.Files[0].Path)
		}
		checkUnique(t, i)
	}
	// A folder without a name is called by its info hash, as in libtorrent.
	i, err := parseDict(v1Folder.with("name", ".."))
	if err != nil || i.Name != i.HashV1.String() {
		t.Errorf("%q, %v", i.Name, err)
	}
	if i, err = parseDict(v2Folder.with("name", "/")); err != nil || i.Name != i.HashV2.String() {
		t.Errorf("%q, %v", i.Name, err)
	}
	i, err = parseDict(v2Single.with("file tree", dict{"..": dict{"b": v2File(5, rootA)}}))
	if err != nil || i.Single || list(i) != "b" || strings.Join(i.RawPath(0), "/") != "../b" {
		t.Errorf("%+v, %v", i, err)
	}
}
