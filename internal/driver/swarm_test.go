package driver_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// joins does a peer's part of the handshake, and reports whether it was answered in
// kind and the connection stays open.
func joins(t testing.TB, c transport.Conn, key metainfo.Hash) bool {
	t.Helper()
	h := wire.Handshake{InfoHash: key, PeerID: driver.NewPeerID()}
	h.SetFast()
	h.SetExtensions()
	if _, err := c.Write(h.Append(nil)); err != nil {
		return false
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, wire.HandshakeLen+5) // and the head of the first message
	_, err := io.ReadFull(readerOf{c}, buf)
	return err == nil
}

type readerOf struct{ c transport.Conn }

func (r readerOf) Read(p []byte) (int, error) { return r.c.Read(p) }

// A peer finds a hybrid torrent by either of its hashes, also where only a magnet link
// was known at first.
func TestAHybridAnswersToBothHashes(t *testing.T) {
	tor, data := makeTorrent(t, 1<<20, true, true)
	s, addr := newSession(t)
	add(t, s, driver.Options{Info: tor.Info, Open: memory(tor, data)})
	m, mine := newSession(t)
	magnet := add(t, m, driver.Options{Key: tor.Info.HashV1, Open: memory(tor, nil)})
	magnet.AddPeers([]netip.AddrPort{addr}, swarm.User)
	wait(t, "completion", magnet.Done())
	for _, key := range tor.Info.SwarmHashes() {
		for _, a := range []netip.AddrPort{addr, mine} {
			c, err := dial(context.Background(), a)
			if err != nil {
				t.Fatal(err)
			}
			if !joins(t, c, key) {
				t.Errorf("nobody at %v answers to %v", a, key)
			}
			c.Close()
		}
	}
	if len(s.Torrents()) != 1 || len(m.Torrents()) != 1 {
		t.Error("a torrent with two hashes is listed twice")
	}
}

// Whoever answers a dial with the handshake of another torrent is not believed.
func TestADialledStreamOfAnotherTorrentIsRefused(t *testing.T) {
	tor, _ := makeTorrent(t, 1<<20, true, false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	closed := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.ReadFull(c, make([]byte, wire.HandshakeLen))
		other := wire.Handshake{InfoHash: metainfo.Hash{1, 2, 3}, PeerID: driver.NewPeerID()}
		c.Write(other.Append(nil))
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err = c.Read(make([]byte, 1))
		closed <- err
	}()
	s, _ := newSession(t)
	var joined atomic.Bool
	got := add(t, s, driver.Options{Info: tor.Info, Open: memory(tor, nil), Notify: func(ev driver.Event) {
		if ev.Kind == driver.PeerJoined {
			joined.Store(true)
		}
	}})
	got.AddPeers([]netip.AddrPort{netip.MustParseAddrPort(l.Addr().String())}, swarm.User)
	select {
	case err := <-closed:
		if err != io.EOF || joined.Load() {
			t.Errorf("the stream ended with %v, joined: %v", err, joined.Load())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody dialled")
	}
}

// dials counts the addresses that a session connects to.
func dials(n *atomic.Int32) func(context.Context, netip.AddrPort) (transport.Conn, error) {
	return func(context.Context, netip.AddrPort) (transport.Conn, error) {
		n.Add(1)
		return nil, net.ErrClosed
	}
}

// privately is tor with the private flag.
func privately(t testing.TB, tor *metainfo.Torrent, data []byte) *metainfo.Torrent {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: tor.Info.Name, PieceLength: tor.Info.PieceLength, V1: true, Private: true,
		Files: []metainfo.BuildFile{{Path: []string{tor.Info.Name}, Length: int64(len(data))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumPieces() {
		from := i * int(tor.Info.PieceLength)
		b.SetPiece(i, b.HashPiece(i, data[from:min(len(data), from+int(tor.Info.PieceLength))]))
	}
	out, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestASessionBoundsItsConnections(t *testing.T) {
	tor, data := makeTorrent(t, 1<<20, true, false)
	s, addr := newSessionOf(t, driver.Config{MaxConns: 2, Quiet: time.Millisecond})
	seed := add(t, s, driver.Options{Info: tor.Info, Open: memory(tor, data)})
	var open []transport.Conn
	for range 2 {
		c, err := dial(context.Background(), addr)
		if err != nil || !joins(t, c, tor.Info.Key()) {
			t.Fatalf("a connection within the bound is refused: %v", err)
		}
		open = append(open, c)
	}
	try := func() bool {
		c, err := dial(context.Background(), addr)
		if err != nil {
			return false
		}
		open = append(open, c)
		return joins(t, c, tor.Info.Key())
	}
	if try() {
		t.Error("a third connection of two")
	}
	open[0].Close()
	eventually(t, "a place", func() bool { return seed.NumPeers() == 1 })
	if !try() {
		t.Error("the place that became free is not given away")
	}
	for _, c := range open {
		c.Close()
	}
	eventually(t, "parked", seed.Parked)
}

func TestEventsReachSubscribersAndNobodyWaits(t *testing.T) {
	tor, data := makeTorrent(t, 32<<20, true, false) // more pieces than a subscriber may be behind
	seeds, addr := newSession(t)
	add(t, seeds, driver.Options{Info: tor.Info, Open: memory(tor, data)})
	s, _ := newSession(t)
	got := add(t, s, driver.Options{Info: tor.Info, Paused: true, Open: memory(tor, nil)})
	ready(t, got)
	ctx, cancel := context.WithCancel(context.Background())
	quick, slow := got.Subscribe(ctx), got.Subscribe(context.Background())
	seen := make(chan map[driver.EventKind]int)
	go func() {
		kinds := map[driver.EventKind]int{}
		for ev := range quick {
			kinds[ev.Kind]++
			if ev.Missed > 0 {
				t.Errorf("%d events missed by one who takes them at once", ev.Missed)
			}
		}
		seen <- kinds
	}()
	got.Pause(false)
	got.AddPeers([]netip.AddrPort{addr}, swarm.User)
	wait(t, "completion", got.Done())
	eventually(t, "the end of the connection", func() bool { return got.NumPeers() == 0 })
	cancel()
	kinds := <-seen
	if n := tor.Info.NumPieces(); kinds[driver.PieceStored] != n || kinds[driver.Finished] != 1 || kinds[driver.PeerJoined] != 1 || kinds[driver.PeerLeft] != 1 {
		t.Errorf("%d pieces, events %v", n, kinds)
	}
	for range 256 {
		<-slow
	}
	got.Pause(true)
	if ev := <-slow; ev.Kind != driver.StateChanged || ev.Missed == 0 {
		t.Errorf("the one who was behind is told %+v", ev)
	}
	got.Close()
	for range slow {
	}
}
