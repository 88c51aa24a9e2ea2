//go:build !js

package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

// Resume remembers beside a download which of its pieces are in place. What it
// holds survives the end of the process at any moment, kill -9 included, and it
// claims nothing that a loss of power may have undone. While it is open nobody
// else can download the same torrent into the same folder.
//
// It is the file DIR/.<info hash>.shoal (see resume_log.go for its layout), so
// that a magnet link finds it before the name is known. Use:
//
//	r, err := OpenResume(dir, key)        // takes the lock
//	info := r.Info()                      // nil: fetch it, then r.SetInfo(info)
//	f, err := OpenFiles(dir, info, FileOptions{})
//	have, doubtful, err := r.Attach(f)    // then VerifyPieces(doubtful)
//	r.MarkHave(i)                         // after WriteAt of piece i returned
//	r.Close() or r.Remove()               // before f.Close()
type Resume struct {
	dir  string
	root *os.Root
	boot string

	mu sync.Mutex
	resumeFile
	info     *metainfo.Info
	note     string
	data     *File // nil until Attach
	before   []int // files that were there without the download, see Foreign
	pending  []int // pieces that could not be recorded yet
	closed   bool
	syncing  bool
	lastSync time.Time
	syncEach time.Duration
	wg       sync.WaitGroup
}

// resumeFile is a locked log.
type resumeFile struct {
	name  string // in the folder
	file  *os.File
	write func(p []byte, off int64) error // to file; tests make it fail
	force func() error                    // file to the disk; likewise
	log   resumeLog                       // what it said when it was opened
	end   int64                           // bytes of valid log
}

const (
	// checkpointEvery is how often written data is forced to the disk, so that
	// a loss of power costs no more.
	checkpointEvery = 30 * time.Second
	// lateWrites is how long after the last record of a killed process its
	// last writes may have happened.
	lateWrites = 10 * time.Second
	// compactAbove is the size from which a log with much in it that no longer
	// matters is written anew.
	compactAbove = 4 << 20
)

// OpenResume opens or begins the resume data of the torrent key (any of its
// swarm hashes) in dir, which is created when missing. The error is of kind
// ErrInUse while another process or store downloads this torrent into dir.
// Resume data that cannot be used is put aside with a Note, never an error.
func OpenResume(dir string, key metainfo.Hash) (*Resume, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, Explain("create", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, Explain("open", dir, err)
	}
	r := &Resume{dir: dir, root: root, boot: bootID(), syncEach: checkpointEvery, lastSync: time.Now()}
	if err := r.load(key); err != nil {
		_ = root.Close() // nothing was written
		return nil, err
	}
	return r, nil
}

// resumeName returns the name of the resume file of a torrent.
func resumeName(key metainfo.Hash) string { return "." + key.String() + ".shoal" }

// load locks and reads the file of key. After an error r is as it was.
func (r *Resume) load(key metainfo.Hash) error {
	name := resumeName(key)
	path := filepath.Join(r.dir, name)
	file, err := r.lock(name)
	if err != nil {
		return err
	}
	log, why := readResumeLog(file, key)
	if why != nil {
		r.note = path + " is ignored: " + why.Error()
	} else if log.damage != "" {
		r.note = path + " is damaged (" + log.damage + "): what it recorded before that is used"
	}
	if log.info != nil {
		if err := r.alone(name, log.info); err != nil {
			_ = file.Close()
			return err
		}
	}
	if log.end == 0 {
		head := appendResumeHeader(nil, key)
		err := file.Truncate(0)
		if err == nil {
			_, err = file.WriteAt(head, 0)
		}
		if err != nil {
			_ = r.discard(file, name)
			return Explain("write", path, err)
		}
		log.end = int64(len(head))
	}
	r.use(name, file, log)
	r.info = log.info
	return nil
}

func (r *Resume) use(name string, file *os.File, log resumeLog) {
	r.resumeFile = resumeFile{name: name, file: file, log: log, end: log.end}
	r.write = func(p []byte, off int64) error {
		_, err := file.WriteAt(p, off)
		return err
	}
	r.force = file.Sync
}

// lock opens the file and takes it for this process.
func (r *Resume) lock(name string) (*os.File, error) {
	path := filepath.Join(r.dir, name)
	for range 100 {
		if fi, err := r.root.Lstat(name); err == nil && !fi.Mode().IsRegular() {
			return nil, &Error{Kind: ErrInUse, Op: "open", Path: path, Detail: "it is not a regular file"}
		}
		file, err := r.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, Explain("write", path, err)
		}
		if err := lockFile(file); err != nil {
			_ = file.Close()
			if errors.Is(err, ErrInUse) {
				return nil, &Error{Kind: ErrInUse, Op: "download into", Path: r.dir,
					Detail: "another shoal is downloading this torrent there"}
			}
			return nil, Explain("lock", path, err)
		}
		// The one who had it before may have removed it as we opened it: then
		// our lock is on a file that nobody else can find.
		mine, err1 := file.Stat()
		there, err2 := r.root.Lstat(name)
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			return file, nil
		}
		_ = file.Close()
	}
	return nil, &Error{Kind: ErrInUse, Op: "lock", Path: path, Detail: "others keep replacing it"}
}

// alone looks for another torrent that is being downloaded under the same name
// at this moment: the two would overwrite each other.
func (r *Resume) alone(self string, info *metainfo.Info) error {
	dir, err := r.root.Open(".")
	if err != nil {
		return nil // cannot tell
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		hex, ok := strings.CutSuffix(strings.TrimPrefix(name, "."), ".shoal")
		if !ok || name == self {
			continue
		}
		key, err := metainfo.ParseHash(hex)
		if err != nil || name != resumeName(key) {
			continue
		}
		if other := r.liveName(name, key); other != "" && strings.EqualFold(other, info.Name) {
			return &Error{Kind: ErrInUse, Op: "download into", Path: filepath.Join(r.dir, info.Name),
				Detail: "another torrent of that name is being downloaded there"}
		}
	}
	return nil
}

// liveName returns the name of the torrent that another process downloads with
// this resume file, "" when there is no such process.
func (r *Resume) liveName(name string, key metainfo.Hash) string {
	if fi, err := r.root.Lstat(name); err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	file, err := r.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return ""
	}
	defer file.Close()
	if !errors.Is(lockFile(file), ErrInUse) {
		return ""
	}
	log, err := readResumeLog(file, key)
	if err != nil || log.info == nil {
		return ""
	}
	return log.info.Name
}

// Info returns the info dictionary, nil until it is known.
func (r *Resume) Info() *metainfo.Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.info
}

// Note says in one line why earlier resume data is not or not fully trusted, or
// why what is recorded now may not be after a loss of power; "" when all is well.
func (r *Resume) Note() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.note
}

// SetInfo records the info dictionary, so that the next start needs no metadata
// from peers. Call it before Attach. A hybrid torrent that was opened by its v2
// hash goes on under its main key; ErrInUse says that someone has that already,
// or that another torrent is being downloaded under the same name.
func (r *Resume) SetInfo(info *metainfo.Info) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.info != nil {
		return nil
	}
	if name := resumeName(info.Key()); name != r.name {
		old, oldName := r.file, r.name
		if err := r.load(info.Key()); err != nil {
			return err
		}
		_ = r.discard(old, oldName) // it held nothing but a header
		if r.info != nil {
			return nil
		}
	}
	if err := r.alone(r.name, info); err != nil {
		return err
	}
	if err := r.append(appendRecord(nil, recInfo, info.Bytes)); err != nil {
		return err
	}
	r.info = info
	return nil
}

// append writes at the end of the log.
func (r *Resume) append(b []byte) error {
	if r.closed {
		return &Error{Kind: ErrClosed, Op: "write", Path: r.path()}
	}
	if err := r.write(b, r.end); err != nil {
		return Explain("write", r.path(), err)
	}
	r.end += int64(len(b))
	return nil
}

func (r *Resume) path() string { return filepath.Join(r.dir, r.name) }

// MarkHave records that pieces are verified and that WriteAt has returned for
// them. After an error, such as a full disk, the download may go on: the pieces
// are recorded with the next call that succeeds.
func (r *Resume) MarkHave(pieces ...int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.data == nil {
		return &Error{Kind: ErrRange, Op: "record pieces in", Path: r.path(), Detail: "no files attached"}
	}
	for _, i := range pieces {
		r.data.touched(i)
	}
	r.pending = append(r.pending, pieces...)
	if err := r.flush(); err != nil {
		return err
	}
	if !r.syncing && time.Since(r.lastSync) >= r.syncEach {
		r.syncing = true
		r.wg.Go(r.checkpoint)
	}
	return nil
}

func (r *Resume) flush() error {
	if len(r.pending) == 0 {
		return nil
	}
	err := r.append(appendHave(nil, time.Now(), r.pending))
	if err == nil {
		r.pending = r.pending[:0]
	}
	return err
}

// checkpoint makes sure that what the log claims until now outlives a loss of
// power. It runs beside the download, which goes on recording: whatever may take
// long is done without the lock. Pieces recorded meanwhile are for the next one.
func (r *Resume) checkpoint() {
	r.mu.Lock()
	upto, force := r.end, r.force
	r.mu.Unlock()
	files, err := r.data.sync()
	if err == nil {
		rec := r.stamps(files, upto, false)
		r.mu.Lock()
		err = r.append(rec)
		r.mu.Unlock()
	}
	if err == nil {
		err = Explain("write", r.path(), force())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.syncing, r.lastSync = false, time.Now()
	if err != nil {
		r.note = err.Error() + ": after a loss of power the latest pieces are checked again"
	}
}

// stamps returns a record that describes the files as they are now.
func (r *Resume) stamps(files []int, upto int64, closing bool) []byte {
	rec := stampRecord{time: time.Now(), upto: upto, closing: closing}
	for _, i := range files {
		if s, ok := r.data.stamp(i); ok {
			rec.files = append(rec.files, fileStamp{file: i, stamp: s})
		}
	}
	return rec.append(nil)
}

// Close keeps the resume data for the next time and gives up the lock. Call it
// after the last write and before the File is closed. What says nothing is
// removed.
func (r *Resume) Close() error {
	r.wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	if r.info == nil {
		return r.remove()
	}
	err := r.finish()
	r.closed = true
	_ = r.file.Close() // synced
	_ = r.root.Close()
	return err
}

// finish writes the last records.
func (r *Resume) finish() error {
	if r.data == nil {
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	upto := r.end
	files, err := r.data.sync()
	if err != nil {
		return err // the log ends as after a kill, with what holds then
	}
	if err := r.append(r.stamps(files, upto, true)); err != nil {
		return err
	}
	return Explain("write", r.path(), r.force())
}

// Remove deletes the resume data, for a download that is complete or given up,
// and gives up the lock.
func (r *Resume) Remove() error {
	r.wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	return r.remove()
}

func (r *Resume) remove() error {
	r.closed = true
	_ = r.root.Remove(r.name + ".new") // left by a compaction that was killed
	err := r.discard(r.file, r.name)
	_ = r.root.Close()
	return Explain("delete", r.path(), err)
}

// discard removes a resume file that is locked by this process.
func (r *Resume) discard(file *os.File, name string) error {
	if removesOpen {
		err := r.root.Remove(name)
		_ = file.Close()
		return err
	}
	// Another process may take the file in between; it is theirs then, and
	// the removal fails because it is open.
	_ = file.Close()
	err := r.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) || errnoKind(err) == ErrInUse {
		return nil
	}
	return err
}
