//go:build js

package browser

import (
	"sync"
	"syscall/js"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

const (
	// hashRun is how many bytes are read and hashed at a time: each read costs a round trip
	// through the browser. A piece is never split.
	hashRun = 2 << 20
	// hashAhead is how many bytes may be on their way at once, in all workers.
	hashAhead = 32 << 20
	// hashAlone is how many bytes are not worth the start of further workers.
	hashAlone = 32 << 20
	// hashWorkers bounds those: more find the memory, or the disk, too slow.
	hashWorkers = 4
)

// builder makes a torrent of files, in form of v2 or a hybrid: a piece is of one file.
type builder struct {
	*metainfo.Builder
	name   string
	blobs  []storage.Blob
	marks  *storage.BlobMarks
	hasher js.Value // undefined: Go hashes
	per    int      // pieces at a time

	mu       sync.Mutex
	next     int
	done     int64
	reported time.Time
	err      error
}

// build hashes the files and notes what they look like. It can be ended by the name of the
// job, if it has one.
func (c *Client) build(opt metainfo.BuildOptions, blobs []storage.Blob, job string) (*metainfo.Torrent, *storage.BlobMarks, error) {
	mb, err := metainfo.NewBuilder(opt)
	if err != nil {
		return nil, nil, err
	}
	b := &builder{Builder: mb, name: opt.Name, blobs: blobs, per: max(1, int(hashRun/mb.PieceLength()))}
	b.marks = storage.NewBlobMarks(mb.NumPieces(), c.blockHashes())
	width := int64(1)
	if files := js.Global().Get("shoalHashFiles"); c.hasher != nil && files.Truthy() {
		workers := 0
		if n := js.Global().Get("navigator").Get("hardwareConcurrency"); b.TotalSize() > hashAlone && n.Type() == js.TypeNumber {
			workers = min(n.Int(), hashWorkers)
		}
		list := make([]any, len(blobs))
		for i := range blobs {
			list[i] = blobs[i].File
		}
		b.hasher = files.Invoke(list, workers)
		defer b.hasher.Call("close")
		if job != "" {
			c.setBuild(job, b.hasher)
			defer c.setBuild(job, js.Undefined())
		}
		width = max(2, min(2*int64(workers), hashAhead/(int64(b.per)*b.PieceLength())))
	}
	var all sync.WaitGroup
	for range width {
		all.Go(b.work)
	}
	all.Wait()
	if b.err != nil {
		return nil, nil, b.err
	}
	meta, err := b.Finish()
	return meta, b.marks, err
}

// blockHashes is how the marks of dropped files are checked, nil for Go's way.
func (c *Client) blockHashes() func(p []byte) []metainfo.Hash256 {
	if c.hasher == nil {
		return nil
	}
	return func(p []byte) []metainfo.Hash256 {
		_, leaves := c.hasher.Hash(p, false, len(p))
		return leaves
	}
}

// work hashes runs of pieces until there are no more.
func (b *builder) work() {
	for {
		b.mu.Lock()
		first, end := b.next, min(b.next+b.per, b.NumPieces())
		b.next = end
		over := b.err != nil || first == end
		b.mu.Unlock()
		if over {
			return
		}
		var err error
		if b.hasher.IsUndefined() {
			err = b.slowly(first, end)
		} else {
			err = b.hash(first, end)
		}
		if err != nil {
			b.mu.Lock()
			b.err = err
			b.mu.Unlock()
			return
		}
	}
}

// hash has the browser hash pieces.
func (b *builder) hash(first, end int) error {
	var parts []any
	for i := first; i < end; i++ {
		var room [1]metainfo.FileRange
		r := b.AppendRanges(room[:0], i)[0]
		parts = append(parts, r.File, r.FileOffset, r.Length, b.PieceSize(i))
	}
	v, err := storage.Await(b.hasher.Call("run", parts), "read", b.name)
	if err != nil {
		return err
	}
	sums := make([]byte, v.Length())
	js.CopyBytesToGo(sums, v)
	for i := first; i < end; i++ {
		leaves := make([]metainfo.Hash256, (b.TreeBytes(i)+metainfo.BlockSize-1)/metainfo.BlockSize)
		v1 := metainfo.Hash(sums)
		sums = sums[len(v1):]
		for k := range leaves {
			leaves[k] = metainfo.Hash256(sums)
			sums = sums[len(leaves[k]):]
		}
		b.set(i, v1, leaves)
	}
	return nil
}

// slowly is hash in Go, where the browser does not.
func (b *builder) slowly(first, end int) error {
	for i := first; i < end; i++ {
		data := make([]byte, b.PieceSize(i))
		r := b.AppendRanges(nil, i)[0]
		if _, err := b.blobs[r.File].ReadAt(data[:r.Length], r.FileOffset); err != nil {
			return err
		}
		v1, leaves := slowly(data, true, int(b.TreeBytes(i)))
		b.set(i, v1, leaves)
		time.Sleep(0) // the worker's events run between two pieces
	}
	return nil
}

// set notes the hashes of a piece.
func (b *builder) set(i int, v1 metainfo.Hash, leaves []metainfo.Hash256) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.SetPiece(i, metainfo.PieceHashes{V1: v1, V2: b.TreeRootOf(i, leaves)})
	b.marks.Set(i, leaves)
	b.done += b.TreeBytes(i)
	total := b.TotalSize()
	if now := time.Now(); now.Sub(b.reported) > 100*time.Millisecond || b.done == total {
		b.reported = now
		event(map[string]any{"type": "hashing", "name": b.name, "done": b.done, "total": total})
	}
}

// setBuild notes what hashes for a job, undefined when it is over.
func (c *Client) setBuild(job string, hasher js.Value) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.builds[job] = hasher; hasher.IsUndefined() {
		delete(c.builds, job)
	}
}

// endBuild ends a job, if it is under way.
func (c *Client) endBuild(job string) {
	c.mu.Lock()
	hasher := c.builds[job]
	c.mu.Unlock()
	if !hasher.IsUndefined() {
		hasher.Call("close")
	}
}
