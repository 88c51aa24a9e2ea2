package metainfo

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// blocksOf returns the block hashes of pieces [first, end) of a file.
func blocksOf(data []byte, pieceLength, first, end int) []Hash256 {
	var out []Hash256
	data = data[first*pieceLength : min(end*pieceLength, len(data))]
	for len(data) > 0 {
		n := min(BlockSize, len(data))
		out = append(out, LeafHash(data[:n]))
		data = data[n:]
	}
	return out
}

// fullTree is the tree of BEP 52 written down as the specification words it:
// layer 0 are the leaves, zeros behind the end.
func fullTree(data []byte) [][]Hash256 {
	leaves := blocksOf(data, len(data), 0, 1)
	width := 1
	for width < len(leaves) {
		width *= 2
	}
	layer := append(leaves, make([]Hash256, width-len(leaves))...)
	tree := [][]Hash256{layer}
	for len(layer) > 1 {
		var up []Hash256
		for k := 0; k < len(layer); k += 2 {
			up = append(up, LeafHash(append(layer[k][:], layer[k+1][:]...)))
		}
		layer = up
		tree = append(tree, layer)
	}
	return tree
}

func buildOne(t testing.TB, data []byte, pieceLength int64) *Torrent {
	t.Helper()
	return build(t, BuildOptions{
		Name: "f", PieceLength: pieceLength, V2: true,
		Files: []BuildFile{{Path: []string{"f"}, Length: int64(len(data))}},
	}, [][]byte{data})
}

var treeSizes = []struct{ size, pieceLength int }{
	{1, 16384},
	{16384, 16384},
	{16385, 16384},
	{2 * 16384, 16384},
	{3 * 16384, 16384},
	{5*16384 + 1, 16384},
	{512 * 16384, 16384},
	{512*16384 + 1, 16384},
	{513 * 16384, 16384},
	{1025 * 16384, 16384},
	{1, 65536},
	{16385, 65536},
	{3 * 16384, 65536},
	{65536, 65536},
	{65537, 65536},
	{5*65536 - 1, 65536},
	{7*65536 + 40000, 65536},
}

func TestTreeFollowsTheSpecification(t *testing.T) {
	for _, tt := range treeSizes {
		data := content(9, int64(tt.size))
		tor := buildOne(t, data, int64(tt.pieceLength))
		tree := fullTree(data)
		f := &tor.Info.Files[0]
		if f.PiecesRoot != tree[len(tree)-1][0] {
			t.Errorf("%v: root %v", tt, f.PiecesRoot)
		}
		layer, ok := tor.PieceLayers[f.PiecesRoot]
		if ok != (tt.size > tt.pieceLength) {
			t.Errorf("%v: has a piece layer: %v", tt, ok)
		}
		if !ok {
			continue
		}
		want := tree[heightFor(tt.pieceLength/BlockSize)]
		for k := 0; k < len(layer)/32; k++ {
			if Hash256(layer[32*k:]) != want[k] {
				t.Fatalf("%v: piece %d", tt, k)
			}
		}
		if LayerRoot(layer, int64(tt.pieceLength)) != f.PiecesRoot {
			t.Errorf("%v: LayerRoot", tt)
		}
		for k := range tor.Info.NumPieces() {
			leaves := blocksOf(data, tt.pieceLength, k, k+1)
			if PieceRoot(leaves, tor.Info.PieceRootWidth(k)) != want[k] {
				t.Errorf("%v: PieceRoot of piece %d", tt, k)
			}
		}
	}
}

func TestPadHashes(t *testing.T) {
	var h Hash256
	for level := range maxLevels {
		if padHashes[level] != h {
			t.Errorf("level %d: %v", level, padHashes[level])
		}
		h = LeafHash(append(h[:], h[:]...))
	}
	if !LayerRoot(nil, BlockSize).IsZero() {
		t.Error("a layer of no pieces has a root")
	}
}

// One side has the torrent, the other only the info dictionary: every hash
// arrives through requests and answers, in whatever order.
func TestHashesBothDirections(t *testing.T) {
	for _, tt := range treeSizes {
		data := content(9, int64(tt.size))
		tor := buildOne(t, data, int64(tt.pieceLength))
		seed, leech := tor.Layers(), NewLayers(tor.Info)
		if leech.Complete() != (tt.size <= tt.pieceLength) {
			t.Errorf("%v: complete without any hash: %v", tt, leech.Complete())
		}
		asked := 0
		for k := tor.Info.NumPieces() - 1; k >= 0; k-- {
			r, ok := leech.Request(k)
			if !ok {
				continue
			}
			asked++
			if r.Length < 2 || r.Length > 512 || r.Length&(r.Length-1) != 0 || r.Index%r.Length != 0 {
				t.Fatalf("%v: request %+v breaks the rules of BEP 52", tt, r)
			}
			if first, end, err := seed.Blocks(r); first != end || err != nil {
				t.Fatalf("%v: a request of piece hashes wants blocks %d-%d, %v", tt, first, end, err)
			}
			answer, err := seed.Answer(r, nil)
			if err != nil || len(answer) != r.Size() {
				t.Fatalf("%v: %d bytes, %v", tt, len(answer), err)
			}
			if _, err := leech.Answer(r, nil); !errors.Is(err, ErrRequest) {
				t.Fatalf("%v: answers what it does not know: %v", tt, err)
			}
			if err := leech.Add(r, answer); err != nil {
				t.Fatalf("%v: %+v: %v", tt, r, err)
			}
			// What has been learned can be passed on at once.
			if again, err := leech.Answer(r, nil); err != nil || !bytes.Equal(again, answer) {
				t.Fatalf("%v: cannot pass %+v on: %v", tt, r, err)
			}
			if _, ok := leech.PieceHash(k); !ok {
				t.Fatalf("%v: piece %d is still unknown", tt, k)
			}
		}
		if want := (tor.Info.NumPieces() + 511) / 512; tt.size > tt.pieceLength && asked != want {
			t.Errorf("%v: %d requests, want %d", tt, asked, want)
		}
		if !leech.Complete() {
			t.Errorf("%v: not complete", tt)
		}
		root := tor.Info.Files[0].PiecesRoot
		if got, ok := leech.Layer(root); ok && !bytes.Equal(got, tor.PieceLayers[root]) {
			t.Errorf("%v: another layer", tt)
		}
		for k := range tor.Info.NumPieces() {
			a, _ := seed.PieceHash(k)
			if b, ok := leech.PieceHash(k); !ok || a != b {
				t.Errorf("%v: piece %d", tt, k)
			}
		}
	}
}

// Any range that a peer may ask for is answered with the nodes and uncles that
// the specification's tree has there.
func TestAnswer(t *testing.T) {
	for _, tt := range treeSizes {
		data := content(9, int64(tt.size))
		tor := buildOne(t, data, int64(tt.pieceLength))
		tree := fullTree(data)
		height := len(tree) - 1
		l := tor.Layers()
		for base := range height {
			for length := 1; length <= min(1024, len(tree[base])); length *= 2 {
				// The first range, the last with content, one in the middle.
				last := (blocksIn(int64(tt.size)) - 1) >> base
				for _, index := range []int{0, last / 2 / length * length, last / length * length} {
					for _, proof := range []int{0, height - base - 1} {
						r := HashRequest{tor.Info.Files[0].PiecesRoot, uint32(base), uint32(index), uint32(length), uint32(proof)}
						first, end, err := l.Blocks(r)
						if err != nil {
							t.Fatalf("%v %+v: %v", tt, r, err)
						}
						got, err := l.Answer(r, blocksOf(data, tt.pieceLength, first, end))
						if err != nil {
							t.Fatalf("%v %+v: %v", tt, r, err)
						}
						if want := specAnswer(tree, base, index, length, proof); !bytes.Equal(got, want) {
							t.Fatalf("%v %+v: wrong answer of %d bytes, want %d", tt, r, len(got), len(want))
						}
					}
				}
			}
		}
	}
}

// specAnswer words the answer as BEP 52 does: the range, then one uncle from
// each proof layer but the first log2(length)-1.
func specAnswer(tree [][]Hash256, base, index, length, proof int) []byte {
	var out []byte
	for _, h := range tree[base][index : index+length] {
		out = append(out, h[:]...)
	}
	log := 0
	for 1<<log < length {
		log++
	}
	for k := log - 1; k < proof; k++ {
		// The k-th proof layer is k+1 above the base; its uncle is the sibling
		// of the node on the way to the root. A range of one node needs its
		// own sibling first.
		h := tree[base+k+1][index>>(k+1)^1]
		out = append(out, h[:]...)
	}
	return out
}

func TestAddRejectsForgery(t *testing.T) {
	data := content(9, 1025*16384)
	tor := buildOne(t, data, 16384)
	seed := tor.Layers()
	r, _ := NewLayers(tor.Info).Request(700)
	good, err := seed.Answer(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k := 0; k < len(good); k += 32 {
		l := NewLayers(tor.Info)
		bad := bytes.Clone(good)
		bad[k] ^= 1
		if err := l.Add(r, bad); !errors.Is(err, ErrProof) {
			t.Fatalf("hash %d forged: %v", k/32, err)
		}
		if _, ok := l.PieceHash(700); ok {
			t.Fatal("a forged hash was kept")
		}
	}
	l := NewLayers(tor.Info)
	for _, bad := range [][]byte{nil, good[:32], good[:len(good)-32], good[:len(good)-1], append(bytes.Clone(good), make([]byte, 32)...)} {
		if err := l.Add(r, bad); !errors.Is(err, ErrProof) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
	// A proof that stops short of the root proves nothing yet.
	short := r
	short.ProofLayers--
	if err := l.Add(short, good[:len(good)-32]); !errors.Is(err, ErrProof) {
		t.Errorf("proof without the last uncle: %v", err)
	}
	if err := l.Add(r, good); err != nil {
		t.Errorf("the genuine answer: %v", err)
	}
	// With its neighbours known, a node below a known one is enough.
	if err := l.Add(short, good[:len(good)-32]); err != nil {
		t.Errorf("proof up to a known node: %v", err)
	}
}

func TestHashRequestsOutOfRange(t *testing.T) {
	data := content(9, 5*65536)
	tor := buildOne(t, data, 65536) // 20 blocks: height 5, pieces in layer 2
	l := tor.Layers()
	root := tor.Info.Files[0].PiecesRoot
	good := HashRequest{root, 2, 0, 8, 2}
	if _, err := l.Answer(good, nil); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		r    HashRequest
	}{
		{"unknown root", HashRequest{Hash256{1}, 2, 0, 8, 2}},
		{"zero root", HashRequest{Hash256{}, 2, 0, 8, 2}},
		{"nothing", HashRequest{root, 2, 0, 0, 2}},
		{"more than the layer", HashRequest{root, 2, 0, 16, 2}},
		{"behind the layer", HashRequest{root, 2, 8, 8, 2}},
		{"far behind the layer", HashRequest{root, 2, 1 << 31, 2, 2}},
		{"not aligned", HashRequest{root, 2, 2, 4, 2}},
		{"the root itself", HashRequest{root, 5, 0, 1, 0}},
		{"above the root", HashRequest{root, 1 << 31, 0, 1, 0}},
		{"too many proof layers", HashRequest{root, 2, 0, 8, 3}},
		{"4 billion proof layers", HashRequest{root, 2, 0, 8, 1<<32 - 1}},
		{"4 billion hashes", HashRequest{root, 2, 0, 1<<32 - 1, 2}},
		{"overflowing index", HashRequest{root, 2, 1<<32 - 8, 8, 2}},
		{"blocks behind the end", HashRequest{root, 0, 24, 4, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := l.Blocks(tt.r); !errors.Is(err, ErrRequest) {
				t.Errorf("Blocks: %v", err)
			}
			if _, err := l.Answer(tt.r, nil); !errors.Is(err, ErrRequest) {
				t.Errorf("Answer: %v", err)
			}
			if err := l.Add(tt.r, nil); !errors.Is(err, ErrRequest) {
				t.Errorf("Add: %v", err)
			}
			if _, err := l.CheckBlocks(tt.r, nil); !errors.Is(err, ErrRequest) {
				t.Errorf("CheckBlocks: %v", err)
			}
		})
	}
	if _, err := l.Answer(HashRequest{root, 0, 0, 4, 4}, nil); !errors.Is(err, ErrRequest) {
		t.Errorf("blocks without their hashes: %v", err)
	}
	// Without a tree there is nothing to ask.
	v1 := NewLayers(&Info{HasV1: true, PieceLength: 16384, Length: 99999})
	if _, ok := v1.Request(0); ok || !v1.Complete() {
		t.Error("a v1 torrent wants hashes")
	}
	if _, err := v1.Answer(good, nil); !errors.Is(err, ErrRequest) {
		t.Errorf("v1: %v", err)
	}
}

// A failed piece is traced to its bad blocks.
func TestBlockHashes(t *testing.T) {
	for _, tt := range treeSizes {
		data := content(9, int64(tt.size))
		tor := buildOne(t, data, int64(tt.pieceLength))
		seed, leech := tor.Layers(), tor.Layers()
		for k := range tor.Info.NumPieces() {
			blocks := blocksOf(data, tt.pieceLength, k, k+1)
			r, ok := leech.BlockRequest(k)
			if !ok {
				if len(blocks) > 1 {
					t.Errorf("%v: no request for piece %d of %d blocks", tt, k, len(blocks))
				}
				continue
			}
			first, end, err := seed.Blocks(r)
			if first != k || end != k+1 || err != nil {
				t.Fatalf("%v: piece %d wants blocks of %d-%d, %v", tt, k, first, end, err)
			}
			answer, err := seed.Answer(r, blocks)
			if err != nil {
				t.Fatal(err)
			}
			got, err := leech.CheckBlocks(r, answer)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(blocks) {
				t.Fatalf("%v: piece %d: %d hashes, %v", tt, k, len(got), err)
			}
			answer[40] ^= 1
			if _, err := leech.CheckBlocks(r, answer); !errors.Is(err, ErrProof) {
				t.Errorf("%v: forged block hash: %v", tt, err)
			}
			if _, err := leech.CheckBlocks(r, answer[32:]); !errors.Is(err, ErrProof) {
				t.Errorf("%v: missing block hash: %v", tt, err)
			}
		}
	}
}

// Two files with the same content share one tree.
func TestSameContentTwice(t *testing.T) {
	data := content(3, 5*16384)
	tor := build(t, BuildOptions{Name: "d", PieceLength: 16384, V2: true, Files: []BuildFile{
		{Path: []string{"a"}, Length: int64(len(data))}, {Path: []string{"b"}, Length: int64(len(data))},
	}}, [][]byte{data, data})
	if len(tor.PieceLayers) != 1 {
		t.Fatalf("%d layers", len(tor.PieceLayers))
	}
	l := NewLayers(tor.Info)
	r, _ := l.Request(0)
	answer, err := tor.Layers().Answer(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Add(r, answer); err != nil {
		t.Fatal(err)
	}
	if h, ok := l.PieceHash(9); !ok || !l.Complete() {
		t.Errorf("the second file is unknown: %v", h)
	}
}

func TestAddLayerRejects(t *testing.T) {
	tor := buildOne(t, content(1, 3*16384), 16384)
	root := tor.Info.Files[0].PiecesRoot
	layer := tor.PieceLayers[root]
	l := NewLayers(tor.Info)
	bad := bytes.Clone(layer)
	bad[0] ^= 1
	for _, b := range [][]byte{nil, bad, layer[:64], append(bytes.Clone(layer), make([]byte, 32)...)} {
		if err := l.AddLayer(root, b); !errors.Is(err, ErrLayers) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	if err := l.AddLayer(Hash256{1}, layer); !errors.Is(err, ErrLayers) || l.Complete() {
		t.Errorf("unknown root: %v", err)
	}
	if err := l.AddLayer(root, layer); err != nil || !l.Complete() {
		t.Errorf("the genuine layer: %v", err)
	}
}

func FuzzLayersAdd(f *testing.F) {
	tor := buildOne(f, content(9, 5*65536-1), 65536)
	seed := tor.Layers()
	r, _ := NewLayers(tor.Info).Request(0)
	answer, err := seed.Answer(r, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.Base, r.Index, r.Length, r.ProofLayers, answer)
	f.Add(uint32(0), uint32(4), uint32(4), uint32(0), make([]byte, 128))
	f.Fuzz(func(t *testing.T, base, index, length, proof uint32, hashes []byte) {
		r := HashRequest{tor.Info.Files[0].PiecesRoot, base, index, length, proof}
		l := NewLayers(tor.Info)
		if l.Add(r, hashes) == nil {
			for k := range tor.Info.NumPieces() {
				want, _ := seed.PieceHash(k)
				if got, ok := l.PieceHash(k); ok && got != want {
					t.Fatalf("forged hash of piece %d with %+v", k, r)
				}
			}
		}
		_, _ = seed.CheckBlocks(r, hashes)
		first, end, err := seed.Blocks(r)
		if err != nil {
			return
		}
		blocks := blocksOf(content(9, 5*65536-1), 65536, first, end)
		if out, err := seed.Answer(r, blocks); err != nil || len(out) != r.Size() {
			t.Fatalf("%+v: %d bytes, %v", r, len(out), err)
		}
	})
}
