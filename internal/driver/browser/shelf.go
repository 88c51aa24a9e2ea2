//go:build js

package browser

import (
	"errors"
	"math"
	"sync"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

const (
	// windowBytes is how much of a torrent is held in memory, in bytes, when it finds no
	// room elsewhere: what its readers are about to need, a film some minutes long.
	windowBytes = 64 << 20
	// windowAhead is how far a reader fetches ahead then, in bytes; several have room.
	windowAhead = 8 << 20
)

// shelf keeps a torrent's pieces: on the disk as far as the browser gives room there,
// whole in memory where it is small, else in a window in memory of what its readers need.
type shelf struct {
	info   *metainfo.Info
	disk   *storage.OPFS // nil: there is none for it
	memory *storage.Memory
	// room has a write to the disk that found none try again, with more if some can be made.
	room func(try func() error) error
	// full is told once that the disk takes no more, and why.
	full func(why error)
	// dropped is told of pieces that the window no longer holds.
	dropped func(i int)
	// check hashes a piece, see checker.
	check func(i int, piece []byte) (genuine, known bool)

	review   sync.Once  // see look
	checking sync.Mutex // one piece of an earlier visit is hashed at a time
	piece    []byte     // that piece

	mu      sync.Mutex
	most    int64 // bytes in memory; what is over it drops out
	held    int64
	pieces  map[int]uint64 // in memory, and when each was last used
	used    uint64
	refused bool // the disk takes no more
	readers map[*spot]struct{}
	doubt   bits.Set // pieces on the disk that nobody has looked at since an earlier visit
}

// spot is where a reader is in the piece space, in bytes.
type spot struct{ at int64 }

func newShelf(info *metainfo.Info, disk *storage.OPFS, most int64) *shelf {
	return &shelf{
		info: info, disk: disk, memory: storage.NewMemory(info, storage.MemoryOptions{}), most: most,
		room: func(try func() error) error { return try() }, full: func(error) {}, dropped: func(int) {},
		pieces: map[int]uint64{}, readers: map[*spot]struct{}{},
	}
}

// enter notes a reader; leave ends that.
func (s *shelf) enter(at int64) (r *spot, leave func()) {
	r = &spot{at}
	s.mu.Lock()
	s.readers[r] = struct{}{}
	s.mu.Unlock()
	return r, func() {
		s.mu.Lock()
		delete(s.readers, r)
		s.mu.Unlock()
	}
}

// move says that a reader has come so far.
func (s *shelf) move(r *spot, n int) {
	s.mu.Lock()
	r.at += int64(n)
	s.mu.Unlock()
}

// ReadAt implements storage.Store.
func (s *shelf) ReadAt(p []byte, off int64) (n int, err error) {
	for len(p) > 0 && err == nil {
		i := int(off / s.info.PieceLength)
		part := p[:min(int64(len(p)), int64(i+1)*s.info.PieceLength-off)]
		var k int
		if s.touch(i) || s.disk == nil {
			k, err = s.memory.ReadAt(part, off)
		} else if err = s.sure(i); err == nil {
			k, err = s.disk.ReadAt(part, off)
		}
		n, p, off = n+k, p[k:], off+int64(k)
	}
	return n, err
}

// sure hashes a piece of an earlier visit before the first of it is given out: what lies on
// a disk for weeks may be damaged, or cut off by a crash. It is fetched again then.
func (s *shelf) sure(i int) error {
	if !s.doubts(i) {
		return nil
	}
	s.checking.Lock()
	defer s.checking.Unlock()
	if !s.doubts(i) {
		return nil // somebody else has looked
	}
	if s.piece == nil {
		s.piece = make([]byte, s.info.PieceLength)
	}
	p := s.piece[:s.info.PieceSize(i)]
	if _, err := s.disk.ReadAt(p, int64(i)*s.info.PieceLength); err != nil {
		return err
	}
	if genuine, known := s.check(i, p); known && !genuine {
		s.review.Do(func() { go s.look() })
		return &storage.Error{Kind: storage.ErrChanged, Op: "read", Path: s.info.Name, Detail: "it was damaged since the last visit"}
	}
	s.believe(i)
	return nil
}

// look hashes all that is left of earlier visits, once a piece of it was found damaged: who is
// asked for one should be asked for all.
func (s *shelf) look() {
	for i := range s.info.NumPieces() {
		err := s.sure(i)
		switch {
		case errors.Is(err, storage.ErrChanged):
			s.dropped(i)
		case err != nil:
			return
		}
	}
}

func (s *shelf) doubts(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doubt.Has(i)
}

func (s *shelf) believe(i int) {
	s.mu.Lock()
	s.doubt.Clear(i)
	s.mu.Unlock()
}

// touch reports whether a piece is in memory, and keeps it there for longer.
func (s *shelf) touch(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.pieces[i]
	if ok {
		s.used++
		s.pieces[i] = s.used
	}
	return ok
}

// WriteAt implements storage.Store, for one whole piece.
func (s *shelf) WriteAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	refused := s.refused
	s.mu.Unlock()
	if s.disk != nil && !refused {
		n, err := s.disk.WriteAt(p, off)
		if errors.Is(err, storage.ErrNoSpace) {
			err = s.room(func() (err error) {
				n, err = s.disk.WriteAt(p, off)
				return err
			})
		}
		if err == nil {
			s.believe(int(off / s.info.PieceLength))
		}
		if err == nil || errors.Is(err, storage.ErrClosed) {
			return n, err
		}
		s.mu.Lock()
		first := !s.refused
		s.refused = true
		s.mu.Unlock()
		if first {
			s.full(err)
		}
	}
	return s.hold(p, off)
}

// hold puts a piece into memory, and drops others that are over.
func (s *shelf) hold(p []byte, off int64) (int, error) {
	i := int(off / s.info.PieceLength)
	s.mu.Lock()
	var over []int
	for s.held+int64(len(p)) > s.most {
		k := s.spare()
		if k < 0 {
			break // one piece is held, whatever its size
		}
		delete(s.pieces, k)
		s.held -= s.info.PieceSize(k)
		s.memory.Drop(k)
		over = append(over, k)
	}
	n, err := s.memory.WriteAt(p, off)
	if err == nil {
		if _, there := s.pieces[i]; !there {
			s.held += int64(len(p))
		}
		s.used++
		s.pieces[i] = s.used
	}
	s.mu.Unlock()
	for _, k := range over {
		s.dropped(k)
	}
	return n, err
}

// spare is the piece that will be missed least, -1 if there is none: of those that no
// reader comes to, the one that was used the longest time ago; else the one furthest
// ahead. A window has few pieces, so all are looked at. Callers hold mu.
func (s *shelf) spare() int {
	best, far, used := -1, int64(-1), uint64(0)
	for i, when := range s.pieces {
		ahead := int64(math.MaxInt64)
		end := int64(i)*s.info.PieceLength + s.info.PieceSize(i)
		for r := range s.readers {
			if d := int64(i)*s.info.PieceLength - r.at; end > r.at {
				ahead = min(ahead, max(d, 0))
			}
		}
		if ahead > far || ahead == far && when < used {
			best, far, used = i, ahead, when
		}
	}
	return best
}

// onDisk reports whether a piece that was written lies there.
func (s *shelf) onDisk(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, held := s.pieces[i]
	return s.disk != nil && !held
}

// retry has the disk take what the window holds, and what comes from now on. It returns
// the pieces that lie there now, and why not all do.
func (s *shelf) retry() (moved []int, err error) {
	if s.disk == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = false
	for i := range s.pieces {
		p, off := make([]byte, s.info.PieceSize(i)), int64(i)*s.info.PieceLength
		if _, err = s.memory.ReadAt(p, off); err == nil {
			err = s.room(func() error {
				_, err := s.disk.WriteAt(p, off)
				return err
			})
		}
		if err != nil {
			s.refused = true
			return moved, err
		}
		delete(s.pieces, i)
		s.doubt.Clear(i)
		s.held -= int64(len(p))
		s.memory.Drop(i)
		moved = append(moved, i)
	}
	return moved, nil
}

// Close implements storage.Store.
func (s *shelf) Close() error {
	s.memory.Close()
	if s.disk == nil {
		return nil
	}
	return s.disk.Close()
}
