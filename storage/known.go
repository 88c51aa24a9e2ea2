//go:build !js

package storage

import (
	"sync"

	"github.com/shoal-p2p/shoal/metainfo"
)

// knownHashes are the v2 hashes of a torrent's pieces as far as they are known, for
// several goroutines. A v1 torrent has none.
type knownHashes struct {
	info *metainfo.Info
	mu   sync.RWMutex
	// layers are whole, or follow from the info dictionary; single holds what was
	// learned of pieces whose layer is not whole.
	layers *metainfo.Layers
	single map[int]metainfo.Hash256
}

func newKnownHashes(info *metainfo.Info, layers *metainfo.Layers) *knownHashes {
	if layers == nil && info.HasV2 {
		layers = metainfo.NewLayers(info)
	}
	return &knownHashes{info: info, layers: layers}
}

// PieceHash implements pieceHashes.
func (k *knownHashes) PieceHash(i int) (metainfo.Hash256, bool) {
	if !k.info.HasV2 {
		return metainfo.Hash256{}, false
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if h, ok := k.layers.PieceHash(i); ok {
		return h, true
	}
	h, ok := k.single[i]
	return h, ok
}

// AddLayer implements pieceHashes.
func (k *knownHashes) AddLayer(root metainfo.Hash256, layer []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.layers.AddLayer(root, layer)
}

// Learn takes the hash of a piece that was proved by others, as peers send it.
func (s *Proven) Learn(i int, hash metainfo.Hash256) {
	if _, known := s.hashes.PieceHash(i); known || !s.info.HasV2 {
		return
	}
	s.hashes.mu.Lock()
	defer s.hashes.mu.Unlock()
	if s.hashes.single == nil {
		s.hashes.single = make(map[int]metainfo.Hash256)
	}
	s.hashes.single[i] = hash
}

// Share brings the store and layers to the same knowledge, as far as it is of whole
// files. What layers know of single pieces is learned too. Nobody else may use layers
// meanwhile.
func (s *Proven) Share(layers *metainfo.Layers) {
	if layers == nil || !s.info.HasV2 {
		return
	}
	for f := range s.info.Files {
		root := s.info.Files[f].PiecesRoot
		s.hashes.mu.Lock()
		ours, have := s.hashes.layers.Layer(root)
		theirs, has := layers.Layer(root)
		switch { // either was proved
		case have && !has:
			_ = layers.AddLayer(root, ours)
		case has && !have:
			_ = s.hashes.layers.AddLayer(root, theirs)
		}
		s.hashes.mu.Unlock()
	}
	if layers.Complete() {
		return
	}
	for i := range s.info.NumPieces() {
		if hash, ok := layers.PieceHash(i); ok {
			s.Learn(i, hash)
		}
	}
}
