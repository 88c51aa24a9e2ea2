package metainfo

// HashRequest names a range of nodes of a file's merkle tree, as the messages
// hash request, hashes and hash reject of BEP 52 carry it.
type HashRequest struct {
	Root        Hash256 // pieces root of the file
	Base        uint32  // layer, 0 is the 16 KiB blocks
	Index       uint32  // of the first node in that layer, a multiple of Length
	Length      uint32  // nodes, a power of two
	ProofLayers uint32  // layers above the base for which uncles are wanted
}

// maxHashes bounds the nodes of one request, as libtorrent does: enough for
// the blocks of a piece of 128 MiB. BEP 52 wants no more than 512 otherwise.
const maxHashes = 8192

// requestHashes is how many piece hashes Request asks for at once.
const requestHashes = 512

// Layers knows the hashes of the pieces of a v2 torrent, as far as they have
// been proved. For v1 torrents it is empty and complete. It is not safe for
// concurrent use.
type Layers struct {
	info    *Info
	base    int // layer of the piece hashes above the blocks
	trees   map[Hash256]*tree
	missing int             // trees that are not full
	small   map[Hash256]int // files of one piece, made when a peer asks
}

// NewLayers returns the layers that follow from the info dictionary alone:
// those of files of one piece.
func NewLayers(i *Info) *Layers {
	l := &Layers{info: i, trees: make(map[Hash256]*tree)}
	if !i.HasV2 {
		return l
	}
	l.base = heightFor(blocksIn(i.PieceLength))
	for k := range i.Files {
		f := &i.Files[k]
		if f.Pad || f.Length <= i.PieceLength || l.trees[f.PiecesRoot] != nil {
			continue
		}
		l.trees[f.PiecesRoot] = newTree(f.PiecesRoot, k, i.piecesOf(f), l.base)
		l.missing++
	}
	return l
}

func (i *Info) piecesOf(f *File) int { return int((f.Length + i.PieceLength - 1) / i.PieceLength) }

// AddLayer takes the whole piece layer of the files with that root, 32 bytes a
// piece, and checks it. It refers to the layer. The error is of kind
// ErrLayers.
func (l *Layers) AddLayer(root Hash256, layer []byte) error {
	t := l.trees[root]
	if t == nil {
		return &Error{Err: ErrLayers, Where: root.String(), Msg: "no file of several pieces has this root"}
	}
	was := t.missing
	if !t.setLayer(layer) {
		return &Error{Err: ErrLayers, Where: root.String()}
	}
	if was > 0 {
		l.missing--
	}
	return nil
}

// Layer returns the whole piece layer of the files with that root, false while
// it is not known and for files of one piece, which have none.
func (l *Layers) Layer(root Hash256) ([]byte, bool) {
	t := l.trees[root]
	if t == nil || t.full == nil {
		return nil, false
	}
	return t.full[0], true
}

// at returns the file that a piece belongs to, its place in the file, and the
// file's tree, nil for a file of one piece. ok is false where there is no
// merkle tree at all.
func (l *Layers) at(index int) (f *File, n int, t *tree, ok bool) {
	if !l.info.HasV2 || l.info.PieceSpan(index) == 0 {
		return nil, 0, nil, false
	}
	f = &l.info.Files[l.info.FileAt(int64(index)*l.info.PieceLength)]
	if f.Pad {
		return nil, 0, nil, false
	}
	return f, index - int(f.Offset/l.info.PieceLength), l.trees[f.PiecesRoot], true
}

// PieceHash returns the v2 hash of a piece, false while it is not known or
// when there is none.
func (l *Layers) PieceHash(index int) (Hash256, bool) {
	f, n, t, ok := l.at(index)
	if !ok {
		return Hash256{}, false
	}
	if f.Length <= l.info.PieceLength {
		return f.PiecesRoot, true
	}
	return t.get(0, n)
}

// Complete reports whether the hash of every piece is known.
func (l *Layers) Complete() bool { return l.missing == 0 }

// Request returns the hash request whose answer brings the hash of a piece and
// of its neighbours, up to 512, false when the hash is known or there is none.
// Equal pieces of the range give equal requests.
func (l *Layers) Request(index int) (HashRequest, bool) {
	f, n, t, ok := l.at(index)
	if !ok || f.Length <= l.info.PieceLength {
		return HashRequest{}, false
	}
	if _, ok := t.get(0, n); ok {
		return HashRequest{}, false
	}
	first := n &^ (requestHashes - 1)
	// The last of 512n+1 pieces would be a request for one node, which the
	// specification forbids and libtorrent answers without its sibling.
	length := max(2, min(requestHashes, 1<<heightFor(t.pieces-first)))
	return HashRequest{
		Root:        f.PiecesRoot,
		Base:        uint32(l.base),
		Index:       uint32(first),
		Length:      uint32(length),
		ProofLayers: uint32(t.height - 1),
	}, true
}

// uncles returns how many hashes follow those of the base layer: one for each
// proof layer but the first log2(Length)-1, which follow from the base.
func (r *HashRequest) uncles() int {
	return max(0, int(r.ProofLayers)-heightFor(int(r.Length))+1)
}

// Size returns how many bytes of hashes answer r.
func (r *HashRequest) Size() int { return 32 * (int(r.Length) + r.uncles()) }

// check returns an error for a range that does not exist in a tree of the given
// height above the blocks.
func (r *HashRequest) check(height int) error {
	bad := func(msg string) error { return &Error{Err: ErrRequest, Msg: msg} }
	if r.Length == 0 || r.Length > maxHashes {
		return bad("length out of range")
	}
	if int64(r.Base) >= int64(height) {
		return bad("base layer out of range")
	}
	nodes := int64(1) << (height - int(r.Base))
	width := int64(1) << heightFor(int(r.Length))
	if width > nodes || int64(r.Index)+int64(r.Length) > nodes {
		return bad("nodes out of range")
	}
	if int64(r.Index)%width != 0 {
		return bad("index is not a multiple of the length")
	}
	if int64(r.ProofLayers) >= int64(height)-int64(r.Base) {
		return bad("proof layers out of range")
	}
	return nil
}

// Add checks the answer to a request for piece hashes against the pieces root
// and keeps it: Length hashes followed by the uncles, 32 bytes each. All files
// with that root profit. Errors are of kind ErrRequest or ErrProof; nothing is
// kept then.
func (l *Layers) Add(r HashRequest, hashes []byte) error {
	t := l.trees[r.Root]
	if t == nil || int64(r.Base) != int64(l.base) {
		return &Error{Err: ErrRequest, Msg: "not a piece layer of this torrent"}
	}
	if err := r.check(l.base + t.height); err != nil {
		return err
	}
	if len(hashes) != r.Size() {
		return &Error{Err: ErrProof, Msg: "wrong number of hashes"}
	}
	if t.full != nil {
		return nil
	}
	// The range as a tree of its own, then the chain of uncles above it.
	sub := heightFor(int(r.Length))
	layers := [][]byte{hashes[:32*r.Length]}
	for k := range sub {
		layers = append(layers, layerUp(nil, layers[k], &padHashes[l.base+k]))
	}
	uncles := hashes[32*r.Length:]
	chain := []Hash256{Hash256(layers[sub])}
	index := int(r.Index) >> sub
	for k := 0; k < len(uncles); k += 32 {
		node, uncle := &chain[k/32], (*Hash256)(uncles[k:])
		if index>>(k/32)&1 == 0 {
			chain = append(chain, hashPair(node, uncle))
		} else {
			chain = append(chain, hashPair(uncle, node))
		}
	}
	top := len(chain) - 1
	if known, ok := t.get(sub+top, index>>top); !ok || known != chain[top] {
		return &Error{Err: ErrProof}
	}
	for k, layer := range layers {
		for n := 0; n < len(layer); n += 32 {
			t.put(k, int(r.Index)>>k+n/32, (*Hash256)(layer[n:]))
		}
	}
	for k := range len(uncles) / 32 {
		t.put(sub+k, index>>k^1, (*Hash256)(uncles[32*k:]))
		t.put(sub+k+1, index>>(k+1), &chain[k+1])
	}
	if t.full != nil {
		l.missing--
	}
	return nil
}
