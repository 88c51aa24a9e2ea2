package driver

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// mute is a stream that notes whether a read on it was interrupted.
type mute struct {
	transport.Conn
	interrupted bool
}

func (m *mute) SetReadDeadline(t time.Time) error {
	m.interrupted = !t.IsZero()
	return nil
}

func testTorrent(p *pool) *Torrent {
	return &Torrent{s: &Session{pool: p}}
}

func testConn(t *Torrent) (*conn, *mute) {
	m := &mute{}
	return newConn(t, 1, [20]byte{}, m), m
}

func block(k byte) []byte { return bytes.Repeat([]byte{k}, blockSize) }

// A piece of three blocks and a half.
const testPiece = 3*blockSize + blockSize/2

func newTestBuffer() (*Torrent, *pieceBuffer) {
	t := testTorrent(newPool(64 << 20))
	return t, newPieceBuffer(t.s.pool, pieceKey{t, 0}, testPiece, testPiece, 7)
}

func TestTheFirstWholeCopyOfABlockCounts(t *testing.T) {
	tor, b := newTestBuffer()
	c1, _ := testConn(tor)
	c2, _ := testConn(tor)
	// One after the other.
	place := b.claim(c1, 0, blockSize)
	copy(place, block(1))
	if !b.landed(c1, 0, true) {
		t.Fatal("the first copy does not count")
	}
	if b.claim(c2, 0, blockSize) != nil || b.write(0, block(2)) {
		t.Fatal("a second copy counts")
	}
	// One overtakes the other, which goes on coming in.
	place = b.claim(c1, blockSize, blockSize)
	copy(place, block(9)[:100])
	if b.claim(c2, blockSize, blockSize) != nil {
		t.Fatal("two receive in the same place")
	}
	if !b.write(blockSize, block(3)) {
		t.Fatal("a block is kept out by another that is still coming")
	}
	if b.write(blockSize, block(4)) {
		t.Fatal("a third copy counts")
	}
	copy(place, block(9))
	if b.landed(c1, blockSize, true) {
		t.Fatal("the copy that came last counts too")
	}
	// One ends half way.
	b.claim(c1, 2*blockSize, blockSize)
	if b.landed(c1, 2*blockSize, false) {
		t.Fatal("half a block counts")
	}
	if !b.write(2*blockSize, block(5)) || !b.write(3*blockSize, block(6)[:blockSize/2]) {
		t.Fatal("a block does not find its place")
	}
	want := append(append(append(block(1), block(3)...), block(5)...), block(6)[:blockSize/2]...)
	if !bytes.Equal(b.use(), want) {
		t.Fatal("the piece holds other bytes")
	}
}

func TestWhatDoesNotBelongIsRefused(t *testing.T) {
	tor, b := newTestBuffer()
	c, _ := testConn(tor)
	for _, x := range []struct {
		begin  uint32
		length int
	}{
		{1, blockSize}, {0, blockSize - 1}, {0, blockSize / 2}, {3 * blockSize, blockSize}, {4 * blockSize, blockSize},
		{4 * blockSize, 0}, {1 << 31, blockSize},
	} {
		if b.claim(c, x.begin, x.length) != nil || b.write(x.begin, make([]byte, x.length)) {
			t.Errorf("%d bytes at %d are taken", x.length, x.begin)
		}
	}
	b.drop()
	if b.claim(c, 0, blockSize) != nil || b.write(0, block(1)) {
		t.Error("a block is put into a piece that was given up")
	}
}

// A piece may be complete while a copy of a block that was overtaken still comes
// in: it must not change what is hashed and stored.
func TestACompletePieceIsOutOfReach(t *testing.T) {
	tor, b := newTestBuffer()
	slow, stream := testConn(tor)
	place := b.claim(slow, 0, blockSize)
	copy(place, block(9)[:5])
	for k, n := range []int{blockSize, blockSize, blockSize, blockSize / 2} {
		if !b.write(uint32(k*blockSize), block(byte(k + 1))[:n]) {
			t.Fatalf("block %d", k)
		}
	}
	data := b.use()
	if !stream.interrupted {
		t.Error("the slow peer is not told to let go")
	}
	copy(place, block(9))
	if !bytes.Equal(data[:blockSize], block(1)) {
		t.Fatal("a late copy changed a complete piece")
	}
	b.drop()
	b.done(false)
	if b.landed(slow, 0, true) {
		t.Error("the late copy counts")
	}
	for range 4 { // its memory belongs to nobody else
		if got := tor.s.pool.get(testPiece); &got[0] == &place[0] {
			t.Fatal("memory that is still written to was given away")
		}
	}
}

func TestMemoryInUseIsNotGivenAway(t *testing.T) {
	for _, how := range []string{"hashing", "receiving"} {
		tor, b := newTestBuffer()
		c, _ := testConn(tor)
		var held []byte
		if how == "hashing" {
			held = b.use()
		} else {
			held = b.claim(c, 0, blockSize)
		}
		b.drop()
		if got := tor.s.pool.get(testPiece); &got[0] == &held[0] {
			t.Fatalf("%s: the memory was given away", how)
		}
		if how == "hashing" {
			b.done(false)
		} else {
			b.landed(c, 0, false)
		}
		if got := tor.s.pool.get(testPiece); &got[0] != &held[0] {
			t.Fatalf("%s: the memory was not reused afterwards", how)
		}
	}
}

// Receivers and whole copies from everywhere: the piece is what the winners sent.
func TestManyCopiesAtOnce(t *testing.T) {
	for round := range 50 {
		tor, b := newTestBuffer()
		var mu sync.Mutex
		winner := map[uint32]byte{}
		var wg sync.WaitGroup
		for w := range byte(6) {
			wg.Go(func() {
				c, _ := testConn(tor)
				rng := rand.New(rand.NewPCG(uint64(round), uint64(w)))
				for _, k := range rng.Perm(4) {
					begin, n := uint32(k*blockSize), blockSize
					if k == 3 {
						n /= 2
					}
					won := false
					if place := b.claim(c, begin, n); place != nil {
						copy(place[:n/2], block(w+1))
						copy(place[n/2:], block(w+1))
						won = b.landed(c, begin, true)
					} else {
						won = b.write(begin, block(w + 1)[:n])
					}
					if won {
						mu.Lock()
						if winner[begin] != 0 {
							t.Errorf("block %d was won twice", k)
						}
						winner[begin] = w + 1
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		data := b.use()
		for begin, w := range winner {
			n := min(blockSize, len(data)-int(begin))
			if !bytes.Equal(data[begin:][:n], block(w)[:n]) {
				t.Fatalf("block at %d is not the one that won", begin)
			}
		}
	}
}

func TestPoolReadsPiecesUntilTheirMemoryIsNeeded(t *testing.T) {
	p := newPool(64 << 20)
	tor := testTorrent(p)
	const size = 1 << 20
	put := func(i int) {
		b := p.get(size)
		for k := range b {
			b[k] = byte(i)
		}
		p.keep(b, pieceKey{tor, i})
	}
	for i := range 40 {
		put(i)
	}
	if p.content > keepBytes || p.held > keepBytes {
		t.Fatalf("%d bytes of pieces are kept, %d in all", p.content, p.held)
	}
	got := make([]byte, 1000)
	for i := range 40 {
		ok := p.read(pieceKey{tor, i}, got, size-1000)
		if ok != (i >= 40-keepBytes/size) {
			t.Errorf("piece %d is there: %v", i, ok)
		}
		if ok && !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, 1000)) {
			t.Errorf("piece %d has other bytes", i)
		}
	}
	if p.read(pieceKey{tor, 39}, got, size-999) {
		t.Error("read beyond the end of a piece")
	}
	if p.read(pieceKey{testTorrent(p), 39}, got, 0) {
		t.Error("read a piece of another torrent")
	}
	b := p.get(size)
	p.put(b)
	if c := p.get(size); &c[0] != &b[0] {
		t.Error("a warm buffer without content is not used first")
	}
}

// What is verified and stored can be read from memory while there is somebody to
// ask for it; what is not never can.
func TestOnlyGenuinePiecesAreReadFromMemory(t *testing.T) {
	for _, c := range []struct {
		kept    bool
		readers int32
		there   bool
	}{{true, 1, true}, {true, 0, false}, {false, 1, false}} {
		tor, b := newTestBuffer()
		tor.readers.Store(c.readers)
		copy(b.use(), block(5))
		b.drop()
		b.done(c.kept)
		got := make([]byte, 10)
		if tor.s.pool.read(b.key, got, 0) != c.there || c.there && got[0] != 5 {
			t.Errorf("kept %v, %d readers: there %v", c.kept, c.readers, !c.there)
		}
	}
}

func TestPoolTakesNothingAwayFromAReader(t *testing.T) {
	p := newPool(64 << 20)
	tor := testTorrent(p)
	for i := range keepBytes >> 20 {
		p.keep(p.get(1<<20), pieceKey{tor, i})
	}
	read := p.pieces.first
	read.readers++
	memory := &read.data[0]
	for range 2 * keepBytes >> 20 {
		if b := p.get(1 << 20); &b[0] == memory {
			t.Fatal("memory that is being read was given away")
		}
	}
	for p.drop() {
	}
	p.trim()
	if p.index[read.key] != read {
		t.Error("it was let go of")
	}
}

func TestPoolLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(4 << 20)
		tor := testTorrent(p)
		for i := range 100 {
			size := 10_000 * (i%70 + 1)
			if i%2 == 0 {
				p.keep(make([]byte, size, 1<<class(size)), pieceKey{tor, i})
			} else {
				p.put(make([]byte, size, 1<<class(size)))
			}
			if p.held > p.max {
				t.Fatalf("%d bytes are held, more than %d", p.held, p.max)
			}
		}
		time.Sleep(keepFor / 2)
		late := make([]byte, blockSize, blockSize)
		p.put(late)
		time.Sleep(keepFor)
		synctest.Wait()
		if p.held > blockSize {
			t.Fatalf("%d bytes are held after nobody took them for long", p.held)
		}
		time.Sleep(keepFor)
		synctest.Wait()
		if p.held != 0 || p.content != 0 || len(p.index) != 0 {
			t.Fatalf("%d bytes, %d of pieces, %d names are left", p.held, p.content, len(p.index))
		}
	})
}

func TestPoolKeepsNoForeignMemory(t *testing.T) {
	p := newPool(1 << 20)
	p.put(make([]byte, 12_345)) // of no class
	p.put(make([]byte, 4<<20))  // larger than all
	if p.held != 0 {
		t.Errorf("%d bytes are held", p.held)
	}
}

// The padding of a piece is not fetched, and its hash covers it: memory that was used
// before must be zeros there.
func TestPaddingOfABufferIsZeros(t *testing.T) {
	p := newPool(1 << 20)
	used := p.get(2 * blockSize)
	for k := range used {
		used[k] = 0xff
	}
	p.put(used)
	b := newPieceBuffer(p, pieceKey{&Torrent{}, 0}, 2*blockSize, 100, 1)
	if b.write(0, make([]byte, blockSize)) || !b.write(0, bytes.Repeat([]byte{7}, 100)) {
		t.Error("the block before the padding has another length than its data")
	}
	if got := b.use(); len(got) != 2*blockSize || !bytes.Equal(got[:100], bytes.Repeat([]byte{7}, 100)) || !bytes.Equal(got[100:], make([]byte, 2*blockSize-100)) {
		t.Error("other bytes")
	}
}
