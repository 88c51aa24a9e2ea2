package driver_test

import (
	"encoding/binary"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// stranger is a peer whose messages a test writes by hand.
type stranger struct {
	transport.Conn
	got   chan wire.Message // what it was sent
	ended chan struct{}     // closed with the stream
}

// meet connects a stranger with BEP 6 to a session's torrent.
func meet(t *testing.T, n *network, from string, to netip.AddrPort, key metainfo.Hash) *stranger {
	t.Helper()
	c, err := n.dialler(netip.MustParseAddrPort(from))(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	hello := wire.Handshake{InfoHash: key, PeerID: [20]byte([]byte(from + "....................")[:20])}
	hello.SetFast()
	if _, err := c.Write(hello.Append(nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, wire.HandshakeLen)); err != nil {
		t.Fatal(err)
	}
	x := &stranger{c, make(chan wire.Message, 10_000), make(chan struct{})}
	t.Cleanup(func() { c.Close() })
	go x.listen()
	return x
}

func (x *stranger) listen() {
	defer close(x.ended)
	var dec wire.Decoder
	buf := make([]byte, 0, 1<<20)
	for {
		n, err := x.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		for err == nil {
			m, k, bad := dec.Next(buf)
			if m.ID == wire.Piece && !m.KeepAlive {
				k += int(m.Length)
			}
			if bad != nil || k == 0 || k > len(buf) {
				break
			}
			m.Payload = nil
			x.got <- m
			buf = buf[:copy(buf, buf[k:])]
		}
		if err != nil {
			return
		}
	}
}

func (x *stranger) send(msgs ...wire.Message) error {
	var b []byte
	for i := range msgs {
		b = msgs[i].Append(b)
	}
	_, err := x.Write(b)
	return err
}

// next returns the next message of that kind.
func (x *stranger) next(t *testing.T, id wire.ID) wire.Message {
	t.Helper()
	for {
		select {
		case m := <-x.got:
			if m.ID == id && !m.KeepAlive {
				return m
			}
		case <-x.ended:
			t.Fatalf("the stream ended before message %d", id)
		case <-time.After(time.Minute):
			t.Fatalf("no message %d after a minute", id)
		}
	}
}

func (x *stranger) isEnded() bool {
	synctest.Wait()
	select {
	case <-x.ended:
		return true
	default:
		return false
	}
}

// open connects a stranger that claims to have piece 0 and lets us ask for it.
func open(t *testing.T, n *network, from string, to netip.AddrPort, key metainfo.Hash) *stranger {
	t.Helper()
	x := meet(t, n, from, to, key)
	if err := x.send(wire.Message{ID: wire.HaveNone}, wire.Message{ID: wire.Have}, wire.Message{ID: wire.Unchoke}); err != nil {
		t.Fatal(err)
	}
	return x
}

// piece is a whole piece message for a request.
func piece(m wire.Message, data []byte, pieceLength int) []byte {
	at := int(m.Index)*pieceLength + int(m.Begin)
	out := wire.Message{ID: wire.Piece, Index: m.Index, Begin: m.Begin, Length: m.Length}
	return append(out.Append(nil), data[at:at+int(m.Length)]...)
}

// A length is refused before room is made for it: the bitfield by the number of
// pieces, all else by what anybody has a reason to send.
func TestMessagesLargerThanTheTorrentNeedsEndTheConnection(t *testing.T) {
	for _, c := range []struct {
		name  string
		head  []byte
		known bool
		ends  bool
	}{
		{"bitfield of a byte too many", frame(wire.Bitfield, 3), true, true},
		{"bitfield of two megabytes for a magnet link", frame(wire.Bitfield, 2<<20), false, true},
		{"bitfield of a large torrent for a magnet link", frame(wire.Bitfield, 100<<10), false, false},
		{"extension message of a megabyte", frame(wire.Extended, 1<<20), true, true},
		{"extension message of 17 KiB", frame(wire.Extended, 17<<10), true, false},
		{"unknown message of a megabyte", frame(99, 1<<20), true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				tor, _ := makeTorrentOf(t, 16*16<<10, 16<<10, true, false) // two bytes of bitfield
				s, addr := n.session(t, "192.0.2.2:1", nil)
				opt := driver.Options{Info: tor.Info, Key: tor.Info.Key(), Open: memory(tor, nil)}
				if !c.known {
					opt.Info = nil
				}
				if _, err := s.Add(opt); err != nil {
					t.Fatal(err)
				}
				x := meet(t, n, "192.0.2.9:1", addr, tor.Info.Key())
				if _, err := x.Write(c.head); err != nil {
					t.Fatal(err)
				}
				if x.isEnded() != c.ends {
					t.Errorf("the connection ended: %v", !c.ends)
				}
			})
		})
	}
}

// frame is the head of a message with a body of n bytes.
func frame(id wire.ID, n int) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(n+1)), byte(id))
}

// Keep-alives keep a connection alive, and a flood of them ends it.
func TestKeepAlives(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		s, addr := n.session(t, "192.0.2.2:1", nil)
		share(t, s, tor, data)
		x := meet(t, n, "192.0.2.9:1", addr, tor.Info.Key())
		for range 30 {
			time.Sleep(time.Minute)
			x.Write(make([]byte, 4))
		}
		if x.isEnded() {
			t.Error("a peer that keeps the connection alive was dropped")
		}
		x.Write(make([]byte, 4<<20))
		if !x.isEnded() {
			t.Error("a flood of keep-alives is borne")
		}
	})
}

// A peer stops in the middle of each block that it is asked for, another one brings
// everything; when the pieces are complete, the first one is of use again.
func TestAPeerThatWasOvertakenGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		const length = 64 << 10
		tor, data := makeTorrent(t, 2*length, true, false)
		s, addr := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, s, tor)
		x := open(t, n, "192.0.2.9:1", addr, tor.Info.Key())
		m := x.next(t, wire.Request)
		half := piece(m, data, length)
		if _, err := x.Write(half[:len(half)-100]); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		good, goodAddr := n.session(t, "192.0.2.1:1", nil)
		share(t, good, tor, data)
		got.AddPeers([]netip.AddrPort{goodAddr}, swarm.User)
		time.Sleep(time.Minute)
		if !isDone(got) {
			t.Fatal("a peer that stopped in the middle of a block keeps it from coming")
		}
		// The rest of the block, wrong by now, and a message behind it.
		for i := range half {
			half[i] ^= 0xff
		}
		if _, err := x.Write(half[len(half)-100:]); err != nil {
			t.Fatal(err)
		}
		if err := x.send(wire.Message{ID: wire.Interested}); err != nil {
			t.Fatal(err)
		}
		x.next(t, wire.Unchoke)
		if err := x.send(wire.Message{ID: wire.Request, Index: 1, Length: m.Length}); err != nil {
			t.Fatal(err)
		}
		x.next(t, wire.Piece)
	})
}

// A request that was refused is not expected any more: its block is thrown away.
func TestABlockThatWasRefusedIsNotTakenIn(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		const length = 64 << 10
		tor, data := makeTorrent(t, 2*length, true, false)
		s, addr := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, s, tor)
		x := open(t, n, "192.0.2.9:1", addr, tor.Info.Key())
		m := x.next(t, wire.Request)
		before := got.Stats().Downloaded
		refuse := wire.Message{ID: wire.Reject, Index: m.Index, Begin: m.Begin, Length: m.Length}
		choke := wire.Message{ID: wire.Choke} // so that it is not asked again
		if _, err := x.Write(append(refuse.Append(choke.Append(nil)), piece(m, data, length)...)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // what Stats says may be that old
		if st := got.Stats(); st.Downloaded != before || st.Wasted == 0 {
			t.Errorf("%d bytes taken in, %d thrown away", st.Downloaded-before, st.Wasted)
		}
	})
}
