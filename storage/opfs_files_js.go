package storage

import (
	"strconv"
	"sync"
	"syscall/js"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	// maxOpenFiles bounds how many data files all torrents of a tab keep open between
	// calls: each takes a lock and a descriptor of the browser, and folders have
	// thousands of files.
	maxOpenFiles = 64
	// lockPatience is how long a file may be in use: a page that was reloaded, or whose
	// worker crashed, gives its locks up a moment after the next one has begun.
	lockPatience = 1500 * time.Millisecond
)

// dataFile is one file of a torrent. Its name in the torrent's folder is its index in the
// info dictionary: what a torrent calls it may be a name that the browser or the system
// forbids, or that differs from another in capitals alone.
type dataFile struct {
	name  string
	h     *handle // nil: not open
	busy  int     // calls that use h
	used  uint64  // when, see openFiles
	dirty bool    // written to since the last flush
}

// openFiles are the data files that are open, of all torrents. The one that was unused
// longest is closed first; what is in use at the moment stays.
type openFiles struct {
	mu    sync.Mutex // comes after the lock of any OPFS; nobody waits while holding it
	open  map[*dataFile]struct{}
	clock uint64
}

var dataFiles = openFiles{open: make(map[*dataFile]struct{})}

// use calls fn with the open file. The caller holds the lock of the file's OPFS.
func (p *openFiles) use(folder js.Value, f *dataFile, create bool, fn func(h *handle) error) (err error) {
	p.mu.Lock()
	f.busy++
	h := f.h
	p.mu.Unlock()
	if h == nil {
		h, err = openHandle(folder, f.name, create, lockPatience)
	}
	if err == nil {
		err = fn(h)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f.busy--
	if h != nil {
		p.clock++
		f.h, f.used = h, p.clock
		p.open[f] = struct{}{}
		p.trim()
	}
	return err
}

// trim closes files until no more than the bound are open. What was written to them is
// flushed, or stays dirty.
func (p *openFiles) trim() {
	for len(p.open) > maxOpenFiles {
		var last *dataFile
		for f := range p.open {
			if f.busy == 0 && (last == nil || f.used < last.used) {
				last = f
			}
		}
		if last == nil {
			return
		}
		last.dirty = last.dirty && last.h.flush() != nil
		p.close(last)
	}
}

// close closes a file if it is open. Callers hold mu.
func (p *openFiles) close(f *dataFile) {
	if f.h != nil {
		f.h.close()
		f.h = nil
		delete(p.open, f)
	}
}

// folder returns the torrent's folder, which it makes if need be.
func (o *OPFS) folder() (js.Value, error) {
	if o.dataDir.IsUndefined() {
		dir, err := tryAwait(o.dir, "getDirectoryHandle", o.key.String(), options("create"))
		if err != nil {
			return dir, err
		}
		o.dataDir = dir
	}
	return o.dataDir, nil
}

// withFile calls fn with a data file.
func (o *OPFS) withFile(k int, create bool, fn func(f *dataFile, h *handle) error) error {
	f := o.files[k]
	if f == nil {
		f = &dataFile{name: strconv.Itoa(k)}
		o.files[k] = f
	}
	dir, err := o.folder()
	if err != nil {
		return err
	}
	return dataFiles.use(dir, f, create, func(h *handle) error { return fn(f, h) })
}

// flushFiles has all that was written reach the disk.
func (o *OPFS) flushFiles() error {
	for len(o.dirty) > 0 {
		k := o.dirty[len(o.dirty)-1]
		if o.files[k].dirty { // else it was closed meanwhile
			err := o.withFile(k, false, func(f *dataFile, h *handle) error {
				err := h.flush()
				f.dirty = err != nil
				return err
			})
			if err != nil {
				return err
			}
		}
		o.dirty = o.dirty[:len(o.dirty)-1]
	}
	return nil
}

// closeFiles gives up the locks of the data files.
func (o *OPFS) closeFiles() {
	dataFiles.mu.Lock()
	defer dataFiles.mu.Unlock()
	for _, f := range o.files {
		dataFiles.close(f)
	}
}

// folderSizes returns the lengths in bytes of the files in a torrent's folder, by name; none
// where there is no folder.
func folderSizes(dir js.Value, key metainfo.Hash) (map[string]int64, error) {
	folder, err := tryAwait(dir, "getDirectoryHandle", key.String())
	if err != nil {
		return nil, missingIsNone(err)
	}
	list, err := try(folder, "values")
	files := js.Global().Get("Array").New()
	for err == nil {
		var item js.Value
		if item, err = tryAwait(list, "next"); err != nil || item.Get("done").Bool() {
			break
		}
		if file := item.Get("value"); file.Get("kind").String() == "file" {
			if file, err = try(file, "getFile"); err == nil {
				files.Call("push", file)
			}
		}
	}
	if err == nil {
		files, err = tryAwait(js.Global().Get("Promise"), "all", files) // of thousands at once
	}
	if err != nil {
		return nil, missingIsNone(err)
	}
	sizes := make(map[string]int64, files.Length())
	for i := range files.Length() {
		file := files.Index(i)
		sizes[file.Get("name").String()] = int64(file.Get("size").Float())
	}
	return sizes, nil
}
