package driver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/sha"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// store is a memory store that a test may look into and make fail.
type store struct {
	*storage.Memory
	mu    sync.Mutex
	write func(p []byte, off int64) error // before each write; nil: all is well
}

func (s *store) WriteAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	write := s.write
	s.mu.Unlock()
	if write != nil {
		if err := write(p, off); err != nil {
			return 0, err
		}
	}
	return s.Memory.WriteAt(p, off)
}

func (s *store) failWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write = func([]byte, int64) error { return err }
	if err == nil {
		s.write = nil
	}
}

// share adds a complete torrent whose store holds data, which may be wrong.
func share(t *testing.T, s *driver.Session, tor *metainfo.Torrent, data []byte) *driver.Torrent {
	t.Helper()
	got, err := s.Add(driver.Options{Info: tor.Info, Open: memory(tor, data)})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// fetch adds a torrent that has nothing yet.
func fetch(t *testing.T, s *driver.Session, tor *metainfo.Torrent) (*driver.Torrent, *store) {
	t.Helper()
	st := &store{Memory: storage.NewMemory(tor.Info, storage.MemoryOptions{})}
	got, err := s.Add(driver.Options{Info: tor.Info, Open: func(context.Context, *metainfo.Info) (driver.Content, error) {
		return driver.Content{Store: st, Layers: tor.Layers()}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return got, st
}

func isDone(got *driver.Torrent) bool {
	select {
	case <-got.Done():
		return true
	default:
		return false
	}
}

// What is in the store after a download is what was shared, byte for byte: it is
// read from the store itself, not from what the driver still has in memory.
func TestEachPieceIsKeptInItsPlace(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 700_000, true, true)
		seed, addr := n.session(t, "192.0.2.1:1", nil)
		share(t, seed, tor, data)
		leech, _ := n.session(t, "192.0.2.2:1", nil)
		got, st := fetch(t, leech, tor)
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		time.Sleep(time.Minute)
		if !isDone(got) {
			t.Fatal("not complete after a minute")
		}
		all := make([]byte, len(data))
		if _, err := st.ReadAt(all, 0); err != nil || !bytes.Equal(all, data) {
			t.Fatalf("the store holds other bytes: %v", err)
		}
	})
}

var errFull = errors.New("the disk is full")

// A piece that could not be written is not had: nobody is offered it, readers do
// not get it, and the torrent says why it stopped. It goes on when there is room.
func TestAPieceThatCannotBeWrittenIsNotHad(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 700_000, true, false)
		seed, addr := n.session(t, "192.0.2.1:1", nil)
		share(t, seed, tor, data)
		leech, _ := n.session(t, "192.0.2.2:1", nil)
		got, st := fetch(t, leech, tor)
		st.failWith(errFull)
		r := got.NewReader(0, 100, false)
		defer r.Close()
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		if _, err := io.ReadFull(r, make([]byte, 100)); !errors.Is(err, errFull) {
			t.Errorf("the reader got %v", err)
		}
		time.Sleep(time.Minute)
		if have := got.Have(); have.Count() != 0 || isDone(got) {
			t.Errorf("%d pieces are had, done: %v", have.Count(), isDone(got))
		}
		if !errors.Is(got.Err(), errFull) {
			t.Errorf("the torrent says %v", got.Err())
		}
		st.failWith(nil)
		got.Pause(false)
		time.Sleep(time.Minute)
		if !isDone(got) || got.Err() != nil {
			t.Errorf("with room again: done %v, %v", isDone(got), got.Err())
		}
	})
}

// hasher hashes for the platform, rightly or not.
type hasher struct{ lies bool }

func (h hasher) Hash(p []byte, v1 bool, tree int) (sum [20]byte, leaves []metainfo.Hash256) {
	if v1 {
		sum = sha.Sum1(p)
	}
	for at := 0; at < tree; at += metainfo.BlockSize {
		leaves = append(leaves, metainfo.LeafHash(p[at:min(tree, at+metainfo.BlockSize)]))
	}
	if h.lies {
		sum[0] ^= 1
		if len(leaves) > 0 {
			leaves[0][0] ^= 1
		}
	}
	return sum, leaves
}

func TestThePlatformsHashesAreCompared(t *testing.T) {
	for _, lies := range []bool{false, true} {
		inBubble(t, func(t *testing.T, n *network) {
			tor, data := makeTorrent(t, 300_000, true, true)
			seed, addr := n.session(t, "192.0.2.1:1", nil)
			share(t, seed, tor, data)
			leech, _ := n.session(t, "192.0.2.2:1", func(c *driver.Config) { c.Hasher = hasher{lies} })
			got, _ := fetch(t, leech, tor)
			got.AddPeers([]netip.AddrPort{addr}, swarm.User)
			time.Sleep(time.Minute)
			if have := got.Have(); isDone(got) == lies || lies && have.Count() != 0 {
				t.Errorf("a hasher that lies (%v): %d pieces are had", lies, have.Count())
			}
		})
	}
}

// halves makes a hybrid whose two halves disagree about piece 1: data is right for
// one of them.
func halves(t *testing.T, rightV1 bool) (*metainfo.Torrent, []byte) {
	t.Helper()
	tor, data := makeTorrent(t, 4<<16, true, true)
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "clip.bin", PieceLength: 64 << 10, V1: true, V2: true,
		Files: []metainfo.BuildFile{{Path: []string{"clip.bin"}, Length: int64(len(data))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumPieces() {
		h := b.HashPiece(i, data[i<<16:(i+1)<<16])
		if i == 1 {
			other := b.HashPiece(i, make([]byte, 64<<10))
			if rightV1 {
				h.V2 = other.V2
			} else {
				h.V1 = other.V1
			}
		}
		b.SetPiece(i, h)
	}
	if tor, err = b.Finish(); err != nil {
		t.Fatal(err)
	}
	return tor, data
}

func TestBothHalvesOfAHybridAreChecked(t *testing.T) {
	for _, rightV1 := range []bool{false, true} {
		inBubble(t, func(t *testing.T, n *network) {
			tor, data := halves(t, rightV1)
			seed, addr := n.session(t, "192.0.2.1:1", nil)
			share(t, seed, tor, data)
			leech, _ := n.session(t, "192.0.2.2:1", nil)
			got, _ := fetch(t, leech, tor)
			got.AddPeers([]netip.AddrPort{addr}, swarm.User)
			time.Sleep(time.Minute)
			if have := got.Have(); have.Has(1) {
				t.Errorf("a piece is had for which only the v1 hash (%v) holds", rightV1)
			}
		})
	}
}

// slow is a store that takes its time, so that several peers get their share.
type slow struct{ storage.Store }

func (s slow) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return s.Store.ReadAt(p, off)
}

// shareSlowly is share with a store that takes its time.
func shareSlowly(t *testing.T, s *driver.Session, tor *metainfo.Torrent, data []byte) *driver.Torrent {
	t.Helper()
	got, err := s.Add(driver.Options{Info: tor.Info, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
		c, err := memory(tor, data)(ctx, info)
		c.Store = slow{c.Store}
		return c, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// comes reports whether a stream from that address is let in.
func comes(t *testing.T, n *network, from, to netip.AddrPort, key metainfo.Hash) bool {
	t.Helper()
	c, err := n.dialler(from)(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	hello := wire.Handshake{InfoHash: key, PeerID: [20]byte{from.Addr().As4()[3]}}
	c.Write(hello.Append(nil))
	_, err = io.ReadFull(c, make([]byte, wire.HandshakeLen))
	return err == nil
}

// Two peers bring the blocks of the only piece together, and one of them sends
// wrong bytes: it alone is found out by the sums of the blocks, and is not let in
// again.
func TestWhoSendsWrongBytesIsShutOut(t *testing.T) {
	for range 10 { // whom the piece is fetched from next is left to chance
		inBubble(t, func(t *testing.T, n *network) {
			tor, data := makeTorrentOf(t, 1<<20, 1<<20, true, false)
			wrong := bytes.Clone(data)
			for at := 0; at < len(wrong); at += 16 << 10 {
				wrong[at] ^= 1
			}
			bad, badAddr := n.session(t, "192.0.2.66:1", nil)
			shareSlowly(t, bad, tor, wrong)
			good, goodAddr := n.session(t, "192.0.2.1:1", nil)
			shareSlowly(t, good, tor, data)
			leech, leechAddr := n.session(t, "192.0.2.2:1", nil)
			got, st := fetch(t, leech, tor)
			got.AddPeers([]netip.AddrPort{badAddr, goodAddr}, swarm.User)
			time.Sleep(2 * time.Minute)
			if !isDone(got) {
				t.Fatal("not complete after two minutes")
			}
			all := make([]byte, len(data))
			if _, err := st.ReadAt(all, 0); err != nil || !bytes.Equal(all, data) {
				t.Fatalf("the store holds other bytes: %v", err)
			}
			if comes(t, n, badAddr, leechAddr, tor.Info.Key()) {
				t.Error("who sent wrong bytes is let in again")
			}
			if !comes(t, n, goodAddr, leechAddr, tor.Info.Key()) {
				t.Error("who sent right bytes is shut out")
			}
		})
	}
}

// A stream that was dialled for one torrent and turns out to be another's belongs
// to neither.
func TestADialledStreamOfAnotherTorrentIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, _ := makeTorrent(t, 300_000, true, false)
		addr := netip.MustParseAddrPort("192.0.2.9:1")
		other := wire.Handshake{InfoHash: metainfo.Hash{1, 2, 3}, PeerID: [20]byte{4}}
		ended := make(chan bool, 1)
		n.host(addr, func(c transport.Conn) {
			go func() {
				io.ReadFull(c, make([]byte, wire.HandshakeLen))
				c.Write(other.Append(nil))
				io.Copy(io.Discard, c)
				ended <- true
			}()
		})
		leech, _ := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, leech, tor)
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		synctest.Wait()
		if got.NumPeers() != 0 {
			t.Error("a stream of another torrent became a peer")
		}
		select {
		case <-ended:
		default:
			t.Error("the stream stays open")
		}
	})
}
