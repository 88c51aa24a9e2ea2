//go:build js

package browser

import (
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/verify"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// checker says whether pieces that were verified once are what they were. One hash is
// enough for that.
type checker struct {
	info   *metainfo.Info
	layers *metainfo.Layers // its own: the torrent's grow while it runs
	hasher verify.Hasher
}

func (c *Client) checker(info *metainfo.Info, meta *metainfo.Torrent) *checker {
	k := &checker{info: info, hasher: c.hasher}
	switch {
	case info.HasV1:
	case meta != nil:
		k.layers = meta.Layers()
	default:
		k.layers = metainfo.NewLayers(info)
	}
	return k
}

// check hashes a piece. Without known, nobody has told its hash yet.
func (k *checker) check(i int, piece []byte) (genuine, known bool) {
	w := verify.Want{Info: k.info, Index: i}
	if h, ok := k.info.PieceHashV1(i); ok {
		w.V1 = &h
	} else if h, ok := k.layers.PieceHash(i); ok {
		w.V2 = &h
	} else {
		return false, false
	}
	_, genuine = verify.Check(piece, w, k.hasher)
	return genuine, true
}

// kept are the pieces that are there. Those that a tab left in mid-write are hashed.
func (k *checker) kept(o *storage.OPFS) *bits.Set {
	have := o.Have()
	unsure := o.Unsure()
	var data []byte
	for i := unsure.Next(0); i >= 0; i = unsure.Next(i + 1) {
		if data == nil {
			data = make([]byte, k.info.PieceLength)
		}
		piece := data[:k.info.PieceSize(i)]
		if _, err := o.ReadAt(piece, int64(i)*k.info.PieceLength); err != nil {
			continue
		}
		if ok, _ := k.check(i, piece); ok {
			have.Set(i)
			o.MarkHave(i) // an error comes again with the next piece
		}
	}
	return have
}
