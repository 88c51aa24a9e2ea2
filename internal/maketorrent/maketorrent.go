//go:build !js

// Package maketorrent makes a torrent from files on disk.
package maketorrent

import (
	"context"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// Options say what the torrent is to be like. The zero value makes a hybrid
// torrent without trackers.
type Options struct {
	// Name of the torrent; "" is the base name of the path, for several paths
	// that of the folder they lie in, or else of the first.
	Name         string
	PieceLength  int64 // bytes; 0 chooses by size
	V1, V2       bool  // neither is both
	Private      bool
	Comment      string
	CreatedBy    string
	CreationDate int64 // seconds since 1970; 0 leaves it out
	Announce     [][]string
	WebSeeds     []string

	// Output, if set, is where the torrent will be written. A file that is there already
	// does not become part of it, and is told to Skipped.
	Output string

	// Progress, if set, is told the bytes of the piece space hashed so far and
	// all of them. Calls follow each other, from changing goroutines.
	Progress func(done, total int64)
	// Skipped, if set, is told about everything in a folder that does not
	// become part of the torrent though a user might expect it.
	Skipped func(path, why string)
}

// memory bounds the piece buffers, in bytes.
const memory = 64 << 20

// Error says which path cannot be shared and why.
type Error struct{ Path, Why string }

func (e *Error) Error() string { return "cannot share " + e.Path + ": " + e.Why }

// Make hashes the files at paths, which may be files and folders, with all
// cores. storage.OpenSources reads the result from the same paths. Errors name
// the path: *Error, *storage.Error for what the system refuses, *metainfo.Error
// for what cannot be in a torrent, or the context's.
func Make(ctx context.Context, paths []string, opt Options) (*metainfo.Torrent, error) {
	name, files, err := list(paths, opt)
	if err != nil {
		return nil, err
	}
	defer files.close()
	plan := metainfo.BuildOptions{
		Name: name, PieceLength: opt.PieceLength, V1: opt.V1, V2: opt.V2, Private: opt.Private,
		Comment: opt.Comment, CreatedBy: opt.CreatedBy, CreationDate: opt.CreationDate,
		Announce: opt.Announce, WebSeeds: opt.WebSeeds,
	}
	for k := range files.all {
		f := &files.all[k]
		plan.Files = append(plan.Files, metainfo.BuildFile{Path: f.torrentPath, Length: f.size, Executable: f.executable})
	}
	b, err := metainfo.NewBuilder(plan)
	if err != nil {
		return nil, err
	}
	if err := hash(ctx, b, files, opt.Progress); err != nil {
		return nil, err
	}
	if err := files.unchanged(); err != nil {
		return nil, err
	}
	return b.Finish()
}

// hash feeds every piece to the builder.
func hash(ctx context.Context, b *metainfo.Builder, files *sources, progress func(done, total int64)) error {
	workers := runtime.GOMAXPROCS(0) + 1 // one may wait for the disk
	workers = max(1, min(workers, b.NumPieces(), int(memory/b.PieceLength())))
	h := hasher{ctx: ctx, b: b, files: files, progress: progress}
	for i := range b.NumPieces() {
		h.total += b.PieceSize(i)
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(h.work)
	}
	wg.Wait()
	return h.err
}

// hasher is one run of hash. Everything below mu belongs to it, the builder's
// SetPiece too.
type hasher struct {
	ctx      context.Context
	b        *metainfo.Builder
	files    *sources
	progress func(done, total int64)
	total    int64

	mu   sync.Mutex
	next int
	done int64
	err  error
}

func (h *hasher) work() {
	buf := make([]byte, h.b.PieceLength())
	var ranges []metainfo.FileRange
	for {
		i := h.take()
		if i < 0 {
			return
		}
		piece := buf[:h.b.PieceSize(i)]
		ranges = h.b.AppendRanges(ranges[:0], i)
		if err := h.files.read(piece, ranges); err != nil {
			h.fail(err)
			return
		}
		sum := h.b.HashPiece(i, piece)
		storage.Remember(sum, piece) // sharing it is what comes next
		h.mu.Lock()
		h.b.SetPiece(i, sum)
		h.done += int64(len(piece))
		if h.progress != nil {
			h.progress(h.done, h.total)
		}
		h.mu.Unlock()
	}
}

// take returns the next piece, -1 when there is no more to do.
func (h *hasher) take() int {
	if err := h.ctx.Err(); err != nil {
		h.fail(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil || h.next == h.b.NumPieces() {
		return -1
	}
	h.next++
	return h.next - 1
}

func (h *hasher) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
	}
}

// nameFor returns the name of the torrent.
func nameFor(paths []string, opt Options) (string, error) {
	if opt.Name != "" {
		return opt.Name, nil
	}
	return Name(paths)
}

// Name is what Make calls a torrent of these paths, of which there is at least one.
func Name(paths []string) (string, error) {
	if len(paths) > 1 {
		if name, ok := commonFolder(paths); ok {
			return name, nil
		}
	}
	return storage.SourceName(paths[0])
}

// commonFolder returns the name of the folder that holds all paths.
func commonFolder(paths []string) (string, bool) {
	folder := ""
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil || folder != "" && filepath.Dir(abs) != folder {
			return "", false
		}
		folder = filepath.Dir(abs)
	}
	name, err := storage.SourceName(folder)
	return name, err == nil
}
