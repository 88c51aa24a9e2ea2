package metainfo

import (
	"strconv"

	"github.com/shoal-p2p/shoal/internal/bencode"
	"github.com/shoal-p2p/shoal/internal/sha"
)

// parseOptions leave room for file trees of MaxPathDepth below the info
// dictionary, and for MaxFiles files of 7 or more values each.
var parseOptions = bencode.Options{MaxDepth: MaxPathDepth + 16, MaxItems: 10_000_000}

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
			f.attr = val
		case "file tree":
			f.fileTree = val
		case "files":
			f.files = val
		case "length":
			f.length = val
		case "meta version":
			f.version = val
		case "name":
			f.name = val
		case "name.utf-8":
			f.nameUTF8 = val
		case "piece length":
			f.pieceLength = val
		case "pieces":
			f.pieces = val
		case "private":
			f.private = val
		case "source":
			f.source = val
		}
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
		if err := v2.readTree(f.fileTree, i.PieceLength); err != nil {
			return nil, err
		}
		i.Single = len(v2.files) > 0 && len(v2.symlinks) == 0 && isSingle(v2.files) && f.files.Kind() == 0
	}
	if i.HasV1 {
		if err := v1.readV1(&f, i.Name); err != nil {
			return nil, err
		}
		i.Single = f.files.Kind() == 0
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
	i.Files, i.Symlinks, i.Length = list.files, list.symlinks, list.end
	if i.Single {
		i.Name = i.Files[0].Path[0]
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
	return i, nil
}

// isSingle reports whether a file tree is one file at its root.
func isSingle(files []File) bool {
	return len(files[0].Path) == 1 && (len(files) == 1 || len(files) == 2 && files[1].Pad)
}

// readVersion finds out which of v1 and v2 the dictionary describes. BEP 52
// wants this done before anything else.
func (i *Info) readVersion(f *infoFields) error {
	version := int64(1)
	if f.version.Kind() != 0 {
		n, ok := f.version.Int()
		if !ok {
			return field("info.meta version", "not an integer")
		}
		version = n
	}
	if version != 1 && version != 2 {
		return &Error{Err: ErrVersion, Where: "info.meta version", Msg: strconv.FormatInt(version, 10)}
	}
	i.HasV2 = version == 2
	if i.HasV2 != (f.fileTree.Kind() != 0) {
		return field("info.file tree", "file tree and meta version 2 go together")
	}
	parts := 0
	for _, v := range []bencode.Value{f.pieces, f.files, f.length} {
		if v.Kind() != 0 {
			parts++
		}
	}
	if f.files.Kind() != 0 && f.length.Kind() != 0 {
		return field("info", "both files and length")
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
	i.Name = decodeName(raw)
	if msg := checkName(i.Name); msg != "" {
		return &Error{Err: ErrPath, Where: "info.name", Msg: msg}
	}
	n, ok := f.pieceLength.Int()
	if !ok {
		return field("info.piece length", "missing or not an integer")
	}
	if err := checkPieceLength(n, i.HasV2); err != nil {
		return err
	}
	i.PieceLength = n
	if f.private.Kind() != 0 {
		n, ok := f.private.Int()
		if !ok {
			return field("info.private", "not an integer")
		}
		i.Private = n != 0
	}
	i.Source, _ = f.source.Str()
	return nil
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
	if err := checkDuplicates(i.Files); err != nil {
		return err
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
