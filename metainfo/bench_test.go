package metainfo

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"testing"
)

func BenchmarkHashPiece(b *testing.B) {
	data := content(4, 1<<20)
	for _, v := range []struct {
		name   string
		v1, v2 bool
	}{{"v1", true, false}, {"v2", false, true}, {"hybrid", true, true}} {
		b.Run(v.name, func(b *testing.B) {
			bld, err := NewBuilder(BuildOptions{Name: "f", V1: v.v1, V2: v.v2, PieceLength: 1 << 20,
				Files: []BuildFile{{Path: []string{"f"}, Length: 3 << 20}}})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				bld.HashPiece(1, data)
			}
		})
	}
}

// bigTorrents are about 10 MB each.
func bigTorrents() map[string][]byte {
	out := make(map[string][]byte)
	var files strings.Builder
	for k := range 160_000 {
		name := "file" + strconv.Itoa(k) + ".dat"
		files.WriteString("d6:lengthi70000e4:pathl8:folder" + strconv.Itoa(10+k/2000) + strconv.Itoa(len(name)) + ":" + name + "ee")
	}
	pieces := strings.Repeat("01234567890123456789", (160_000*70000+1<<20-1)>>20)
	out["v1 of 160000 files"] = []byte("d4:infod5:filesl" + files.String() + "e4:name1:d12:piece lengthi1048576e6:pieces" +
		strconv.Itoa(len(pieces)) + ":" + pieces + "ee")

	var tree strings.Builder
	const n = 110_000
	for k := range n {
		name := "file" + strconv.Itoa(1_000_000+k)
		root := sha256.Sum256([]byte(name))
		tree.WriteString(strconv.Itoa(len(name)) + ":" + name + "d0:d6:lengthi9000e11:pieces root32:" + string(root[:]) + "ee")
	}
	out["v2 of 110000 files"] = []byte("d4:infod9:file treed" + tree.String() + "e12:meta versioni2e4:name1:d12:piece lengthi16384ee12:piece layersdee")

	layer := []byte(strings.Repeat("0123456789abcdef0123456789abcdef", 10_000_000/32))
	root := LayerRoot(layer, 1<<20)
	out["v2 with a layer of 312500 pieces"] = []byte("d4:infod9:file treed1:fd0:d6:lengthi" + strconv.FormatInt(int64(len(layer)/32)<<20, 10) +
		"e11:pieces root32:" + string(root[:]) + "eee12:meta versioni2e4:name1:f12:piece lengthi1048576ee12:piece layersd32:" + string(root[:]) +
		strconv.Itoa(len(layer)) + ":" + string(layer) + "ee")
	return out
}

func BenchmarkParse(b *testing.B) {
	for name, in := range bigTorrents() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
