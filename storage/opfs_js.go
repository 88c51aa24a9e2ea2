package storage

import (
	"errors"
	"sync"
	"syscall/js"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

// OPFS keeps a torrent in the browser's origin private file system, so that the
// next visit finds it. It works in a dedicated worker only.
//
// Each file of the torrent is a file in a folder of the torrent, with every byte where it
// belongs and without padding. Browsers charge the quota with a file's length, holes
// included: what lies behind a hole in a file costs as much as the whole. An index beside
// the folder says which pieces are there (see opfs_index_js.go).
//
// The index is locked by being open: a second tab gets ErrInUse. So is each data file while
// it is open, see openFiles.
type OPFS struct {
	key metainfo.Hash
	dir js.Value

	mu      sync.Mutex
	info    *metainfo.Info
	index   *handle
	entries int64             // offset of the first entry in the index, 0 without info
	dataDir js.Value          // the torrent's folder, undefined until it is needed
	files   map[int]*dataFile // by index in info.Files
	dirty   []int             // files that were written to since the last flush; one may be there twice
	there   Bits              // pieces that were written
	stored  Bits              // those with a proven entry in the index
	unsure  Bits              // those that a tab closed in mid-write left
	pending []int             // pieces whose entries are to be proven
	timer   *time.Timer
	failed  error // of a flush by the timer
	closed  bool
}

const (
	opfsFolder = "shoal"
	// A tab may be closed at any moment; so much is to be hashed again then at most.
	flushPieces = 16
	flushAfter  = 2 * time.Second
)

// OPFSAvailable reports whether this worker has an origin private file system:
// not in an insecure context, nor in old browsers.
func OPFSAvailable() bool {
	fh := js.Global().Get("FileSystemFileHandle")
	if fh.Type() != js.TypeFunction || fh.Get("prototype").Get("createSyncAccessHandle").Type() != js.TypeFunction {
		return false
	}
	nav := js.Global().Get("navigator")
	return nav.Truthy() && nav.Get("storage").Truthy() && nav.Get("storage").Get("getDirectory").Type() == js.TypeFunction
}

// ProbeOPFS returns why nothing can be kept in the origin private file system, nil if
// something can. Private windows refuse what they seem to have.
func ProbeOPFS() error {
	_, err := opfsDir()
	return err
}

// opfsDir returns the folder of all torrents.
func opfsDir() (js.Value, error) {
	if !OPFSAvailable() {
		return js.Value{}, &Error{Kind: ErrIO, Op: "open", Path: "the browser's storage", Err: errors.New("there is none here")}
	}
	root, err := tryAwait(js.Global().Get("navigator").Get("storage"), "getDirectory")
	if err == nil {
		root, err = tryAwait(root, "getDirectoryHandle", opfsFolder, options("create"))
	}
	return root, explainJS("open", "the browser's storage", err)
}

// OpenOPFS opens or begins the storage of the torrent key, one of its swarm
// hashes. The error is of kind ErrInUse while another tab has it open, which it waits for
// a moment: one that is closing gives its locks up soon. What a previous visit left in a
// state that cannot be used is begun anew.
func OpenOPFS(key metainfo.Hash) (*OPFS, error) {
	dir, err := opfsDir()
	if err != nil {
		return nil, err
	}
	o := &OPFS{key: key, dir: dir, files: make(map[int]*dataFile)}
	if o.index, err = openHandle(dir, key.String()+".index", true, lockPatience); err != nil {
		return nil, err
	}
	if err = o.load(); err != nil {
		o.release()
		return nil, err
	}
	return o, nil
}

// Info returns the info dictionary of a previous visit, nil when there is none.
func (o *OPFS) Info() *metainfo.Info {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.info
}

// SetInfo records the info dictionary. It has no effect when one is known.
func (o *OPFS) SetInfo(info *metainfo.Info) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.info != nil || o.closed {
		return nil
	}
	return o.begin(info)
}

// Have returns the pieces that are in place: verified, and written to the disk
// before that was noted.
func (o *OPFS) Have() *Bits {
	o.mu.Lock()
	defer o.mu.Unlock()
	have := o.stored.Clone()
	return &have
}

// Unsure returns the pieces that were verified before the tab was closed, but of which
// nobody knows whether they reached the disk: they may be hashed, and those that are
// genuine given to MarkHave.
func (o *OPFS) Unsure() *Bits {
	o.mu.Lock()
	defer o.mu.Unlock()
	unsure := o.unsure.Clone()
	return &unsure
}

// MarkHave notes that pieces are verified and that WriteAt has returned for
// them. They outlive the tab from then on, and a crash of the system after a later
// call, two seconds, or Close. An error concerns these pieces or earlier ones; they
// are tried again.
func (o *OPFS) MarkHave(pieces ...int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return o.fail(ErrClosed, "write")
	}
	err := o.failed
	o.failed = nil
	for _, i := range pieces {
		if !o.there.Has(i) {
			continue // never written: a mistake of the caller
		}
		o.pending = append(o.pending, i)
		o.unsure.Clear(i)
		if e := o.index.write(o.appendUnsure(nil, i), o.entry(i)); e != nil && err == nil {
			err = explainJS("write", o.info.Name, e)
		}
	}
	if len(o.pending) >= flushPieces {
		return o.flush()
	}
	if o.timer == nil && len(o.pending) > 0 {
		o.timer = time.AfterFunc(flushAfter, o.flushLater)
	}
	return err
}

func (o *OPFS) flushLater() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.timer = nil
	if !o.closed {
		o.failed = o.flush()
	}
}

// ReadAt fills p; padding is zeros. A piece that was not written is ErrMissing.
func (o *OPFS) ReadAt(p []byte, off int64) (int, error) {
	return o.each("read", p, off, func(i int) error {
		if !o.there.Has(i) {
			return o.fail(ErrMissing, "read")
		}
		return nil
	}, func(s metainfo.Span, part []byte) error {
		if s.Pad {
			clear(part)
			return nil
		}
		return o.withFile(s.File, false, func(_ *dataFile, h *handle) error {
			n, err := h.read(part, s.FileOffset)
			if err == nil && n < len(part) {
				err = &Error{Kind: ErrChanged, Op: "read", Path: o.info.Name, Detail: "the browser has cleared it"}
			}
			return err
		})
	})
}

// WriteAt writes p. A full quota is ErrNoSpace; what was written before stays.
func (o *OPFS) WriteAt(p []byte, off int64) (int, error) {
	return o.each("write", p, off, o.touch, func(s metainfo.Span, part []byte) error {
		if s.Pad {
			return nil
		}
		return o.withFile(s.File, true, func(f *dataFile, h *handle) error {
			if !f.dirty {
				f.dirty = true
				o.dirty = append(o.dirty, s.File)
			}
			return h.write(part, s.FileOffset)
		})
	})
}

// each splits p at the borders of pieces, of which it tells piece, and of files.
func (o *OPFS) each(op string, p []byte, off int64, piece func(i int) error, fn func(s metainfo.Span, part []byte) error) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, o.fail(ErrClosed, op)
	}
	if o.info == nil || off < 0 || off > o.info.Length || int64(len(p)) > o.info.Length-off {
		return 0, rangeError(op, off, len(p))
	}
	done := int64(0)
	for done < int64(len(p)) {
		at := off + done
		i := at / o.info.PieceLength
		if err := piece(int(i)); err != nil {
			return int(done), explainJS(op, o.info.Name, err)
		}
		var room [8]metainfo.Span
		for _, s := range o.info.AppendSpans(room[:0], at, min(int64(len(p))-done, (i+1)*o.info.PieceLength-at)) {
			if err := fn(s, p[done:done+s.Length]); err != nil {
				return int(done), explainJS(op, o.info.Name, err)
			}
			done += s.Length
		}
	}
	return int(done), nil
}

// Close makes everything permanent and lets other tabs open it.
func (o *OPFS) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	err := o.flush()
	empty := o.info == nil
	o.release()
	if empty {
		return removeOPFS(o.dir, o.key, lockPatience)
	}
	return err
}

// Delete closes the store and removes what it kept.
func (o *OPFS) Delete() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.release()
	return removeOPFS(o.dir, o.key, lockPatience)
}

// release closes all files, which gives up the locks.
func (o *OPFS) release() {
	o.closed = true
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	o.closeFiles()
	o.index.close()
}

func (o *OPFS) fail(k Kind, op string) error {
	name := o.key.String()
	if o.info != nil {
		name = o.info.Name
	}
	return &Error{Kind: k, Op: op, Path: name}
}
