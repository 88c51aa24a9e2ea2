package metainfo

// tree is what is known of a file's merkle tree from the piece layer up. It
// starts sparse, with the nodes that proofs brought, and becomes full once
// every piece hash is there.
type tree struct {
	root   Hash256
	file   int // first file with this root
	pieces int
	base   int // layer of the piece hashes above the blocks
	height int // layers from the piece hashes to the root

	sparse  map[node]Hash256 // proved nodes; nil once full
	missing int              // piece hashes not known yet
	full    [][]byte         // by layer, 32 bytes a node; those above the first are made on demand
}

// node is a place in the tree, layers counted from the piece hashes.
type node struct{ layer, index uint32 }

func newTree(root Hash256, file, pieces, base int) *tree {
	return &tree{root: root, file: file, pieces: pieces, base: base, height: heightFor(pieces), missing: pieces}
}

// count returns how many nodes of a layer are not padding alone.
func (t *tree) count(layer int) int { return (t.pieces + 1<<layer - 1) >> layer }

// get returns a node, false when it is not known.
func (t *tree) get(layer, index int) (Hash256, bool) {
	switch {
	case layer == t.height:
		return t.root, true
	case index >= t.count(layer):
		return padHashes[t.base+layer], true
	case t.full != nil:
		for len(t.full) <= layer {
			below := len(t.full) - 1
			up := make([]byte, 0, 32*t.count(below+1))
			t.full = append(t.full, layerUp(up, t.full[below], &padHashes[t.base+below]))
		}
		return Hash256(t.full[layer][32*index:]), true
	}
	h, ok := t.sparse[node{uint32(layer), uint32(index)}]
	return h, ok
}

// put keeps a proved node.
func (t *tree) put(layer, index int, h *Hash256) {
	if t.full != nil || layer == t.height || index >= t.count(layer) {
		return
	}
	if t.sparse == nil {
		t.sparse = make(map[node]Hash256)
	}
	at := node{uint32(layer), uint32(index)}
	if _, ok := t.sparse[at]; ok {
		return
	}
	t.sparse[at] = *h
	if layer > 0 {
		return
	}
	if t.missing--; t.missing == 0 {
		layer := make([]byte, 0, 32*t.pieces)
		for k := range t.pieces {
			h := t.sparse[node{0, uint32(k)}]
			layer = append(layer, h[:]...)
		}
		t.full, t.sparse = [][]byte{layer}, nil
	}
}

// setLayer takes the whole piece layer if it leads to the root.
func (t *tree) setLayer(layer []byte) bool {
	if len(layer) != 32*t.pieces {
		return false
	}
	var s stack
	for k := range t.pieces {
		s.add((*Hash256)(layer[32*k:]))
	}
	if s.root(t.height, t.base) != t.root {
		return false
	}
	t.full, t.sparse, t.missing = [][]byte{layer}, nil, 0
	return true
}
