//go:build !js

package storage

import (
	"context"

	"github.com/shoal-p2p/shoal/metainfo"
)

// ProveLayers adds to layers, where a link has brought none, the hashes of the pieces
// of those files that are there as the torrent wants them, which their roots prove. So
// a v2 download that is complete is recognised before any peer is. An error is of the
// disk or the context's.
func ProveLayers(ctx context.Context, f *File, layers *metainfo.Layers) error {
	var buf []byte
	for i := range f.info.Files {
		file := &f.info.Files[i]
		if file.Pad || file.Length <= f.info.PieceLength || file.PiecesRoot == (metainfo.Hash256{}) {
			continue
		}
		if _, known := layers.Layer(file.PiecesRoot); known {
			continue
		}
		if s, there := f.stamp(i); !there || s.size != file.Length {
			continue
		}
		if buf == nil {
			buf = make([]byte, f.info.PieceLength)
		}
		var layer []byte
		first, end := f.info.PieceRange(i)
		for p := first; p < end; p++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			data := buf[:f.info.TreeBytes(p)]
			if _, err := f.ReadAt(data, int64(p)*f.info.PieceLength); err != nil {
				return err
			}
			sum := f.info.TreeRoot(p, data)
			layer = append(layer, sum[:]...)
		}
		// What does not fit proves nothing: then the file is not all there.
		_ = layers.AddLayer(file.PiecesRoot, layer)
	}
	return nil
}
