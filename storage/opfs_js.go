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
// All pieces of a torrent lie in one file, each in a slot of its own, in the
// order in which they came. One file, because opening a file for synchronous
// access takes a turn of the event loop and a lock, which a folder of ten
// thousand files would pay ten thousand times; slots, because browsers charge
// the quota with a file's length, holes included, so that a piece near the end
// of a large torrent would cost all that lies before it. A second file says
// which piece is in which slot (see opfs_index.go).
//
// Both files are locked by being open: a second tab gets ErrInUse.
type OPFS struct {
	key metainfo.Hash
	dir js.Value

	mu      sync.Mutex
	info    *metainfo.Info
	data    *handle
	index   *handle
	entries int64       // offset of the first entry in the index, 0 without info
	slots   map[int]int // piece to slot
	free    []int       // slots given back
	next    int         // first slot never used
	stored  Bits        // pieces with a proven entry in the index
	unsure  Bits        // pieces that a tab closed in mid-write left
	pending []int       // pieces whose entries are to be proven
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

// ListOPFS returns the torrents of previous visits, in no particular order.
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
	for {
		item, err := tryAwait(names, "next")
		if err != nil {
			return keys, explainJS("read", "the browser's storage", err)
		}
		if item.Get("done").Bool() {
			return keys, nil
		}
		const suffix = ".index"
		name := item.Get("value").String()
		if len(name) != 40+len(suffix) || name[40:] != suffix {
			continue
		}
		if key, err := metainfo.ParseHash(name[:40]); err == nil {
			keys = append(keys, key)
		}
	}
}

// RemoveOPFS deletes what is kept of a torrent that is not open.
func RemoveOPFS(key metainfo.Hash) error {
	dir, err := opfsDir()
	if err != nil {
		return err
	}
	return removeOPFS(dir, key)
}

func removeOPFS(dir js.Value, key metainfo.Hash) error {
	var first error
	for _, name := range []string{key.String() + ".index", key.String() + ".data"} {
		_, err := tryAwait(dir, "removeEntry", name)
		err = explainJS("delete", name, err)
		if err != nil && !errors.Is(err, ErrMissing) && first == nil {
			first = err
		}
	}
	return first
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

// OpenOPFS opens or begins the storage of the torrent key, one of its swarm
// hashes. The error is of kind ErrInUse while another tab has it open. What a
// previous visit left in a state that cannot be used is begun anew.
func OpenOPFS(key metainfo.Hash) (*OPFS, error) {
	dir, err := opfsDir()
	if err != nil {
		return nil, err
	}
	o := &OPFS{key: key, dir: dir, slots: make(map[int]int)}
	if o.index, err = openHandle(dir, key.String()+".index"); err != nil {
		return nil, err
	}
	if o.data, err = openHandle(dir, key.String()+".data"); err == nil {
		err = o.load()
	}
	if err != nil {
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
		slot, ok := o.slots[i]
		if !ok {
			continue // never written: a mistake of the caller
		}
		o.pending = append(o.pending, i)
		o.unsure.Clear(i)
		if e := o.index.write(appendUnsure(nil, slot, i), o.entry(slot)); e != nil && err == nil {
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

// ReadAt fills p. A piece that was not written is ErrMissing.
func (o *OPFS) ReadAt(p []byte, off int64) (int, error) {
	return o.each("read", p, off, func(i int, part []byte, at int64) error {
		slot, ok := o.slots[i]
		if !ok {
			return o.fail(ErrMissing, "read")
		}
		// What lies behind the piece's own bytes is padding, or left over
		// from another piece that had the slot.
		n := min(max(o.info.PieceSize(i)-at, 0), int64(len(part)))
		clear(part[n:])
		got, err := o.data.read(part[:n], int64(slot)*o.info.PieceLength+at)
		if err == nil && int64(got) < n {
			err = &Error{Kind: ErrChanged, Op: "read", Path: o.info.Name, Detail: "the browser has cleared it"}
		}
		return explainJS("read", o.info.Name, err)
	})
}

// WriteAt writes p. A full quota is ErrNoSpace; what was written before stays.
func (o *OPFS) WriteAt(p []byte, off int64) (int, error) {
	return o.each("write", p, off, func(i int, part []byte, at int64) error {
		n := min(max(o.info.PieceSize(i)-at, 0), int64(len(part)))
		slot, err := o.slot(i)
		if err == nil {
			err = o.data.write(part[:n], int64(slot)*o.info.PieceLength+at)
		}
		return explainJS("write", o.info.Name, err)
	})
}

// each splits p at the borders of pieces. No call of fn gives up the thread, so
// holding the lock costs nothing.
func (o *OPFS) each(op string, p []byte, off int64, fn func(i int, part []byte, at int64) error) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, o.fail(ErrClosed, op)
	}
	if o.info == nil || off < 0 || off > o.info.Length || int64(len(p)) > o.info.Length-off {
		return 0, rangeError(op, off, len(p))
	}
	done := 0
	for done < len(p) {
		pos := off + int64(done)
		at := pos % o.info.PieceLength
		part := p[done:]
		if int64(len(part)) > o.info.PieceLength-at {
			part = part[:o.info.PieceLength-at]
		}
		if err := fn(int(pos/o.info.PieceLength), part, at); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
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
		return removeOPFS(o.dir, o.key)
	}
	return err
}

// Delete closes the store and removes what it kept.
func (o *OPFS) Delete() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.release()
	return removeOPFS(o.dir, o.key)
}

// release closes both files, which gives up the locks.
func (o *OPFS) release() {
	o.closed = true
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	for _, h := range []*handle{o.data, o.index} {
		if h != nil {
			h.close()
		}
	}
}

func (o *OPFS) fail(k Kind, op string) error {
	name := o.key.String()
	if o.info != nil {
		name = o.info.Name
	}
	return &Error{Kind: k, Op: op, Path: name}
}
