package driver

import (
	"bytes"
	"testing"

	"github.com/shoal-p2p/shoal/internal/engine/verify"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Of a piece that is not whole only what was found genuine can be read, and a
// forged block makes room for another copy.
func TestOnlyGenuineBlocksAreReadEarly(t *testing.T) {
	const size = 2*blockSize + 100
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i * 7)
	}
	b := newPieceBuffer(newPool(1<<20), pieceKey{&Torrent{}, 3}, size, size, 1)
	p := make([]byte, size)
	bless := func(block int) {
		from, to := b.bounds(block)
		g, ok := verify.CheckBlock(b.data[from:to], block, metainfo.LeafHash(content[from:to]))
		if !ok {
			t.Fatalf("block %d is not genuine", block)
		}
		b.bless(g)
	}
	if !b.write(0, content[:blockSize]) || !b.write(2*blockSize, content[2*blockSize:]) {
		t.Fatal("not written")
	}
	if n := b.read(p, 0); n != 0 {
		t.Fatalf("%d bytes before any check", n)
	}
	bless(0)
	bless(2)
	if n := b.read(p, 10); n != blockSize-10 || !bytes.Equal(p[:n], content[10:blockSize]) {
		t.Fatalf("reads %d bytes", n)
	}
	if n := b.read(p, blockSize); n != 0 {
		t.Fatalf("reads %d bytes of a block that is not there", n)
	}
	forged := bytes.Repeat([]byte{1}, blockSize)
	b.write(blockSize, forged)
	if _, ok := verify.CheckBlock(forged, 1, metainfo.LeafHash(content[blockSize:2*blockSize])); ok {
		t.Fatal("a forged block passes")
	}
	b.erase(1)
	if !b.write(blockSize, content[blockSize:2*blockSize]) {
		t.Fatal("no room for another copy")
	}
	bless(1)
	if n := b.read(p, 0); n != size || !bytes.Equal(p, content) {
		t.Fatalf("reads %d bytes", n)
	}
	// One that overtook another is read where it lies.
	b.erase(2)
	c := &conn{}
	slow := b.claim(c, 2*blockSize, 100)
	if !b.write(2*blockSize, content[2*blockSize:]) {
		t.Fatal("not written aside")
	}
	copy(slow, forged)
	if got := b.useBlock(2); !bytes.Equal(got, content[2*blockSize:]) {
		t.Fatal("another copy is hashed than the one that counts")
	}
	b.done(false)
	if n := b.read(p, 2*blockSize); n != 100 || !bytes.Equal(p[:n], content[2*blockSize:]) {
		t.Fatalf("reads %d bytes, or those of another copy", n)
	}
	b.erase(2)
	if !b.landed(c, 2*blockSize, true) {
		t.Fatal("the slower copy has no place when the quicker one is forged")
	}
	b.drop()
	if n := b.read(p, 0); n != 0 {
		t.Fatalf("reads %d bytes of memory that may be another's", n)
	}
}
