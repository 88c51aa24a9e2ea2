package torrent

import (
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// early is what a peer said about its pieces before their number was known. A
// bitfield is kept as it came; haves are kept as bits in chunks, so that memory
// follows what was said.
type early struct {
	all    bool
	raw    []byte
	chunks map[uint32]*[chunkBits / 8]byte
}

const (
	chunkBits = 512
	maxPieces = 1 << 24 // as many as the longest bitfield has (wire.DefaultMaxBitfield)
)

// earlyHave is what an early have was worth.
type earlyHave uint8

const (
	earlyNew    earlyHave = iota // it tells something
	earlyApart                   // likewise, far from what is known: it costs memory
	earlyKnown                   // it tells nothing
	earlyTooFar                  // it cannot be true
)

func (e *early) have(i uint32) earlyHave {
	if i >= maxPieces {
		return earlyTooFar
	}
	c := e.chunks[i/chunkBits]
	worth := earlyNew
	if c == nil {
		if e.chunks == nil {
			e.chunks = map[uint32]*[chunkBits / 8]byte{}
		}
		c = new([chunkBits / 8]byte)
		e.chunks[i/chunkBits] = c
		worth = earlyApart
	}
	b, bit := &c[i%chunkBits/8], byte(0x80)>>(i%8)
	if *b&bit != 0 {
		return earlyKnown
	}
	*b |= bit
	return worth
}

// lost takes back what was said of a piece.
func (e *early) lost(i uint32) {
	if c := e.chunks[i/chunkBits]; c != nil {
		c[i%chunkBits/8] &^= 0x80 >> (i % 8)
	}
	if int64(i/8) < int64(len(e.raw)) {
		e.raw[i/8] &^= 0x80 >> (i % 8)
	}
}

// bitfield keeps a bitfield; of several, the last.
func (e *early) bitfield(b []byte) { e.raw = append([]byte(nil), b...) }

// set is all of it, now that there are n pieces.
func (e *early) set(n int) (bits.Set, error) {
	set := bits.New(n)
	if e.raw != nil {
		if err := wire.CheckBitfield(e.raw, n); err != nil {
			return set, err
		}
		set, _ = bits.FromBytes(e.raw, n)
	}
	if e.all {
		set.Fill()
	}
	for at, c := range e.chunks {
		for k := range chunkBits {
			if c[k/8]&(0x80>>(k%8)) == 0 {
				continue
			}
			i := int(at)*chunkBits + k
			if i >= n {
				return set, breach("have for a piece that does not exist")
			}
			set.Set(i)
		}
	}
	return set, nil
}
