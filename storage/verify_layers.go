package storage

import "github.com/shoal-p2p/shoal/metainfo"

// proof gathers the piece hashes of a v2 file whose piece layer nobody has sent
// yet: with all of them the file's root proves them, so that whoever has the
// content needs no peer to know.
type proof struct {
	first   int    // piece
	layer   []byte // 32 bytes a piece
	missing int
}

// unproved keeps the hash of a piece that there is nothing to compare with. It is
// false where there is. Callers hold mu.
func (v *verifier) unproved(i int, sum metainfo.PieceHashes) bool {
	if v.hashes == nil || v.info.HasV1 {
		return false
	}
	if _, known := v.hashes.PieceHash(i); known {
		return false
	}
	file := v.info.FileAt(int64(i) * v.info.PieceLength)
	p := v.proofs[file]
	if p == nil {
		first, end := v.info.PieceRange(file)
		p = &proof{first: first, layer: make([]byte, 32*(end-first)), missing: end - first}
		if v.proofs == nil {
			v.proofs = make(map[int]*proof)
		}
		v.proofs[file] = p
	}
	copy(p.layer[32*(i-p.first):], sum.V2[:])
	p.missing--
	return true
}

// prove takes the files whose hashes lead to their root.
func (v *verifier) prove() {
	for file := range v.info.Files {
		p := v.proofs[file]
		if p == nil || p.missing > 0 {
			continue
		}
		if v.hashes.AddLayer(v.info.Files[file].PiecesRoot, p.layer) == nil {
			for i := range len(p.layer) / 32 {
				v.have.Set(p.first + i)
			}
		} else if v.source && v.damage == nil {
			v.damage = &Error{Kind: ErrChanged, Op: "read", Path: pathOf(v.store, v.info, p.first), Detail: bytesDiffer}
		}
	}
}
