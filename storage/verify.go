package storage

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/shoal-p2p/shoal/metainfo"
)

// verifyMemory bounds the piece buffers of one Verify, in bytes.
const verifyMemory = 64 << 20

// Progress is told how many bytes of the piece space have been looked at and
// how many there are. Calls follow each other, from changing goroutines.
type Progress func(done, total int64)

// Verify hashes what the store holds and returns the pieces that are genuine,
// by every hash that is known: v1, v2 where layers (nil for v1) has it, or both.
// A piece without a known hash is genuine if all pieces of its file are there
// and lead to the file's root; layers has their hashes then. Holes and missing
// files cost next to nothing.
//
// For a store over somebody's originals (read-only File, Blobs) a file that is
// missing or differs is an *Error of kind ErrMissing or ErrChanged that names
// the first such file; the pieces are valid with it. With any other error, such
// as the context's, only the pieces checked until then are in the set.
func Verify(ctx context.Context, s Store, info *metainfo.Info, layers *metainfo.Layers, progress Progress) (*Bits, error) {
	return VerifyPieces(ctx, s, info, layers, nil, progress)
}

// VerifyPieces is Verify for the pieces in want; nil means all.
func VerifyPieces(ctx context.Context, s Store, info *metainfo.Info, layers *metainfo.Layers, want *Bits, progress Progress) (*Bits, error) {
	v := &verifier{ctx: ctx, store: s, info: info, want: want, progress: progress}
	if layers != nil {
		v.hashes = layers
	}
	return v.run()
}

// pieceHashes are what is known of a torrent's v2 hashes.
type pieceHashes interface {
	// PieceHash returns the hash of a piece, false while it is not known. Several
	// goroutines call it.
	PieceHash(index int) (metainfo.Hash256, bool)
	// AddLayer takes the whole piece layer of the files with that root, if it leads
	// there. It is called by itself.
	AddLayer(root metainfo.Hash256, layer []byte) error
}

func (v *verifier) run() (*Bits, error) {
	s, info := v.store, v.info
	v.have = NewBits(info.NumPieces())
	v.zeros = make(map[zeroKey]metainfo.PieceHashes)
	v.data = -1
	if src, ok := s.(interface{ source() bool }); ok {
		v.source = src.source()
	}
	if !v.source { // whose differences have to be reported, wherever they are
		v.holes, _ = s.(holes)
	}
	workers := runtime.GOMAXPROCS(0)
	if workers > 1 {
		workers++ // one may wait for the disk
	}
	workers = max(1, min(workers, info.NumPieces(), int(verifyMemory/info.PieceLength)))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(v.work)
	}
	wg.Wait()
	v.prove()
	if v.err == nil {
		v.err = v.damage
	}
	return v.have, v.err
}

// holes is a store that knows where it has no data.
type holes interface {
	// NextData returns the first offset at or after off that may hold data,
	// or the length of the piece space.
	NextData(off int64) int64
}

// verifier is one run of VerifyPieces. Everything below mu belongs to it.
type verifier struct {
	ctx      context.Context
	store    Store
	info     *metainfo.Info
	hashes   pieceHashes // nil: v1
	want     *Bits       // nil: all
	source   bool
	holes    holes // nil: unknown
	progress Progress
	// found looks at each genuine piece; it may be nil. It is called by several
	// goroutines and must not keep the data.
	found func(i int, data []byte)

	mu     sync.Mutex
	next   int   // piece
	data   int64 // no data between the pieces taken and here
	done   int64
	have   *Bits
	zeros  map[zeroKey]metainfo.PieceHashes
	proofs map[int]*proof // by file
	err    error          // ends the run
	damage error          // first changed source file
}

// zeroKey tells pieces of zeros apart that have different hashes.
type zeroKey struct {
	size  int64
	width int
}

func (v *verifier) work() {
	var buf []byte
	for {
		i := v.take()
		if i < 0 {
			return
		}
		if buf == nil {
			buf = make([]byte, min(v.info.PieceLength, v.info.Length))
		}
		data := buf[:v.info.PieceSize(i)]
		_, err := v.store.ReadAt(data, int64(i)*v.info.PieceLength)
		var sum metainfo.PieceHashes
		right := false
		if err == nil {
			sum = v.info.HashPiece(i, data)
			right = v.genuine(i, sum)
		}
		if right && v.found != nil {
			v.found(i, data)
		}
		v.finish(i, sum, right, err)
		yield()
	}
}

// take returns the next piece to hash, -1 when there is none.
func (v *verifier) take() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.err == nil && v.next < v.info.NumPieces() {
		if err := v.ctx.Err(); err != nil {
			v.err = err
			break
		}
		i := v.next
		v.next++
		if v.want != nil && !v.want.Has(i) || v.hollow(i) {
			v.advance(i)
			continue
		}
		return i
	}
	return -1
}

// hollow reports that piece i lies in a hole and cannot be genuine, because its
// hash is not that of zeros.
func (v *verifier) hollow(i int) bool {
	if v.holes == nil {
		return false
	}
	off := int64(i) * v.info.PieceLength
	if off >= v.data {
		v.data = v.holes.NextData(off)
	}
	if off+v.info.PieceSize(i) > v.data {
		return false
	}
	key := zeroKey{size: v.info.PieceSize(i)}
	if v.info.HasV2 {
		key.width = v.info.PieceRootWidth(i)
	}
	sum, known := v.zeros[key]
	if !known {
		sum = v.info.HashPiece(i, make([]byte, key.size))
		v.zeros[key] = sum
	}
	return !v.genuine(i, sum)
}

// bytesDiffer is the detail of ErrChanged where the size is as it should be.
const bytesDiffer = "its bytes differ"

// finish records the outcome of piece i.
func (v *verifier) finish(i int, sum metainfo.PieceHashes, right bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	gone := errors.Is(err, ErrMissing) || errors.Is(err, ErrChanged)
	switch {
	case right:
		v.have.Set(i)
	case err == nil && v.unproved(i, sum):
	case err == nil && v.source:
		err = &Error{Kind: ErrChanged, Op: "read", Path: pathOf(v.store, v.info, i), Detail: bytesDiffer}
		fallthrough
	case gone && v.source:
		if v.damage == nil {
			v.damage = err
		}
	case err != nil && !gone && v.err == nil:
		v.err = err
	}
	v.advance(i)
}

func (v *verifier) advance(i int) {
	v.done += v.info.PieceSpan(i)
	if v.progress != nil {
		v.progress(v.done, v.info.Length)
	}
}

// genuine compares with every hash known, of which there must be one.
func (v *verifier) genuine(i int, sum metainfo.PieceHashes) bool {
	known := false
	if want, ok := v.info.PieceHashV1(i); ok {
		if sum.V1 != want {
			return false
		}
		known = true
	}
	if v.hashes != nil {
		if want, ok := v.hashes.PieceHash(i); ok {
			if sum.V2 != want {
				return false
			}
			known = true
		}
	}
	return known
}

// pathOf returns the path of the first file of piece i, for messages.
func pathOf(store Store, info *metainfo.Info, i int) string {
	for _, s := range info.AppendSpans(nil, int64(i)*info.PieceLength, info.PieceSize(i)) {
		if s.Pad {
			continue
		}
		if n, ok := store.(interface{ show(file int) string }); ok {
			return n.show(s.File)
		}
		return info.Name
	}
	return info.Name
}
