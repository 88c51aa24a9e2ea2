package driver_test

import (
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// A peer that never reads may not have us keep all that it is sent: beyond 4 MiB it is
// dropped. Less than that waits for it.
func TestAPeerThatDoesNotReadIsDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		s, addr := n.session(t, "192.0.2.1:1", func(c *driver.Config) {
			c.Machine.Extensions = []swarm.Extension{{Name: "x_talk", MaxSize: 64 << 10}}
		})
		got := share(t, s, tor, data)
		ready(t, got)
		c, err := n.dialler(netip.MustParseAddrPort("192.0.2.9:1"))(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		hello := wire.Handshake{InfoHash: tor.Info.Key(), PeerID: [20]byte{9}}
		hello.SetExtensions()
		c.Write(hello.Append(nil))
		io.ReadFull(c, make([]byte, wire.HandshakeLen))
		ext := wire.ExtHandshake{M: []wire.Extension{{Name: "x_talk", ID: 7}}}
		m := wire.Message{ID: wire.Extended, Payload: ext.Append(nil)}
		c.Write(m.Append(nil)) // and from now on it reads nothing
		time.Sleep(time.Second)
		peers := got.Stats().Peers
		if len(peers) != 1 {
			t.Fatalf("%d peers", len(peers))
		}
		send := func(kib int) {
			for range kib / 32 {
				got.SendExt(peers[0].Peer, "x_talk", make([]byte, 32<<10))
			}
			synctest.Wait()
		}
		send(3 << 10)
		if got.NumPeers() != 1 {
			t.Error("a peer that is slow to read is dropped")
		}
		send(2 << 10)
		time.Sleep(time.Second)
		if got.NumPeers() != 0 {
			t.Error("more than 4 MiB wait for a peer that does not read")
		}
	})
}

// Without BEP 6 a choke makes requests void (BEP 3): the blocks that come all the same,
// wrong ones perhaps, do not take the place of those that others bring.
func TestBlocksBehindAChokeAreNotTakenIn(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		const length = 64 << 10
		tor, data := makeTorrent(t, 2*length, true, false)
		s, addr := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, s, tor)
		ready(t, got)
		c, err := n.dialler(netip.MustParseAddrPort("192.0.2.9:1"))(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		hello := wire.Handshake{InfoHash: tor.Info.Key(), PeerID: [20]byte{9}}
		c.Write(hello.Append(nil))
		io.ReadFull(c, make([]byte, wire.HandshakeLen))
		x := &stranger{c, make(chan wire.Message, 10_000), make(chan struct{})}
		defer c.Close()
		go x.listen()
		if err := x.send(wire.Message{ID: wire.Have}, wire.Message{ID: wire.Unchoke}); err != nil {
			t.Fatal(err)
		}
		m := x.next(t, wire.Request)
		before := got.Stats().Downloaded
		if err := x.send(wire.Message{ID: wire.Choke}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := x.Write(piece(m, make([]byte, len(data)), length)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // what Stats says may be that old
		if st := got.Stats(); st.Downloaded != before || st.Wasted == 0 {
			t.Errorf("%d bytes taken in, %d thrown away", st.Downloaded-before, st.Wasted)
		}
	})
}

// What a torrent shows of itself is a quarter of a second old at most, also when nothing
// happens any more; and nobody has to ask.
func TestAQuietTorrentShowsWhatHappenedLast(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, _ := makeTorrent(t, 300_000, true, false)
		s, addr := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, s, tor)
		ready(t, got)
		x := meet(t, n, "192.0.2.9:1", addr, tor.Info.Key())
		time.Sleep(time.Second)
		for i := range uint32(3) {
			if err := x.send(wire.Message{ID: wire.Have, Index: i}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(300 * time.Millisecond)
		if peers := got.Stats().Peers; len(peers) != 1 || peers[0].Progress < 0.59 {
			t.Errorf("after 300 ms it shows %+v", peers)
		}
	})
}
