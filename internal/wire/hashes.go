package wire

import (
	"encoding/binary"
	"math/bits"
)

const hashRangeLen = 48

// HashRange names the hashes of one merkle tree that a hash message is about
// (BEP 52, "hash request").
type HashRange struct {
	Root        [32]byte // pieces root of the file
	BaseLayer   uint32   // layer of the hashes, 0 is the leaves
	Index       uint32   // first hash in that layer, a multiple of Length
	Length      uint32   // number of hashes, a power of two, at least 2
	ProofLayers uint32   // layers of uncle hashes wanted above the base layer
}

// MaxHashes is the largest HashRange.Length that Check lets pass. BEP 52 asks
// for 512 at most; libtorrent answers up to 8192.
const MaxHashes = 8192

// maxLayers is more than any tree has: 2^48 bytes of leaves of 2^14 bytes.
const maxLayers = 35

// Check reports a range that no file can have. A caller answers a HashRequest
// that fails it with a HashReject: libtorrent asks for one hash where the last
// group of 512 pieces of a file has only one.
func (r *HashRange) Check() error {
	if r.Length < 2 || r.Length > MaxHashes || r.Length&(r.Length-1) != 0 || r.Index%r.Length != 0 ||
		r.BaseLayer >= maxLayers || r.ProofLayers >= maxLayers-r.BaseLayer {
		return ErrHashRange
	}
	return nil
}

// Uncles returns how many uncle hashes follow the Length hashes of the base
// layer in an answer to a range that passes Check. The first log2(Length)-1
// proof layers are left out, the base layer yields them.
func (r *HashRange) Uncles() int {
	own := bits.Len32(r.Length) - 2
	return max(int(r.ProofLayers)-own, 0)
}

func (r *HashRange) append(dst []byte) []byte {
	be := binary.BigEndian
	dst = append(dst, r.Root[:]...)
	dst = be.AppendUint32(dst, r.BaseLayer)
	dst = be.AppendUint32(dst, r.Index)
	dst = be.AppendUint32(dst, r.Length)
	return be.AppendUint32(dst, r.ProofLayers)
}

func parseHashRange(b []byte) HashRange {
	be := binary.BigEndian
	return HashRange{
		Root:      [32]byte(b[:32]),
		BaseLayer: be.Uint32(b[32:]), Index: be.Uint32(b[36:]),
		Length: be.Uint32(b[40:]), ProofLayers: be.Uint32(b[44:]),
	}
}
