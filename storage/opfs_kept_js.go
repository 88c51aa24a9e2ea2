package storage

import (
	"syscall/js"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

// Kept is what the browser keeps of a torrent of a previous visit, or of this one.
type Kept struct {
	Key    metainfo.Hash
	Info   *metainfo.Info // nil: it cannot be used
	Stored int64          // bytes on the disk
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
		list = append(list, k)
	}
	return list, nil
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
	if _, err := blob.ReadAt(head, 0); err != nil || string(head[:len(opfsMagic)]) != opfsMagic {
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
	if err != nil || !(&OPFS{key: key}).mine(info) {
		return nil
	}
	return info
}
