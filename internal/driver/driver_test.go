package driver_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/transport/tcp"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// makeTorrent builds a torrent of seeded random bytes.
func makeTorrent(t testing.TB, size int, v1, v2 bool) (*metainfo.Torrent, []byte) {
	t.Helper()
	return makeTorrentOf(t, size, 64<<10, v1, v2)
}

// makeTorrentOf is makeTorrent with pieces of another length.
func makeTorrentOf(t testing.TB, size, pieceLength int, v1, v2 bool) (*metainfo.Torrent, []byte) {
	t.Helper()
	data := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(data)
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "clip.bin", PieceLength: int64(pieceLength), V1: v1, V2: v2,
		Files: []metainfo.BuildFile{{Path: []string{"clip.bin"}, Length: int64(size)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumPieces() {
		from := i * pieceLength
		b.SetPiece(i, b.HashPiece(i, data[from:min(size, from+pieceLength)]))
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor, data
}

func dial(ctx context.Context, a netip.AddrPort) (transport.Conn, error) { return tcp.Dial(ctx, a) }

func newSession(t testing.TB) (*driver.Session, netip.AddrPort) {
	t.Helper()
	return newSessionOf(t, driver.Config{Dial: dial})
}

// newSessionOf is newSession with a configuration.
func newSessionOf(t testing.TB, cfg driver.Config) (*driver.Session, netip.AddrPort) {
	t.Helper()
	s := driver.NewSession(cfg)
	addr := addrOf(t, s)
	t.Cleanup(s.Close) // before its listener
	return s, addr
}

// addrOf is a listener of its own for a session.
func addrOf(t testing.TB, s *driver.Session) netip.AddrPort {
	t.Helper()
	l, err := tcp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), tcp.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.Accept(c)
		}
	}()
	t.Cleanup(func() { l.Close(); <-over })
	return l.Addr()
}

func memory(tor *metainfo.Torrent, data []byte) func(context.Context, *metainfo.Info) (driver.Content, error) {
	return func(_ context.Context, info *metainfo.Info) (driver.Content, error) {
		m := storage.NewMemory(info, storage.MemoryOptions{})
		c := driver.Content{Store: m}
		if data != nil {
			if _, err := m.WriteAt(data, 0); err != nil {
				return c, err
			}
			have := bits.New(info.NumPieces())
			have.Fill()
			c.Have = &have
			c.Layers = tor.Layers()
		}
		return c, nil
	}
}

func wait(t testing.TB, what string, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s after 20 s", what)
	}
}

func TestDownloadOverTCP(t *testing.T) {
	for _, c := range []struct {
		name   string
		v1, v2 bool
		magnet bool
	}{
		{"v1", true, false, false}, {"v2", false, true, false}, {"hybrid", true, true, false},
		{"v1 magnet", true, false, true}, {"v2 magnet", false, true, true}, {"hybrid magnet", true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tor, data := makeTorrent(t, 3<<20+12345, c.v1, c.v2)
			seed, addr := newSession(t)
			if _, err := seed.Add(driver.Options{Info: tor.Info, Open: memory(tor, data)}); err != nil {
				t.Fatal(err)
			}
			leech, _ := newSession(t)
			opt := driver.Options{Info: tor.Info, Open: memory(tor, nil)}
			if c.magnet {
				opt.Info, opt.Key = nil, tor.Info.Key()
			}
			got, err := leech.Add(opt)
			if err != nil {
				t.Fatal(err)
			}
			got.AddPeers([]netip.AddrPort{addr}, swarm.User)
			wait(t, "info dictionary", got.Learned())
			r := got.NewReader(0, got.Info().TotalSize(), true)
			defer r.Close()
			all, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if sha256.Sum256(all) != sha256.Sum256(data) || !bytes.Equal(all, data) {
				t.Fatal("the bytes differ")
			}
			wait(t, "completion", got.Done())
		})
	}
}

// stalled is a connection that delivers some bytes and then nothing, and stays open.
type stalled struct {
	transport.Conn
	left  int
	ended chan struct{}
	once  sync.Once
}

func (c *stalled) Read(b []byte) (int, error) {
	if c.left == 0 {
		<-c.ended
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}

func (c *stalled) Close() error {
	c.once.Do(func() { close(c.ended) })
	return c.Conn.Close()
}

// A peer that stops in the middle of a block, as one does that is switched off, must
// not keep the same block of another peer out.
func TestHalfABlockDoesNotHoldUpThePiece(t *testing.T) {
	tor, data := makeTorrent(t, 3<<20, true, false)
	var seeds [2]netip.AddrPort
	for i := range seeds {
		s, addr := newSession(t)
		if _, err := s.Add(driver.Options{Info: tor.Info, Open: memory(tor, data)}); err != nil {
			t.Fatal(err)
		}
		seeds[i] = addr
	}
	const stop = 5<<14 + 9000 // in a block, wherever the first one began
	leech, _ := newSessionOf(t, driver.Config{Dial: func(ctx context.Context, a netip.AddrPort) (transport.Conn, error) {
		c, err := tcp.Dial(ctx, a)
		if err != nil || a != seeds[0] {
			return c, err
		}
		return &stalled{Conn: c, left: stop, ended: make(chan struct{})}, nil
	}})
	got, err := leech.Add(driver.Options{Info: tor.Info, Open: memory(tor, nil)})
	if err != nil {
		t.Fatal(err)
	}
	got.AddPeers(seeds[:1], swarm.User)
	for end := time.Now().Add(20 * time.Second); got.Stats().Downloaded < 4*torrent.BlockSize; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("four blocks have not come after 20 s")
		}
	}
	got.AddPeers(seeds[1:], swarm.User)
	wait(t, "completion", got.Done())
}
