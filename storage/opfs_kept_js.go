package storage

import (
	"errors"
	"strings"
	"syscall/js"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

// Kept is what the browser keeps of a torrent of a previous visit, or of this one.
type Kept struct {
	Key    metainfo.Hash
	Info   *metainfo.Info // nil: it cannot be used
	Stored int64          // bytes that the browser charges for it
	Used   time.Time      // when it was last opened or written to
}

// KeptOPFS returns all that is kept, in no particular order. It opens nothing, so it sees
// what other tabs have open too. One that cannot be looked at has no size.
func KeptOPFS() ([]Kept, error) {
	dir, err := opfsDir()
	if err != nil {
		return nil, err
	}
	keys, err := ListOPFS()
	if err != nil {
		return nil, err
	}
	list := make([]Kept, 0, len(keys))
	for _, key := range keys {
		k := Kept{Key: key}
		if index, err := fileIn(dir, key.String()+".index"); err == nil {
			k.Used = time.UnixMilli(int64(index.Get("lastModified").Float()))
			k.Stored = int64(index.Get("size").Float())
			k.Info = infoIn(index, key)
		}
		if data, err := fileIn(dir, key.String()+".data"); err == nil {
			k.Stored += int64(data.Get("size").Float())
		}
		sizes, _ := folderSizes(dir, key)
		for _, n := range sizes {
			k.Stored += n
		}
		list = append(list, k)
	}
	return list, nil
}

// ListOPFS returns the torrents of previous visits, in no particular order, also those of
// which only a part is left.
func ListOPFS() ([]metainfo.Hash, error) {
	dir, err := opfsDir()
	if err != nil {
		return nil, err
	}
	names, err := try(dir, "keys")
	if err != nil {
		return nil, explainJS("read", "the browser's storage", err)
	}
	var keys []metainfo.Hash
	seen := make(map[metainfo.Hash]bool)
	for {
		item, err := tryAwait(names, "next")
		if err != nil {
			return keys, explainJS("read", "the browser's storage", err)
		}
		if item.Get("done").Bool() {
			return keys, nil
		}
		name, suffix, dot := strings.Cut(item.Get("value").String(), ".")
		if dot && suffix != "index" && suffix != "data" {
			continue
		}
		if key, err := metainfo.ParseHash(name); err == nil && name == key.String() && !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
}

// RemoveOPFS deletes what is kept of a torrent that is not open; of kind ErrInUse is the
// error if it is.
func RemoveOPFS(key metainfo.Hash) error {
	dir, err := opfsDir()
	if err != nil {
		return err
	}
	return removeOPFS(dir, key, 0)
}

// removeOPFS goes by the index: who has it open has the torrent, and while it is there what
// is left of the rest is found again.
func removeOPFS(dir js.Value, key metainfo.Hash, patience time.Duration) error {
	name := key.String() + ".index"
	index, err := openHandle(dir, name, true, patience)
	if err != nil {
		return err
	}
	err = removeData(dir, key)
	index.close()
	if err != nil {
		return err
	}
	return removeFrom(dir, name)
}

// removeData deletes all but the index.
func removeData(dir js.Value, key metainfo.Hash) error {
	err := removeFrom(dir, key.String())
	if err == nil {
		err = removeFrom(dir, key.String()+".data")
	}
	return err
}

// removeFrom deletes a file, or a folder with all that is in it, if it is there.
func removeFrom(dir js.Value, name string) error {
	_, err := tryAwait(dir, "removeEntry", name, options("recursive"))
	return explainJS("delete", name, missingIsNone(err))
}

// OPFSSpace returns the bytes that this site uses and may use at most.
func OPFSSpace() (usage, quota int64, err error) {
	if !OPFSAvailable() {
		return 0, 0, &Error{Kind: ErrIO, Op: "open", Path: "the browser's storage", Err: errors.New("there is none here")}
	}
	e, err := tryAwait(js.Global().Get("navigator").Get("storage"), "estimate")
	if err != nil {
		return 0, 0, explainJS("measure", "the browser's storage", err)
	}
	number := func(name string) int64 {
		if v := e.Get(name); v.Type() == js.TypeNumber {
			return int64(v.Float())
		}
		return 0
	}
	return number("usage"), number("quota"), nil
}

// fileIn returns the File of that name.
func fileIn(dir js.Value, name string) (js.Value, error) {
	file, err := tryAwait(dir, "getFileHandle", name, js.Global().Get("Object").New())
	if err == nil {
		file, err = tryAwait(file, "getFile")
	}
	return file, err
}

// infoIn reads the info dictionary out of an index, nil if there is none.
func infoIn(index js.Value, key metainfo.Hash) *metainfo.Info {
	blob := Blob{File: index}
	head := make([]byte, opfsHeadLen)
	o := &OPFS{key: key}
	if _, err := blob.ReadAt(head, 0); err != nil || !o.ours(head) {
		return nil
	}
	n := int64(u32(head[len(head)-4:]))
	if n > metainfo.MaxInfoSize || n > blob.Size() {
		return nil
	}
	raw := make([]byte, n)
	if _, err := blob.ReadAt(raw, int64(len(head))); err != nil {
		return nil
	}
	info, err := metainfo.ParseInfo(raw)
	if err != nil || !o.mine(info) {
		return nil
	}
	return info
}
