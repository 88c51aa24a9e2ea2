//go:build !js

package storage

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// Attach compares the log with the files on disk and begins a session. It
// returns the pieces that are in place, and those that may be but have to be
// hashed before they are believed (see VerifyPieces, then MarkHave): pieces of
// files that were touched since, of downloads without resume data, and what may
// not have reached the disk before a loss of power.
func (r *Resume) Attach(f *File) (have, doubtful *Bits, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := make(map[int]stamp)
	for i := range r.info.Files {
		if s, ok := f.stamp(i); ok {
			now[i] = s
		}
	}
	j := judge{r: r, now: now, have: NewBits(r.info.NumPieces()), doubtful: NewBits(r.info.NumPieces())}
	j.run(f)
	if note := j.note(); note != "" {
		r.note = note
	}
	r.before = nil
	for i := range r.info.Files {
		if s, exists := now[i]; exists && j.there(i, s) {
			r.before = append(r.before, i)
		}
	}
	if err := r.begin(&j); err != nil {
		return nil, nil, err
	}
	r.data, r.log = f, resumeLog{}
	return j.have, j.doubtful, nil
}

// judge decides what of the log to believe, given the files as they are now.
type judge struct {
	r              *Resume
	now            map[int]stamp // of the files that exist
	have, doubtful *Bits
	unsafe         int    // claims that a restart may have undone
	odd            int    // files touched or gone, with claims
	what           string // about the first of them
}

func (j *judge) run(f *File) {
	log := &j.r.log
	if log.have == nil {
		// No memory of this download: whatever is there is worth a look.
		for i := range j.r.info.Files {
			if _, exists := j.now[i]; exists {
				j.doubt(i, true)
			}
		}
		return
	}
	for i := range j.r.info.NumPieces() {
		switch {
		case log.doubtful.Has(i):
			j.doubtful.Set(i)
		case log.have.Has(i):
			j.have.Set(i)
		}
	}
	j.settle(f)
	for i := range j.r.info.Files {
		file := &j.r.info.Files[i]
		s, exists := j.now[i]
		if file.Pad || file.Length == 0 || exists && j.familiar(i, s) {
			continue
		}
		if claims := j.doubt(i, exists); claims > 0 {
			if j.odd == 0 {
				j.what = j.r.nameOf(i) + " is gone"
				if exists {
					j.what = j.r.nameOf(i) + " was changed since the last time"
				}
			}
			j.odd++
		}
	}
}

// settle deals with pieces that were recorded after the last checkpoint: in the
// same run of the system the data is at least in its memory and is forced to
// the disk now; after a restart it may be lost.
func (j *judge) settle(f *File) {
	log := &j.r.log
	if len(log.unsafe) == 0 {
		return
	}
	if j.r.boot != "" && j.r.boot == log.boot {
		for _, c := range log.unsafe {
			f.touched(c.piece)
		}
		if f.Sync() == nil {
			return
		}
	}
	for _, c := range log.unsafe {
		if j.have.Has(c.piece) {
			j.have.Clear(c.piece)
			j.doubtful.Set(c.piece)
			j.unsafe++
		}
	}
}

// familiar reports that file i, which exists, is as the last session left it.
func (j *judge) familiar(i int, now stamp) bool {
	log := &j.r.log
	was, known := log.stamps[i]
	if log.clean {
		return known && now == was
	}
	// The process was killed. The log's last record is its last sign of life:
	// a file written to long after that, or put back to an older state, was
	// touched by somebody else.
	return now.size == j.r.info.Files[i].Length &&
		(!known || now.mtime >= was.mtime) &&
		now.mtime <= log.last.Add(lateWrites).UnixNano()
}

// doubt takes back all claims on the pieces of file i and returns how many
// there were. If the file exists, all its pieces have to be looked at: it may
// have been replaced by a better one.
func (j *judge) doubt(i int, exists bool) (claims int) {
	first, end := j.r.info.PieceRange(i)
	for p := first; p < end; p++ {
		if j.have.Has(p) {
			j.have.Clear(p)
			claims++
		}
		if exists {
			j.doubtful.Set(p)
		}
	}
	return claims
}

func (j *judge) note() string {
	switch {
	case j.odd == 1:
		return j.what + ": its pieces are checked again"
	case j.odd > 1:
		return j.what + ", and so it is with " + strconv.Itoa(j.odd-1) + " more: their pieces are checked again"
	case j.unsafe > 0:
		return "the system was restarted since the last time: the latest pieces are checked again"
	}
	return ""
}

func (r *Resume) nameOf(i int) string {
	parts := []string{r.dir}
	if !r.info.Single {
		parts = append(parts, r.info.Name)
	}
	return filepath.Join(append(parts, r.info.Files[i].Path...)...)
}

// begin writes what this session starts from, and the whole log anew when it
// has become long.
func (r *Resume) begin(j *judge) error {
	start := appendSession(nil, r.boot, j.have, j.doubtful)
	rec := stampRecord{time: time.Now()}
	for _, i := range slices.Sorted(maps.Keys(j.now)) {
		rec.files = append(rec.files, fileStamp{file: i, stamp: j.now[i]})
	}
	start = rec.append(start)
	image := appendRecord(appendResumeHeader(nil, r.info.Key()), recInfo, r.info.Bytes)
	image = append(image, start...)
	if r.end > compactAbove && r.end > 4*int64(len(image)) {
		return r.compact(image)
	}
	// Whatever lies behind the valid part would follow the new records.
	if err := r.file.Truncate(r.end); err != nil {
		return Explain("write", r.path(), err)
	}
	return r.append(start)
}

// compact replaces the log by image. The lock is given up for the moment of the
// change; if another process takes it then, this one is told ErrInUse.
func (r *Resume) compact(image []byte) error {
	fresh := r.name + ".new"
	if err := r.create(fresh, image); err != nil {
		_ = r.root.Remove(fresh)
		return Explain("write", filepath.Join(r.dir, fresh), err)
	}
	_ = r.file.Close() // everything in it is in image
	if err := r.root.Rename(fresh, r.name); err != nil {
		return Explain("write", r.path(), err)
	}
	file, err := r.lock(r.name)
	if err != nil {
		return err
	}
	r.use(r.name, file, resumeLog{end: int64(len(image))})
	return nil
}

// create makes a file that is on the disk when it returns.
func (r *Resume) create(name string, contents []byte) error {
	f, err := r.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(contents)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
