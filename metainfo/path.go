package metainfo

import (
	"strings"
	"unicode/utf8"
)

// decodeName turns the bytes of a path component into a string. Bytes that are
// not UTF-8, as old torrents in local encodings have them, are read as
// Latin-1: wrong to the eye, but two names never become one.
func decodeName(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return string(out)
}

// checkName returns what makes a path component unsafe on any system, or "".
// A path of components that pass stays below the folder it is put in.
func checkName(s string) string {
	switch {
	case s == "":
		return "empty name"
	case s == "." || s == "..":
		return "name is a relative folder"
	case len(s) > MaxNameLength:
		return "name is longer than 255 bytes"
	}
	for k := range len(s) {
		switch s[k] {
		case '/', '\\':
			return "name contains a separator"
		case 0:
			return "name contains a NUL byte"
		}
	}
	return ""
}

// checkPath checks every component of a path and their number.
func checkPath(path []string) error {
	if len(path) == 0 {
		return &Error{Err: ErrPath, Msg: "empty path"}
	}
	if len(path) > MaxPathDepth {
		return &Error{Err: ErrPath, Msg: "path is too deep"}
	}
	for _, s := range path {
		if msg := checkName(s); msg != "" {
			return &Error{Err: ErrPath, Where: quotePath(path), Msg: msg}
		}
	}
	return nil
}

// quotePath is for messages: one line, of bounded length.
func quotePath(path []string) string {
	s := strings.Join(path, "/")
	out := make([]byte, 0, 96)
	for _, r := range s {
		if len(out) > 80 {
			return string(out) + "..."
		}
		if r < ' ' || r == 0x7f {
			r = '?'
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

// comparePaths orders paths as a file tree does: component by component, as
// raw bytes.
func comparePaths(a, b []string) int {
	for k := range min(len(a), len(b)) {
		if c := strings.Compare(a[k], b[k]); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

// hasPrefix reports whether path is dir or lies below it.
func hasPrefix(path, dir []string) bool {
	if len(path) < len(dir) {
		return false
	}
	for k := range dir {
		if path[k] != dir[k] {
			return false
		}
	}
	return true
}

// checkDuplicates finds two files with one path, or a file where another needs
// a folder.
func checkDuplicates(files []File) error {
	var last []string
	sorted := true
	for k := range files {
		path := files[k].Path
		if files[k].Pad {
			continue
		}
		// In order, whatever lies below a path follows it at once.
		if last != nil {
			if hasPrefix(path, last) {
				return &Error{Err: ErrDuplicate, Where: quotePath(path)}
			}
			if comparePaths(last, path) > 0 {
				sorted = false
				break
			}
		}
		last = path
	}
	if sorted {
		return nil
	}
	// Out of order: number the folders, and look every name up in its folder.
	type entry struct {
		folder int
		name   string
	}
	const file = -1
	seen := make(map[entry]int, len(files)) // file, or the folder's number
	var open []string                       // the folder of the file before
	var ids []int                           // its number and those above it
	for k := range files {
		if files[k].Pad {
			continue
		}
		path := files[k].Path
		folder, name := path[:len(path)-1], path[len(path)-1]
		n := 0
		for n < min(len(folder), len(open)) && folder[n] == open[n] {
			n++
		}
		open, ids = folder, ids[:n]
		for ; n < len(folder); n++ {
			at := entry{parent(ids), folder[n]}
			id, ok := seen[at]
			if id == file {
				return &Error{Err: ErrDuplicate, Where: quotePath(path)}
			}
			if !ok {
				id = len(seen) + 1
				seen[at] = id
			}
			ids = append(ids, id)
		}
		at := entry{parent(ids), name}
		if _, ok := seen[at]; ok {
			return &Error{Err: ErrDuplicate, Where: quotePath(path)}
		}
		seen[at] = file
	}
	return nil
}

func parent(ids []int) int {
	if len(ids) == 0 {
		return 0
	}
	return ids[len(ids)-1]
}

// CheckPortable returns an error of kind ErrNotPortable for the first name that
// Windows or macOS cannot hold as it is: a device name, a reserved or control
// character, a trailing dot or space, or two paths that differ in case alone.
// Such torrents are valid, so Parse accepts them; a store on such a system asks
// before it creates anything.
func (i *Info) CheckPortable() error {
	seen := make(map[string]string, len(i.Files))
	check := func(path []string) error {
		for _, s := range path {
			if msg := portable(s); msg != "" {
				return &Error{Err: ErrNotPortable, Where: quotePath(path), Msg: msg}
			}
		}
		return nil
	}
	if err := check([]string{i.Name}); err != nil {
		return err
	}
	for k := range i.Files {
		f := &i.Files[k]
		if f.Pad {
			continue
		}
		if err := check(f.Path); err != nil {
			return err
		}
		// Folders count too: "A/x" and "a/y" share one folder there, which
		// is harmless, so only a full clash is an error.
		path := strings.Join(f.Path, "/")
		fold := strings.ToLower(path)
		if _, ok := seen[fold]; ok {
			return &Error{Err: ErrNotPortable, Where: quotePath(f.Path), Msg: "differs from another path in case alone"}
		}
		seen[fold] = path
	}
	return nil
}

// portable returns why Windows cannot hold a name, or "".
func portable(s string) string {
	for k := range len(s) {
		if s[k] < ' ' || strings.IndexByte(`<>:"|?*`, s[k]) >= 0 {
			return "name contains a character that Windows reserves"
		}
	}
	if c := s[len(s)-1]; c == '.' || c == ' ' {
		return "name ends in a dot or a space"
	}
	base, _, _ := strings.Cut(s, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return "name is a device on Windows"
	}
	if n, ok := strings.CutPrefix(base, "COM"); ok && isPort(n) {
		return "name is a device on Windows"
	}
	if n, ok := strings.CutPrefix(base, "LPT"); ok && isPort(n) {
		return "name is a device on Windows"
	}
	return ""
}

func isPort(n string) bool {
	return len(n) == 1 && n[0] >= '0' && n[0] <= '9' || n == "\u00b9" || n == "\u00b2" || n == "\u00b3"
}
