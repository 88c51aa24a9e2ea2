package torrent

import (
	"errors"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Live says that the content grows at its end and expires at its front. It has no
// info dictionary: Grown says what its pieces are. They keep their numbers for ever,
// so what peers say of them goes on to hold.
//
// Peers announce its pieces by have messages alone: what a bitfield or have all
// stands for depends on when it was sent.
type Live struct {
	First       int   // the first piece to come
	PieceLength int64 // bytes of a piece at most; required
}

// Piece is a piece of content that grows.
type Piece struct {
	Size int64             // bytes, at least one and at most Live.PieceLength
	V1   *metainfo.Hash    // SHA-1; nil: not known
	V2   *metainfo.Hash256 // root of its merkle tree; nil: not known. One of the two is
}

// space says which pieces there are, first to end-1, and what they are. Nobody knows
// before the info dictionary is there. That of a torrent never changes.
type space struct {
	first, end int
	length     int64          // bytes of a piece at most, 0 while nobody knows
	info       *metainfo.Info // what the pieces are; nil if they come and go
	pieces     []Piece        // if they do: from first on
}

func (c *Config) checkLive() error {
	if l := c.Live; l != nil && (c.Info != nil || l.First < 0 || l.PieceLength <= 0) {
		return errors.New("torrent: Config.Live has no piece length, a negative piece, or an info dictionary beside it")
	}
	return nil
}

// known reports whether it is known which pieces there are.
func (s *space) known() bool { return s.length > 0 }

// grows reports whether pieces come and go.
func (s *space) grows() bool { return s.known() && s.info == nil }

// len is the number of pieces.
func (s *space) len() int { return s.end - s.first }

// none is a set of these pieces with none in it, as of a peer that has nothing: one
// may hear of pieces before us.
func (s *space) none() bits.Set {
	end := s.end
	if s.grows() {
		end += maxAhead
	}
	return bits.Window(s.first, end)
}

// data is how many bytes of a piece are to be fetched: all but padding at its end.
func (s *space) data(i int) int64 {
	if s.info != nil {
		return s.info.PieceData(i)
	}
	return s.size(i)
}

// size is how many bytes of a piece are hashed and stored.
func (s *space) size(i int) int64 {
	if s.info != nil {
		return s.info.PieceSize(i)
	}
	return s.pieces[i-s.first].Size
}

// hashes are what a piece must hash to, as far as that is known.
func (s *space) hashes(i int, layers *metainfo.Layers) (v1 *metainfo.Hash, v2 *metainfo.Hash256) {
	if s.info == nil {
		pc := &s.pieces[i-s.first]
		return pc.V1, pc.V2
	}
	if h, ok := s.info.PieceHashV1(i); ok {
		v1 = &h
	}
	if layers != nil {
		if h, ok := layers.PieceHash(i); ok {
			v2 = &h
		}
	}
	return v1, v2
}

// extend adds pieces at the end.
func (s *space) extend(pieces []Piece) {
	s.pieces = append(s.pieces, pieces...)
	s.end += len(pieces)
}

// retire forgets the pieces before first. Beyond the end, what comes next begins
// there.
func (s *space) retire(first int) {
	gone := min(first-s.first, len(s.pieces))
	clear(s.pieces[:gone])
	s.pieces = s.pieces[gone:] // what append makes room for next is of the size of what is left
	s.first, s.end = first, max(first, s.end)
}
