//go:build js

package browser

import (
	"context"
	"errors"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/verify"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// lockPatience is how long a torrent's storage may be in use: a page that was reloaded,
// or whose worker crashed, gives its locks up a moment after the next one has begun.
const lockPatience = 1500 * time.Millisecond

// openOPFS opens what the browser keeps of a torrent.
func openOPFS(ctx context.Context, key metainfo.Hash) (*storage.OPFS, error) {
	for until := time.Now().Add(lockPatience); ; {
		o, err := storage.OpenOPFS(key)
		if !errors.Is(err, storage.ErrInUse) || time.Now().After(until) {
			return o, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// kept are the pieces that are there. Those that a tab left in mid-write are hashed.
func (c *Client) kept(o *storage.OPFS, info *metainfo.Info, layers *metainfo.Layers) *bits.Set {
	have := o.Have()
	unsure := o.Unsure()
	var data []byte
	for i := unsure.Next(0); i >= 0; i = unsure.Next(i + 1) {
		w := verify.Want{Info: info, Index: i}
		if h, ok := info.PieceHashV1(i); ok {
			w.V1 = &h
		}
		if layers != nil {
			if h, ok := layers.PieceHash(i); ok {
				w.V2 = &h
			}
		}
		if data == nil {
			data = make([]byte, info.PieceLength)
		}
		piece := data[:info.PieceSize(i)]
		if _, err := o.ReadAt(piece, int64(i)*info.PieceLength); err != nil {
			continue
		}
		if _, ok := verify.Check(piece, w, c.hasher); ok {
			have.Set(i)
			o.MarkHave(i) // an error comes again with the next piece
		}
	}
	return have
}
