package metainfo

import (
	"strconv"

	"github.com/shoal-p2p/shoal/internal/bencode"
	"github.com/shoal-p2p/shoal/internal/sha"
)

// parseOptions leave room for file trees of MaxPathDepth below the info
// dictionary, and for MaxFiles files of 7 or more values each. Whatever leaves
// no doubt about the content is read.
var parseOptions = bencode.Options{MaxDepth: MaxPathDepth + 16, MaxItems: 10_000_000, Lenient: true}

func parseInfo(b []byte) (*Info, error) {
	if len(b) > MaxInfoSize {
		return nil, &Error{Err: ErrTooLarge, Where: "info"}
	}
	v, err := bencode.Parse(b, parseOptions)
	if err != nil {
		return nil, &Error{Err: err, Where: "info"}
	}
	return readInfo(v)
}

// field makes an error about a key.
func field(where, msg string) error { return &Error{Err: ErrField, Where: where, Msg: msg} }

// infoFields are the values of the keys of an info dictionary that matter.
type infoFields struct {
	fileTree, files, length, version    bencode.Value
	name, nameUTF8, pieceLength, pieces bencode.Value
	private, source, attr               bencode.Value
}

func (f *infoFields) read(v bencode.Value) {
	for key, val := range v.Dict() {
		switch string(key) {
		case "attr":
			take(&f.attr, val)
		case "file tree":
			take(&f.fileTree, val)
		case "files":
			take(&f.files, val)
		case "length":
			take(&f.length, val)
		case "meta version":
			take(&f.version, val)
		case "name":
			take(&f.name, val)
		case "name.utf-8":
			take(&f.nameUTF8, val)
		case "piece length":
			take(&f.pieceLength, val)
		case "pieces":
			take(&f.pieces, val)
		case "private":
			take(&f.private, val)
		case "source":
			take(&f.source, val)
		}
	}
}

// take keeps the first value of a key, as libtorrent does where there are
// several.
func take(dst *bencode.Value, v bencode.Value) {
	if dst.Kind() == 0 {
		*dst = v
	}
}

func readInfo(v bencode.Value) (*Info, error) {
	if v.Kind() != bencode.Dict {
		return nil, field("info", "not a dictionary")
	}
	if len(v.Raw()) > MaxInfoSize {
		return nil, &Error{Err: ErrTooLarge, Where: "info"}
	}
	var f infoFields
	f.read(v)
	i := &Info{Bytes: v.Raw()}
	if err := i.readVersion(&f); err != nil {
		return nil, err
	}
	if err := i.readHead(&f); err != nil {
		return nil, err
	}
	var v1, v2 fileList
	if i.HasV2 {
		// The order of its keys is the order of the files, so BEP 52 leaves no
		// room for a second spelling, and neither do others.
		if err := v.Strict(); err != nil {
			return nil, &Error{Err: err, Where: "info"}
		}
		if err := v2.readTree(f.fileTree, i.PieceLength); err != nil {
			return nil, err
		}
		i.Single = len(v2.files) > 0 && len(v2.links) == 0 && v2.isSingle() && f.files.Kind() != bencode.List
	}
	if i.HasV1 {
		if err := v1.readV1(&f, i.Name, i.rawName); err != nil {
			return nil, err
		}
		i.Single = f.files.Kind() != bencode.List
	}
	list := &v2
	if i.HasV1 {
		list = &v1
	}
	if i.HasV1 && i.HasV2 {
		if err := v1.merge(&v2, i.PieceLength); err != nil {
			return nil, err
		}
	}
	i.Files, i.Length, i.raw = list.files, list.end, list.raw
	if i.Single {
		i.Name, i.rawName = i.Files[0].Path[0], i.RawPath(0)[0]
	}
	if err := i.checkContent(); err != nil {
		return nil, err
	}
	if i.HasV1 {
		i.Pieces, _ = f.pieces.Bytes()
		if len(i.Pieces) != 20*i.NumPieces() {
			return nil, &Error{Err: ErrPieces, Where: "info.pieces", Msg: strconv.Itoa(i.NumPieces()) + " pieces, " +
				strconv.Itoa(len(i.Pieces)) + " bytes of hashes"}
		}
		i.HashV1 = sha.Sum1(i.Bytes)
	}
	if i.HasV2 {
		i.HashV2 = sha.Sum256(i.Bytes)
	}
	if i.Name == "" {
		// As libtorrent names such a folder.
		i.Name = i.HashV1.String()
		if !i.HasV1 {
			i.Name = i.HashV2.String()
		}
	}
	unique := makeUnique(i.Files, list.links, i.raw)
	i.raw = unique.raw
	if len(list.links) > 0 {
		i.Symlinks = resolveLinks(unique, list.links)
	}
	return i, nil
}

// isSingle reports whether a file tree is one file at its root.
func (l *fileList) isSingle() bool {
	files := l.files
	return len(files[0].Path) == 1 && len(l.raw[0]) <= 1 && (len(files) == 1 || len(files) == 2 && files[1].Pad)
}

// readVersion finds out which of v1 and v2 the dictionary describes. BEP 52
// wants this done before anything else.
func (i *Info) readVersion(f *infoFields) error {
	version, _ := f.version.Int() // one that is malformed says nothing
	if version > 2 {
		return &Error{Err: ErrVersion, Where: "info.meta version", Msg: strconv.FormatInt(version, 10)}
	}
	i.HasV2 = version == 2
	if i.HasV2 != (f.fileTree.Kind() != 0) {
		return field("info.file tree", "file tree and meta version 2 go together")
	}
	parts := 0
	if f.pieces.Kind() != 0 {
		parts++
	}
	// Where both are there, the list counts, as it does in other programs.
	if f.files.Kind() == bencode.List || f.length.Kind() != 0 {
		parts++
	}
	switch {
	case parts == 0 && i.HasV2:
		return nil
	case f.pieces.Kind() == 0:
		return field("info.pieces", "missing")
	case parts != 2:
		return field("info", "neither files nor length")
	}
	if _, ok := f.pieces.Bytes(); !ok {
		return field("info.pieces", "not a string")
	}
	i.HasV1 = true
	return nil
}

// readHead reads what both versions share.
func (i *Info) readHead(f *infoFields) error {
	name := f.nameUTF8
	if name.Kind() != bencode.String {
		name = f.name
	}
	raw, ok := name.Bytes()
	if !ok {
		return field("info.name", "missing or not a string")
	}
	i.Name, i.rawName = cleanName(raw), string(raw)
	if f.files.Kind() != bencode.List && f.fileTree.Kind() == 0 && (i.Name == "" || len(raw) == 0) {
		return &Error{Err: ErrPath, Where: "info.name", Msg: "no name for the only file"}
	}
	n, ok := f.pieceLength.Int()
	if !ok {
		return field("info.piece length", "missing or not an integer")
	}
	if err := checkPieceLength(n, i.HasV2); err != nil {
		return err
	}
	i.PieceLength = n
	i.Private = isPrivate(f.private)
	i.Source, _ = f.source.Str()
	return nil
}

// isPrivate reads the flag of BEP 27, which some programs write as a string.
// In doubt a torrent is private: the other mistake cannot be taken back.
func isPrivate(v bencode.Value) bool {
	n, ok := v.Int()
	s, _ := v.Bytes()
	if v.Kind() == bencode.String {
		return len(s) > 0 && string(s) != "0"
	}
	return v.Kind() != 0 && !(ok && n == 0)
}

func checkPieceLength(n int64, v2 bool) error {
	msg := ""
	switch {
	case n <= 0:
		msg = "not positive"
	case n > MaxPieceLength:
		msg = "more than 128 MiB"
	case v2 && n < BlockSize:
		msg = "less than 16 KiB"
	case v2 && n&(n-1) != 0:
		msg = "not a power of two"
	}
	if msg != "" {
		return &Error{Err: ErrPieceLength, Where: "info.piece length", Msg: msg}
	}
	return nil
}

// checkContent checks what the list of files adds up to.
func (i *Info) checkContent() error {
	if i.TotalSize() == 0 {
		return &Error{Err: ErrEmpty, Where: "info"}
	}
	if (i.Length-1)/i.PieceLength >= MaxPieces {
		return &Error{Err: ErrTooMany, Where: "info", Msg: "more than 16777216 pieces"}
	}
	if !i.HasV2 {
		return nil
	}
	// Equal roots mean equal content, so equal length.
	var roots map[Hash256]int64
	for k := range i.Files {
		f := &i.Files[k]
		if f.Pad || f.Length <= i.PieceLength || f.PiecesRoot.IsZero() {
			continue
		}
		if roots == nil {
			roots = make(map[Hash256]int64)
		}
		if n, ok := roots[f.PiecesRoot]; ok && n != f.Length {
			return &Error{Err: ErrField, Where: quotePath(f.Path), Msg: "its pieces root belongs to a file of another length"}
		}
		roots[f.PiecesRoot] = f.Length
	}
	return nil
}
