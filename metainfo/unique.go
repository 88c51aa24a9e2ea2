package metainfo

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// pathHash stands for a path: equal where some system takes two paths for one,
// whatever their letters' case or the characters that Windows cannot hold.
// Should unlike paths have one hash, a file gets a number that it did not
// need, and the same one everywhere; so a quick hash that anybody can forge is
// enough.
type pathHash uint64

const (
	hashStart pathHash = 14695981039346656037 // FNV-1a, over runes
	hashPrime pathHash = 1099511628211
)

// add returns the hash of a name in the folder that h stands for.
func (h pathHash) add(name string) pathHash {
	h = (h ^ '/') * hashPrime
	for _, r := range PortableName(name) {
		h = (h ^ pathHash(foldRune(r))) * hashPrime
	}
	return h
}

func (h pathHash) of(path []string) pathHash {
	for _, name := range path {
		h = h.add(name)
	}
	return h
}

// folderHashes hashes the folders of one path after the other, mostly those of
// the path before.
type folderHashes struct {
	open []string
	at   []pathHash
}

// of returns the hash of the folder that holds path, and appends those of the
// folders that the path before did not lie in.
func (f *folderHashes) of(path []string, fresh []pathHash) (pathHash, []pathHash) {
	folder := path[:len(path)-1]
	n := 0
	for n < min(len(folder), len(f.open)) && folder[n] == f.open[n] {
		n++
	}
	f.open, f.at = folder, f.at[:n]
	h := hashStart
	if n > 0 {
		h = f.at[n-1]
	}
	for _, name := range folder[n:] {
		h = h.add(name)
		f.at = append(f.at, h)
		fresh = append(fresh, h)
	}
	return h, fresh
}

// names are the paths of a torrent, to be told apart.
type names struct {
	at   map[pathHash]holder
	next map[pathHash]int // number tried last, by folder, name and extension
	raw  map[int][]string // RawPath of files, by index
}

// holder says what has a path.
type holder uint8

const (
	isFile   holder = 1 << iota
	isFolder        // a folder has it, so that no file may
	isShared        // several files want it
	isKept          // the first of them has been given it
)

// makeUnique gives every file a path of its own on every system, as libtorrent
// does: a file gets a number before its extension where a folder, or a file
// before it in the list, has its path. Links count with their folders only.
func makeUnique(files []File, links []link, raw map[int][]string) *names {
	u := &names{at: make(map[pathHash]holder, len(files)), raw: raw}
	clash := false
	var folders folderHashes
	var fresh []pathHash
	var h pathHash
	note := func(path []string) {
		h, fresh = folders.of(path, fresh[:0])
		for _, f := range fresh {
			clash = clash || u.at[f]&isFile != 0
			u.at[f] |= isFolder
		}
	}
	for k := range files {
		f := &files[k]
		if f.Pad {
			continue
		}
		note(f.Path)
		h = h.add(f.Path[len(f.Path)-1])
		was := u.at[h]
		if was != 0 {
			clash = true
		}
		if was&isFile != 0 {
			was |= isShared
		}
		u.at[h] = was | isFile
	}
	for k := range links {
		note(links[k].path)
	}
	if clash {
		u.rename(files)
	}
	return u
}

func (u *names) rename(files []File) {
	if u.raw == nil {
		u.raw = make(map[int][]string)
	}
	u.next = make(map[pathHash]int)
	var folders folderHashes
	var folder pathHash
	var scratch []pathHash
	for k := range files {
		f := &files[k]
		if f.Pad {
			continue
		}
		folder, scratch = folders.of(f.Path, scratch[:0])
		last := len(f.Path) - 1
		h := folder.add(f.Path[last])
		switch was := u.at[h]; {
		case was == isFile:
			continue
		case was&(isFolder|isKept) == 0:
			u.at[h] = was | isKept
			continue
		}
		if u.raw[k] == nil {
			u.raw[k] = f.Path
		}
		f.Path = append(slices.Clone(f.Path[:last]), u.number(folder, f.Path[last]))
	}
}

// maxNumber is room for the number of a name: a dot and the digits of
// 2*MaxFiles.
const maxNumber = 8

// number returns a name like the given one that is free in the folder.
func (u *names) number(folder pathHash, name string) string {
	base, ext := name, ""
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 && len(name)-dot <= 32 {
		base, ext = name[:dot], name[dot:]
	}
	for len(base)+len(ext)+maxNumber > MaxNameLength {
		_, n := utf8.DecodeLastRuneInString(base)
		base = base[:len(base)-n]
	}
	// Names that would be numbered alike count together, or the same numbers
	// would be tried again for each.
	series := folder.add(base).add(ext)
	for {
		u.next[series]++
		out := base + "." + strconv.Itoa(u.next[series]) + ext
		if h := folder.add(out); u.at[h] == 0 {
			u.at[h] = isFile
			return out
		}
	}
}
