package metainfo

import (
	"slices"
	"strconv"
	"strings"

	"github.com/shoal-p2p/shoal/internal/bencode"
)

// fileList gathers files in piece-space order.
type fileList struct {
	files []File
	links []link
	raw   map[int][]string // paths that the torrent spells otherwise
	end   int64            // of the piece space so far
	room  []string         // where paths are cut from
}

// path copies a path into memory shared with its neighbours.
func (l *fileList) path(p []string) []string {
	if cap(l.room)-len(l.room) < len(p) {
		l.room = make([]string, 0, max(len(p), min(1024, 8+2*len(l.files))))
	}
	n := len(l.room)
	l.room = append(l.room, p...)
	return l.room[n:len(l.room):len(l.room)]
}

// add puts a file at the end of the piece space.
func (l *fileList) add(f File) error {
	if len(l.files) >= 2*MaxFiles {
		return &Error{Err: ErrTooMany, Where: "info", Msg: "too many files"}
	}
	if f.Length < 0 || f.Length > MaxLength-l.end {
		return &Error{Err: ErrLength, Where: quotePath(f.Path), Msg: strconv.FormatInt(f.Length, 10)}
	}
	f.Offset = l.end
	l.end += f.Length
	l.files = append(l.files, f)
	return nil
}

// addPad fills up to the next multiple of the piece length.
func (l *fileList) addPad(pieceLength int64) error {
	n := -l.end & (pieceLength - 1)
	if n == 0 {
		return nil
	}
	return l.add(File{Path: padPath, Length: n, Pad: true})
}

// padPath stands in for the paths of padding files, which nobody creates.
var padPath = []string{".pad"}

// attributes of BEP 47.
type attributes struct{ pad, executable, hidden, symlink bool }

func readAttributes(v bencode.Value) (a attributes) {
	b, _ := v.Bytes()
	for _, c := range b {
		switch c {
		case 'p':
			a.pad = true
		case 'x':
			a.executable = true
		case 'h':
			a.hidden = true
		case 'l':
			a.symlink = true
		}
	}
	return a
}

// readPath appends the cleaned components of a list of strings to dst. It
// reports whether the torrent spells the path otherwise.
func readPath(dst []string, v bencode.Value) (path []string, changed bool, err error) {
	if v.Kind() != bencode.List {
		return nil, false, &Error{Err: ErrPath, Msg: "missing or not a list"}
	}
	depth := 0
	for s := range v.List() {
		raw, ok := s.Bytes()
		if !ok {
			return nil, false, &Error{Err: ErrPath, Msg: "component is not a string"}
		}
		if depth++; depth > MaxPathDepth {
			return nil, false, &Error{Err: ErrPath, Msg: "path is too deep"}
		}
		// What dst held before is mostly the same folder: no new string then.
		if n := len(dst); n < cap(dst) && dst[:n+1][n] == string(raw) && len(raw) > 0 {
			dst = dst[:n+1]
			continue
		}
		name := cleanName(raw)
		changed = changed || name != string(raw)
		if name != "" {
			dst = append(dst, name)
		}
	}
	switch {
	case depth == 0:
		return nil, false, &Error{Err: ErrPath, Msg: "empty path"}
	case len(dst) == 0:
		dst = append(dst, "_")
	}
	return dst, changed, nil
}

// keepRaw remembers how the torrent spells the path of the next file.
func (l *fileList) keepRaw(path []string) {
	if l.raw == nil {
		l.raw = make(map[int][]string)
	}
	l.raw[len(l.files)] = path
}

// rawPath returns the components of a list of strings.
func rawPath(v bencode.Value) (path []string) {
	for s := range v.List() {
		name, _ := s.Str()
		path = append(path, name)
	}
	return path
}

// readV1 reads the files of the v1 part.
func (l *fileList) readV1(f *infoFields, name, rawName string) error {
	if f.files.Kind() != bencode.List {
		n, ok := f.length.Int()
		if !ok {
			return field("info.length", "not an integer")
		}
		a := readAttributes(f.attr)
		if a.pad || a.symlink {
			return field("info.attr", "the only file is a pad or a symlink")
		}
		if name != rawName {
			l.keepRaw([]string{rawName})
		}
		return l.add(File{Path: l.path([]string{name}), Length: n, Executable: a.executable, Hidden: a.hidden})
	}
	count := f.files.Len()
	if count > MaxFiles {
		return &Error{Err: ErrTooMany, Where: "info.files"}
	}
	l.files = make([]File, 0, count)
	var scratch []string
	n := 0
	for v := range f.files.List() {
		var err error
		if scratch, err = l.readV1File(v, scratch[:0], n); err != nil {
			return err
		}
		n++
	}
	return nil
}

func (l *fileList) readV1File(v bencode.Value, scratch []string, n int) ([]string, error) {
	where := func(key string) string { return "info.files[" + strconv.Itoa(n) + "]" + key }
	if v.Kind() != bencode.Dict {
		return nil, field(where(""), "not a dictionary")
	}
	var attr, length, path, pathUTF8, target bencode.Value
	for key, val := range v.Dict() {
		switch string(key) {
		case "attr":
			take(&attr, val)
		case "length":
			take(&length, val)
		case "path":
			take(&path, val)
		case "path.utf-8":
			take(&pathUTF8, val)
		case "symlink path":
			take(&target, val)
		}
	}
	if pathUTF8.Kind() == bencode.List {
		path = pathUTF8
	}
	a := readAttributes(attr)
	size, ok := length.Int()
	if !ok && !a.symlink {
		return nil, field(where(".length"), "missing or not an integer")
	}
	if a.pad {
		return scratch, l.add(File{Path: padPath, Length: size, Pad: true})
	}
	p, changed, err := readPath(scratch, path)
	if err != nil {
		e := err.(*Error)
		if e.Where == "" {
			e.Where = where(".path")
		}
		return nil, e
	}
	switch {
	case a.symlink:
		// It takes no room in the piece space, whatever its length says.
		return p, l.readLink(p, target)
	case attr.Kind() == 0 && looksPadded(p):
		return p, l.add(File{Path: padPath, Length: size, Pad: true})
	}
	if changed {
		l.keepRaw(rawPath(path))
	}
	return p, l.add(File{Path: l.path(p), Length: size, Executable: a.executable, Hidden: a.hidden})
}

// looksPadded reports a path that BitComet gave to padding before BEP 47 came with
// attributes. Files of such names that lie in old downloads are files as any: who
// shares them says so by an attr, which may be empty.
func looksPadded(path []string) bool {
	return strings.HasPrefix(path[len(path)-1], "_____padding_file_")
}

// readTree reads a v2 file tree and lays its files out, each at a piece
// boundary.
func (l *fileList) readTree(v bencode.Value, pieceLength int64) error {
	if v.Kind() != bencode.Dict {
		return field("info.file tree", "not a dictionary")
	}
	// A file with content takes at least 70 bytes and often needs a pad.
	l.files = make([]File, 0, 2+len(v.Raw())/35)
	return l.readFolder(v, treePath{clean: make([]string, 0, 16), raw: make([]string, 0, 16)}, pieceLength)
}

// treePath is a place in a file tree.
type treePath struct {
	clean, raw []string
	changed    bool
}

// readFolder recurses as deep as paths go, which bencode's depth and
// MaxPathDepth bound.
func (l *fileList) readFolder(v bencode.Value, in treePath, pieceLength int64) error {
	for key, val := range v.Dict() {
		if len(key) == 0 {
			return &Error{Err: ErrPath, Where: quotePath(in.raw), Msg: "empty name"}
		}
		name := cleanName(key)
		here := treePath{in.clean, append(in.raw, name), in.changed}
		if name != string(key) {
			here.raw[len(in.raw)], here.changed = string(key), true
		}
		if name != "" {
			here.clean = append(in.clean, name)
		}
		where := func() string { return quotePath(here.raw) }
		if len(here.raw) > MaxPathDepth {
			return &Error{Err: ErrPath, Where: where(), Msg: "path is too deep"}
		}
		if val.Kind() != bencode.Dict {
			return field(where(), "neither a file nor a folder")
		}
		file, isFile := firstKeyEmpty(val)
		if !isFile {
			if err := l.readFolder(val, here, pieceLength); err != nil {
				return err
			}
			continue
		}
		if val.Len() != 1 {
			return field(where(), "both a file and a folder")
		}
		if len(here.clean) == 0 {
			here.clean = append(here.clean, "_")
		}
		if err := l.readV2File(file, here, pieceLength); err != nil {
			return err
		}
	}
	return nil
}

// firstKeyEmpty returns the value of the key "", which is the first one where
// there is one.
func firstKeyEmpty(v bencode.Value) (bencode.Value, bool) {
	for key, val := range v.Dict() {
		return val, len(key) == 0
	}
	return bencode.Value{}, false
}

func (l *fileList) readV2File(v bencode.Value, path treePath, pieceLength int64) error {
	if v.Kind() != bencode.Dict {
		return field(quotePath(path.raw), "not a dictionary")
	}
	var attr, length, root, target bencode.Value
	for key, val := range v.Dict() {
		switch string(key) {
		case "attr":
			attr = val
		case "length":
			length = val
		case "pieces root":
			root = val
		case "symlink path":
			target = val
		}
	}
	a := readAttributes(attr)
	if a.pad {
		return field(quotePath(path.raw), "padding in a file tree")
	}
	if a.symlink {
		return l.readLink(path.clean, target)
	}
	size, ok := length.Int()
	if !ok {
		return field(quotePath(path.raw), "length is missing or not an integer")
	}
	f := File{Path: l.path(path.clean), Length: size, Executable: a.executable, Hidden: a.hidden}
	if size > 0 {
		b, _ := root.Bytes()
		if len(b) != len(f.PiecesRoot) || Hash256(b).IsZero() {
			return field(quotePath(path.raw), "pieces root is missing or malformed")
		}
		f.PiecesRoot = Hash256(b)
	}
	if path.changed {
		l.keepRaw(slices.Clone(path.raw))
	}
	if err := l.add(f); err != nil {
		return err
	}
	return l.addPad(pieceLength)
}

// merge takes the pieces roots of a hybrid's file tree over into its v1 list,
// after checking that both describe the same bytes at the same places.
func (l *fileList) merge(v2 *fileList, pieceLength int64) error {
	mismatch := func(path []string, msg string) error {
		return &Error{Err: ErrHybrid, Where: quotePath(path), Msg: msg}
	}
	next := 0
	// skip moves to the next file with content.
	skip := func(files []File, k int) int {
		for k < len(files) && (files[k].Pad || files[k].Length == 0) {
			k++
		}
		return k
	}
	for k := skip(l.files, 0); k < len(l.files); k = skip(l.files, k+1) {
		a := &l.files[k]
		next = skip(v2.files, next)
		if next == len(v2.files) {
			return mismatch(a.Path, "not in the file tree")
		}
		b := &v2.files[next]
		switch {
		case comparePaths(a.Path, b.Path) != 0:
			return mismatch(a.Path, "the file tree has "+quotePath(b.Path)+" there")
		case a.Length != b.Length:
			return mismatch(a.Path, "lengths differ")
		case a.Offset != b.Offset:
			return mismatch(a.Path, "not aligned to a piece")
		}
		a.PiecesRoot = b.PiecesRoot
		next++
	}
	if next = skip(v2.files, next); next < len(v2.files) {
		return mismatch(v2.files[next].Path, "not in the list of files")
	}
	if countEmpty(l.files) != countEmpty(v2.files) {
		return mismatch(nil, "empty files differ")
	}
	// Padding behind the last file is optional; it fills the last piece.
	if l.end > v2.end {
		return mismatch(nil, "padding goes on behind the last piece")
	}
	return nil
}

func countEmpty(files []File) (n int) {
	for k := range files {
		if files[k].Length == 0 {
			n++
		}
	}
	return n
}
