//go:build !js

package storage

import (
	"bytes"
	"io/fs"
	"strconv"
)

// A name is taken where the user has a file of his own under it. That file must not
// become part of a download by being overwritten.

// Foreign returns the files that were there before this download began and hold
// nothing that is known to be the torrent's, have being the pieces that hold. Call it
// after Attach and the verification of what was doubtful. Files of zeros, as other
// programs make them beforehand, are nobody's.
func (r *Resume) Foreign(have *Bits) (files []int, err error) {
	r.mu.Lock()
	f, before := r.data, r.before
	r.mu.Unlock()
	for _, i := range before {
		first, end := r.info.PieceRange(i)
		known := false
		for p := first; p < end && !known; p++ {
			known = have.Has(p)
		}
		if known {
			continue
		}
		blank, err := f.blank(i)
		if err != nil {
			return nil, err
		}
		if !blank {
			files = append(files, i)
		}
	}
	return files, nil
}

// there reports that file i, as it is now, was there before the download or was put
// there by others: nothing remembers the download, or what it remembers is that all of
// the file was to be looked at, or the length is one that no file of ours has.
func (j *judge) there(i int, now stamp) bool {
	length := j.r.info.Files[i].Length
	if now.size == 0 || length == 0 {
		return false
	}
	if j.r.log.have == nil || now.size != length {
		return true
	}
	for first, end := j.r.info.PieceRange(i); first < end; first++ {
		if !j.r.log.doubtful.Has(first) {
			return false
		}
	}
	return true
}

// blank reports that file i has nothing but zeros.
func (f *File) blank(i int) (bool, error) {
	of, err := f.acquire(i, false)
	if err != nil {
		return false, err
	}
	defer f.release(of)
	fi, err := of.file.Stat()
	if err != nil {
		return false, Explain("read", of.path, err)
	}
	buf, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	for off := nextData(of.file, 0, fi.Size()); off < fi.Size(); {
		n, err := of.file.ReadAt(buf[:min(int64(len(buf)), fi.Size()-off)], off)
		if !bytes.Equal(buf[:n], zeros[:n]) {
			return false, nil
		}
		if err != nil {
			return false, Explain("read", of.path, err)
		}
		off = nextData(of.file, off+int64(n), fi.Size())
	}
	return true, nil
}

// Taken is the error about a file of the user's that a download would overwrite.
func (f *File) Taken(i int) error {
	return &Error{Kind: ErrExists, Op: "write", Path: f.show(i),
		Detail: "it holds nothing of this torrent; move it away, or choose another folder"}
}

// SetAside renames file i, so that the download has the name for its own, and returns
// the path that it has now.
func (f *File) SetAside(i int) (string, error) {
	f.mu.Lock()
	if of := f.open[i]; of != nil {
		f.retire(of)
	}
	f.mu.Unlock()
	for n := 1; n < 1000; n++ {
		to := f.names[i] + ".old"
		if n > 1 {
			to += strconv.Itoa(n)
		}
		if _, err := f.fs.Lstat(to); err == nil {
			continue
		}
		return f.fs.Show(to), Explain("rename", f.show(i), f.fs.Rename(f.names[i], to))
	}
	return "", Explain("rename", f.show(i), fs.ErrExist)
}
