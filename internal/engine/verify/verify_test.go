package verify

import (
	"math/rand/v2"
	"testing"

	"github.com/shoal-p2p/shoal/internal/sha"
	"github.com/shoal-p2p/shoal/metainfo"
)

const pieceLen = 64 << 10

// content is a torrent with its bytes: two whole pieces and the rest of one.
type content struct {
	*metainfo.Torrent
	data []byte
}

func build(t testing.TB, v1, v2 bool) content {
	t.Helper()
	data := make([]byte, 2*pieceLen+20_000)
	rand.NewChaCha8([32]byte{4}).Read(data)
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "clip.bin", PieceLength: pieceLen, V1: v1, V2: v2,
		Files: []metainfo.BuildFile{{Path: []string{"clip.bin"}, Length: int64(len(data))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := content{data: data}
	for i := range b.NumPieces() {
		b.SetPiece(i, b.HashPiece(i, data[i*pieceLen:min(len(data), (i+1)*pieceLen)]))
	}
	if c.Torrent, err = b.Finish(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c content) piece(i int) []byte {
	return append([]byte(nil), c.data[i*pieceLen:min(len(c.data), (i+1)*pieceLen)]...)
}

func (c content) want(t testing.TB, i int) Want {
	t.Helper()
	w := Want{Info: c.Info, Index: i}
	if h, ok := c.Info.PieceHashV1(i); ok {
		w.V1 = &h
	}
	if c.Info.HasV2 {
		h, ok := c.Layers().PieceHash(i)
		if !ok {
			t.Fatalf("no v2 hash of piece %d", i)
		}
		w.V2 = &h
	}
	return w
}

// platform is a Hasher that is right, and counts its calls.
type platform struct{ calls int }

func (p *platform) Hash(data []byte, v1 bool, tree int) (sum [20]byte, leaves []metainfo.Hash256) {
	p.calls++
	if v1 {
		sum = sha.Sum1(data)
	}
	for at := 0; at < tree; at += metainfo.BlockSize {
		leaves = append(leaves, metainfo.LeafHash(data[at:min(tree, at+metainfo.BlockSize)]))
	}
	return sum, leaves
}

// liar is a Hasher that gives the hashes of other bytes.
type liar struct{ platform }

func (l *liar) Hash(data []byte, v1 bool, tree int) ([20]byte, []metainfo.Hash256) {
	other := append([]byte(nil), data...)
	other[len(other)/2] ^= 1
	return l.platform.Hash(other, v1, tree)
}

func TestGenuineIsWhatAllHashesHoldFor(t *testing.T) {
	for _, version := range []struct {
		name   string
		v1, v2 bool
	}{{"v1", true, false}, {"v2", false, true}, {"hybrid", true, true}} {
		for _, how := range []struct {
			name   string
			hasher Hasher
		}{{"Go", nil}, {"platform", &platform{}}} {
			t.Run(version.name+" by "+how.name, func(t *testing.T) {
				c := build(t, version.v1, version.v2)
				for i := range c.Info.NumPieces() {
					w, data := c.want(t, i), c.piece(i)
					g, ok := Check(data, w, how.hasher)
					if !ok || g.Index() != i || &g.Bytes()[0] != &data[0] || len(g.Bytes()) != len(data) {
						t.Fatalf("piece %d: %v, index %d", i, ok, g.Index())
					}
					for _, at := range []int{0, len(data) / 2, len(data) - 1} {
						data[at] ^= 0x10
						if _, ok := Check(data, w, how.hasher); ok {
							t.Fatalf("piece %d is genuine with another byte %d", i, at)
						}
						data[at] ^= 0x10
					}
					if _, ok := Check(data[:len(data)-1], w, how.hasher); ok {
						t.Fatalf("piece %d is genuine without its last byte", i)
					}
					if _, ok := Check(append(data, 0), w, how.hasher); ok {
						t.Fatalf("piece %d is genuine with a byte more", i)
					}
				}
			})
		}
	}
}

// A hybrid's piece has two hashes; each alone can be wrong, as when the torrent was
// made of different bytes for each half.
func TestBothHashesOfAHybridCount(t *testing.T) {
	c := build(t, true, true)
	for _, h := range []Hasher{nil, &platform{}} {
		w := c.want(t, 1)
		wrong1, wrong2 := *w.V1, *w.V2
		wrong1[19] ^= 1
		wrong2[31] ^= 1
		if _, ok := Check(c.piece(1), Want{Info: c.Info, Index: 1, V1: &wrong1, V2: w.V2}, h); ok {
			t.Error("genuine although the v1 hash differs")
		}
		if _, ok := Check(c.piece(1), Want{Info: c.Info, Index: 1, V1: w.V1, V2: &wrong2}, h); ok {
			t.Error("genuine although the v2 hash differs")
		}
		if _, ok := Check(c.piece(1), Want{Info: c.Info, Index: 1}, h); ok {
			t.Error("genuine without any hash")
		}
		for _, w := range []Want{{Info: c.Info, Index: 1, V1: w.V1}, {Info: c.Info, Index: 1, V2: w.V2}} {
			if _, ok := Check(c.piece(1), w, h); !ok {
				t.Error("not genuine by the one hash that is known")
			}
		}
	}
}

func TestThePlatformIsAskedAndNotBelievedBlindly(t *testing.T) {
	for _, version := range [][2]bool{{true, false}, {false, true}, {true, true}} {
		c := build(t, version[0], version[1])
		p, l := &platform{}, &liar{}
		if _, ok := Check(c.piece(0), c.want(t, 0), p); !ok || p.calls != 1 {
			t.Errorf("genuine %v after %d calls", ok, p.calls)
		}
		if _, ok := Check(c.piece(0), c.want(t, 0), l); ok || l.calls != 1 {
			t.Errorf("what the platform hashed to something else is genuine: %v, %d calls", ok, l.calls)
		}
	}
}

func TestSumsTellWhichBlocksDiffer(t *testing.T) {
	c := build(t, true, false)
	data := c.piece(0)
	good := Sums(data)
	if len(good) != pieceLen/metainfo.BlockSize {
		t.Fatalf("%d sums", len(good))
	}
	for b := range good {
		if good[b] != sha.Sum1(data[b*metainfo.BlockSize:(b+1)*metainfo.BlockSize]) {
			t.Fatalf("the sum of block %d is not its SHA-1", b)
		}
	}
	data[2*metainfo.BlockSize] ^= 1
	for b, sum := range Sums(data) {
		if (sum != good[b]) != (b == 2) {
			t.Errorf("block %d differs: %v", b, sum != good[b])
		}
	}
	last := c.piece(2)
	if sums := Sums(last); len(sums) != 2 || sums[1] != sha.Sum1(last[metainfo.BlockSize:]) {
		t.Errorf("%d sums of a short piece", len(sums))
	}
	if sums := Sums(last[:metainfo.BlockSize+1]); len(sums) != 2 || sums[1] != sha.Sum1(last[metainfo.BlockSize:][:1]) {
		t.Errorf("%d sums of a block and a byte", len(sums))
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, size := range []int{256 << 10, 4 << 20} {
		name := "256KiB"
		if size > 1<<20 {
			name = "4MiB"
		}
		b.Run(name, func(b *testing.B) {
			builder, err := metainfo.NewBuilder(metainfo.BuildOptions{
				Name: "clip.bin", PieceLength: int64(size), V1: true, V2: true,
				Files: []metainfo.BuildFile{{Path: []string{"clip.bin"}, Length: int64(2 * size)}},
			})
			if err != nil {
				b.Fatal(err)
			}
			data := make([]byte, size)
			sum := builder.HashPiece(0, data)
			builder.SetPiece(0, sum)
			builder.SetPiece(1, sum)
			tor, err := builder.Finish()
			if err != nil {
				b.Fatal(err)
			}
			pieces := make([][]byte, 64<<20/size) // more than the caches hold
			for i := range pieces {
				pieces[i] = make([]byte, size)
			}
			w := Want{Info: tor.Info, V1: &sum.V1, V2: &sum.V2}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, ok := Check(pieces[i%len(pieces)], w, nil); !ok {
					b.Fatal("not genuine")
				}
			}
		})
	}
}

func TestABlockIsGenuineByItsOwnHash(t *testing.T) {
	c := build(t, false, true)
	data := c.piece(0)[metainfo.BlockSize : 2*metainfo.BlockSize]
	leaf := metainfo.LeafHash(data)
	if g, ok := CheckBlock(data, 1, leaf); !ok || g.Block() != 1 {
		t.Errorf("genuine: %v, block %d", ok, g.Block())
	}
	for _, at := range []int{0, len(data) - 1} {
		data[at] ^= 1
		if _, ok := CheckBlock(data, 1, leaf); ok {
			t.Errorf("genuine with another byte %d", at)
		}
		data[at] ^= 1
	}
	if _, ok := CheckBlock(data[1:], 1, leaf); ok {
		t.Error("genuine without its first byte")
	}
}

// A hasher hashes what counts and no more: SHA-1 where there is one to compare, and
// the blocks of the file, not those of the padding behind it.
func TestThePlatformHashesWhatCounts(t *testing.T) {
	for _, version := range [][2]bool{{true, false}, {false, true}, {true, true}} {
		c := build(t, version[0], version[1])
		for i := range c.Info.NumPieces() {
			h := &asked{}
			if _, ok := Check(c.piece(i), c.want(t, i), h); !ok {
				t.Fatal("not genuine")
			}
			tree := 0
			if version[1] {
				tree = len(c.piece(i))
			}
			if h.v1 != version[0] || h.tree != tree {
				t.Errorf("v1 %v, v2 %v: piece %d is hashed by SHA-1: %v, %d bytes by blocks", version[0], version[1], i, h.v1, h.tree)
			}
		}
	}
}

// asked is a platform that tells what it was asked for.
type asked struct {
	platform
	v1   bool
	tree int
}

func (a *asked) Hash(data []byte, v1 bool, tree int) ([20]byte, []metainfo.Hash256) {
	a.v1, a.tree = v1, tree
	return a.platform.Hash(data, v1, tree)
}
