package metainfo

// fileOf returns the first file with a root, and the height of its tree.
func (l *Layers) fileOf(root Hash256) (f *File, height int, ok bool) {
	if t := l.trees[root]; t != nil {
		return &l.info.Files[t.file], l.base + t.height, true
	}
	if l.small == nil {
		l.small = make(map[Hash256]int)
		for k := range l.info.Files {
			f := &l.info.Files[k]
			if _, ok := l.small[f.PiecesRoot]; ok || f.PiecesRoot.IsZero() || f.Length > l.info.PieceLength {
				continue
			}
			l.small[f.PiecesRoot] = k
		}
	}
	k, ok := l.small[root]
	if !ok {
		return nil, 0, false
	}
	f = &l.info.Files[k]
	return f, heightFor(blocksIn(f.Length)), true
}

// Blocks returns the pieces whose block hashes Answer needs for a request that
// a peer sent: none, first == end, for the piece layer or one above it. The
// error is of kind ErrRequest and means hash reject.
func (l *Layers) Blocks(r HashRequest) (first, end int, err error) {
	f, first, end, err := l.blocks(r)
	if err != nil || first == end {
		return 0, 0, err
	}
	off := int(f.Offset / l.info.PieceLength)
	return off + first, off + end, nil
}

// blocks is Blocks with pieces counted from the start of the file.
func (l *Layers) blocks(r HashRequest) (f *File, first, end int, err error) {
	f, height, ok := l.fileOf(r.Root)
	if !ok {
		return nil, 0, 0, &Error{Err: ErrRequest, Msg: "no such file"}
	}
	if err := r.check(height); err != nil {
		return nil, 0, 0, err
	}
	if int(r.Base) >= l.base {
		return f, 0, 0, nil
	}
	shift := l.base - int(r.Base)
	first = int(r.Index) >> shift
	end = min(l.info.piecesOf(f), (int(r.Index)+int(r.Length)-1)>>shift+1)
	if first >= end {
		return nil, 0, 0, &Error{Err: ErrRequest, Msg: "behind the end of the file"}
	}
	return f, first, end, nil
}

// Answer returns what follows the request in a hashes message. blocks holds the
// block hashes of the pieces that Blocks named, one piece behind the other. The
// error is of kind ErrRequest and means hash reject.
func (l *Layers) Answer(r HashRequest, blocks []Hash256) ([]byte, error) {
	f, first, end, err := l.blocks(r)
	if err != nil {
		return nil, err
	}
	var low [][]byte // the layers below the piece layer, of those pieces
	if first < end {
		bytes := min(f.Length, int64(end)*l.info.PieceLength) - int64(first)*l.info.PieceLength
		if len(blocks) != blocksIn(bytes) {
			return nil, &Error{Err: ErrRequest, Msg: "block hashes are not available"}
		}
		leaves := make([]byte, 0, 32*len(blocks))
		for k := range blocks {
			leaves = append(leaves, blocks[k][:]...)
		}
		low = append(low, leaves)
		for k := 1; k < l.base; k++ {
			low = append(low, layerUp(nil, low[k-1], &padHashes[k-1]))
		}
	}
	t := l.trees[r.Root]
	out := make([]byte, 0, r.Size())
	known := true
	add := func(layer, index int) {
		var h Hash256
		switch {
		case layer < l.base:
			index -= first << (l.base - layer)
			if 32*index < len(low[layer]) {
				h = Hash256(low[layer][32*index:])
			} else {
				h = padHashes[layer]
			}
		case t != nil:
			var ok bool
			h, ok = t.get(layer-l.base, index)
			known = known && ok
		}
		out = append(out, h[:]...)
	}
	for k := range int(r.Length) {
		add(int(r.Base), int(r.Index)+k)
	}
	sub := heightFor(int(r.Length))
	for k := range r.uncles() {
		add(int(r.Base)+sub+k, int(r.Index)>>(sub+k)^1)
	}
	if !known {
		return nil, &Error{Err: ErrRequest, Msg: "hashes are not known"}
	}
	return out, nil
}

// BlockRequest returns the request for the hashes of the blocks of a piece, to
// find the bad ones. It is false when the piece has a single block or its own
// hash is not known.
func (l *Layers) BlockRequest(index int) (HashRequest, bool) {
	f, n, t, ok := l.at(index)
	if !ok {
		return HashRequest{}, false
	}
	width := 1 << l.base
	if t == nil || f.Length <= l.info.PieceLength {
		width, n = 1<<heightFor(blocksIn(f.Length)), 0
	} else if _, ok := t.get(0, n); !ok {
		return HashRequest{}, false
	}
	if width == 1 || width > maxHashes {
		return HashRequest{}, false
	}
	return HashRequest{Root: f.PiecesRoot, Index: uint32(n * width), Length: uint32(width)}, true
}

// CheckBlocks checks the answer to a BlockRequest against the piece's hash and
// returns the hash of each block. Errors are of kind ErrRequest or ErrProof.
func (l *Layers) CheckBlocks(r HashRequest, hashes []byte) ([]Hash256, error) {
	f, first, end, err := l.blocks(r)
	if err != nil {
		return nil, err
	}
	index := int(f.Offset/l.info.PieceLength) + first
	if want, ok := l.BlockRequest(index); end != first+1 || !ok || r != want {
		return nil, &Error{Err: ErrRequest, Msg: "not the blocks of a piece"}
	}
	if len(hashes) != r.Size() {
		return nil, &Error{Err: ErrProof, Msg: "wrong number of hashes"}
	}
	leaves := make([]Hash256, r.Length)
	for k := range leaves {
		leaves[k] = Hash256(hashes[32*k:])
	}
	want, _ := l.PieceHash(index)
	if PieceRoot(leaves, 0) != want {
		return nil, &Error{Err: ErrProof}
	}
	n := blocksIn(min(l.info.PieceLength, f.Length-int64(first)*l.info.PieceLength))
	return leaves[:n], nil
}
