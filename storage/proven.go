//go:build !js

package storage

import (
	"context"
	"runtime"
	"sync"

	"github.com/shoal-p2p/shoal/internal/sha"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Proven is a store over one that others may write to at any time, as files are: what
// it reads is the torrent's, or an error.
//
// The bytes that are handed out are themselves looked at, after they were read. Size
// and time of a file would not do: they are looked at before or after the bytes, the
// clock behind them may tick a hundred times a second or once in two, what is written
// through a mapping changes them late or never, and network file systems tell old ones.
//
// The first time, the whole piece is hashed. From the same bytes it is remembered
// what each block looks like (see Marks), so that the next read costs next to nothing,
// whatever part of the piece it is of. What is written through the store is verified
// already and remembered likewise.
type Proven struct {
	inner  Store
	info   *metainfo.Info
	hashes *knownHashes
	marks  *Marks
	number uint64         // of this store, among those that share the marks
	turns  [16]sync.Mutex // by piece: several who read one hash it once
}

// Prove returns a Proven over s, which it closes with itself. layers (nil for v1) are
// those of the torrent and belong to the Proven from now on. Of a piece whose hash is
// neither among them nor learned, as with v2 by a magnet link that is resumed, the bytes
// that are read first are believed, because whoever says that the piece is there has
// verified it; they are held to afterwards. marks nil means those that all such stores
// of the process share.
func Prove(s Store, info *metainfo.Info, layers *metainfo.Layers, marks *Marks) *Proven {
	if marks == nil {
		marks = processMarks
	}
	return &Proven{inner: s, info: info, hashes: newKnownHashes(info, layers), marks: marks, number: marks.number()}
}

// ReadAt fills p with bytes of the torrent. Bytes that are not are ErrChanged, of a
// file that is not there ErrMissing; n says how many came before, in whole pieces.
// What lies in p behind them then must not be used.
func (s *Proven) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off > s.info.Length || int64(len(p)) > s.info.Length-off {
		return 0, rangeError("read", off, len(p))
	}
	for n < len(p) {
		at := off + int64(n)
		i := int(at / s.info.PieceLength)
		in := at % s.info.PieceLength
		part := p[n:][:min(int64(len(p)-n), s.info.PieceLength-in)]
		if err := s.readPiece(i, in, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// readPiece fills p from an offset in piece i on.
func (s *Proven) readPiece(i int, in int64, p []byte) error {
	size := s.info.PieceSize(i)
	if over := in + int64(len(p)) - size; over > 0 {
		keep := max(0, int64(len(p))-over)
		clear(p[keep:]) // padding, which no hash covers
		p = p[:keep]
	}
	if len(p) == 0 {
		return nil
	}
	sums := s.marks.get(s.key(i))
	if sums != nil {
		if ok, err := s.readMarked(i, in, p, sums); ok || err != nil {
			return err
		}
	}
	return s.readWhole(i, in, p, sums)
}

// blocks are spare buffers of one block.
var blocks = sync.Pool{New: func() any { return new([metainfo.BlockSize]byte) }}

// readMarked fills p with what looks as it should. It reports false when something
// does not.
func (s *Proven) readMarked(i int, in int64, p []byte, sums []uint64) (bool, error) {
	base, size := int64(i)*s.info.PieceLength, s.info.PieceSize(i)
	for len(p) > 0 {
		from := in - in%metainfo.BlockSize
		end := min(from+metainfo.BlockSize, size)
		if in > from || int64(len(p)) < end-from {
			block := blocks.Get().(*[metainfo.BlockSize]byte)
			ok, err := s.readBlocks(block[:end-from], base+from, sums[from/metainfo.BlockSize:])
			n := copy(p, block[in-from:end-from])
			blocks.Put(block)
			if !ok || err != nil {
				return false, err
			}
			p, in = p[n:], in+int64(n)
			continue
		}
		n := int64(len(p))
		if in+n < size {
			n -= n % metainfo.BlockSize
		}
		if ok, err := s.readBlocks(p[:n], base+in, sums[in/metainfo.BlockSize:]); !ok || err != nil {
			return false, err
		}
		p, in = p[n:], in+n
	}
	return true, nil
}

// readBlocks fills p with whole blocks.
func (s *Proven) readBlocks(p []byte, off int64, sums []uint64) (bool, error) {
	if _, err := s.inner.ReadAt(p, off); err != nil {
		return false, err
	}
	for k := 0; len(p) > 0; k++ {
		n := min(len(p), metainfo.BlockSize)
		if s.marks.sum(p[:n]) != sums[k] {
			return false, nil
		}
		p = p[n:]
	}
	return true, nil
}

// proving bounds the pieces that are hashed for reads at one time, by all stores:
// each takes a core, and memory of its length.
var proving = make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))

// spare are buffers of whole pieces.
var spare sync.Pool

// readWhole reads and hashes all of piece i and fills p from it. tried is what the
// piece did not look like.
func (s *Proven) readWhole(i int, in int64, p []byte, tried []uint64) error {
	turn := &s.turns[i%len(s.turns)]
	turn.Lock()
	defer turn.Unlock()
	if sums := s.marks.get(s.key(i)); sums != nil && (tried == nil || &sums[0] != &tried[0]) {
		if ok, err := s.readMarked(i, in, p, sums); ok || err != nil { // another has just hashed it
			return err
		}
	}
	proving <- struct{}{}
	defer func() { <-proving }()
	size := int(s.info.PieceSize(i))
	buf, _ := spare.Get().(*[]byte)
	if buf == nil || cap(*buf) < size {
		buf = new(make([]byte, size))
	}
	defer spare.Put(buf)
	data := (*buf)[:size]
	if _, err := s.inner.ReadAt(data, int64(i)*s.info.PieceLength); err != nil {
		return err
	}
	if right, known := s.holds(i, data); !right && (known || tried != nil) {
		return &Error{Kind: ErrChanged, Op: "read", Path: pathOf(s.inner, s.info, i), Detail: bytesDiffer}
	}
	s.found(i, data)
	copy(p, data[in:])
	return nil
}

// holds reports whether a piece has one of its hashes. A hybrid's other one was found to
// hold when the piece was verified, and no second piece has the first.
func (s *Proven) holds(i int, data []byte) (right, known bool) {
	if want, ok := s.hashes.PieceHash(i); ok {
		return s.info.TreeRoot(i, data) == want, true
	}
	want, ok := s.info.PieceHashV1(i)
	return ok && sha.Sum1(data) == want, ok
}

// found remembers what a genuine piece looks like.
func (s *Proven) found(i int, data []byte) { s.marks.put(s.key(i), data) }

// key names piece i among the marks.
func (s *Proven) key(i int) markKey {
	var sum metainfo.PieceHashes
	var known bool
	if sum.V2, known = s.hashes.PieceHash(i); !known {
		sum.V1, known = s.info.PieceHashV1(i)
	}
	if !known {
		return markKey{store: s.number, piece: i}
	}
	return hashKey(sum, int(s.info.PieceSize(i)))
}

// WriteAt writes p, which is verified. Only whole pieces are remembered.
func (s *Proven) WriteAt(p []byte, off int64) (int, error) {
	first, last := int(off/s.info.PieceLength), int((off+max(1, int64(len(p)))-1)/s.info.PieceLength)
	for i := first; i <= last; i++ {
		if k := s.key(i); k.store != 0 {
			s.marks.drop(k) // what was believed; a hash stays what it is
		}
	}
	n, err := s.inner.WriteAt(p, off)
	if err == nil && off%s.info.PieceLength == 0 && int64(len(p)) == s.info.PieceSize(first) {
		s.found(first, p)
	}
	return n, err
}

// Verify is VerifyPieces for the store below, and remembers what it finds.
func (s *Proven) Verify(ctx context.Context, want *Bits, progress Progress) (*Bits, error) {
	v := &verifier{ctx: ctx, store: s.inner, info: s.info, hashes: s.hashes, want: want, progress: progress, found: s.found}
	return v.run()
}

// Mend hashes those pieces and returns the ones that are genuine.
func (s *Proven) Mend(ctx context.Context, gone *Bits) *Bits {
	found, _ := s.Verify(ctx, gone, nil) // what cannot be read is not among them
	return found
}

// Close closes the store below.
func (s *Proven) Close() error { return s.inner.Close() }
