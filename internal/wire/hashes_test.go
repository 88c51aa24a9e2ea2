package wire

import "testing"

// BEP 52: "Index MUST be a multiple of length ... Length MUST be
// equal-to-or-greater-than two and a power of two."
func TestHashRangeCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		r    HashRange
		ok   bool
	}{
		{"two leaves", HashRange{Length: 2}, true},
		{"512 of the piece layer", HashRange{BaseLayer: 6, Index: 512, Length: 512, ProofLayers: 10}, true},
		{"largest libtorrent answers", HashRange{Length: 8192}, true},
		{"none", HashRange{}, false},
		{"one", HashRange{Length: 1}, false},
		{"three", HashRange{Length: 3}, false},
		{"index between", HashRange{Index: 1, Length: 2}, false},
		{"too many", HashRange{Length: 16384}, false},
		{"4 Gi", HashRange{Length: 1 << 31}, false},
		{"a layer no tree has", HashRange{BaseLayer: 64, Length: 2}, false},
		{"a proof no tree has", HashRange{Length: 2, ProofLayers: ^uint32(0)}, false},
		{"a proof above the root", HashRange{BaseLayer: 30, Length: 2, ProofLayers: 30}, false},
	} {
		if err := c.r.Check(); (err == nil) != c.ok || err != nil && err != ErrHashRange {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// BEP 52: "the first log2(length)-1 proof layers are ommitted. The ommitted
// layers are still counted towards the requested proof layers."
func TestUncles(t *testing.T) {
	for _, c := range []struct{ length, proof, want uint32 }{
		{2, 0, 0}, {2, 1, 1}, {2, 5, 5}, {4, 1, 0}, {4, 2, 1}, {512, 8, 0}, {512, 9, 1}, {512, 12, 4}, {8192, 3, 0},
	} {
		r := HashRange{Length: c.length, ProofLayers: c.proof}
		if got := r.Uncles(); got != int(c.want) {
			t.Errorf("length %d, proof layers %d: %d uncles, want %d", c.length, c.proof, got, c.want)
		}
	}
}
