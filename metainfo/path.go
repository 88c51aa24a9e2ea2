package metainfo

import (
	"strings"
	"unicode/utf8"
)

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
// Windows or macOS cannot hold as the torrent spells it: a device name, a
// reserved or control character, a trailing dot or space, or two paths that
// differ in case alone. Such torrents are valid, and on arrival such a file
// gets another name; whoever makes one may want to know.
func (i *Info) CheckPortable() error {
	if msg := portable(i.RawName()); msg != "" {
		return &Error{Err: ErrNotPortable, Where: quotePath([]string{i.RawName()}), Msg: msg}
	}
	for k := range i.Files {
		if i.Files[k].Pad {
			continue
		}
		path := i.RawPath(k)
		msg := ""
		if _, renamed := i.raw[k]; renamed {
			msg = "differs from another path in case alone"
		}
		for _, s := range path {
			if p := portable(s); p != "" {
				msg = p
			} else if cleanName([]byte(s)) != s {
				msg = "name contains what is replaced on arrival"
			}
		}
		if msg != "" {
			return &Error{Err: ErrNotPortable, Where: quotePath(path), Msg: msg}
		}
	}
	return nil
}
