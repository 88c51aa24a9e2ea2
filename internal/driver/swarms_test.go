package driver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// bond is one end of a transport.Link in memory.
type bond struct {
	remote string
	taken  func(c transport.Conn, label string) // by the other end
	err    error                                // of Open

	mu     sync.Mutex
	opened int
	name   [20]byte
	other  *bond
}

func (b *bond) Open(_ context.Context, label string) (transport.Conn, error) {
	b.mu.Lock()
	b.opened++
	b.mu.Unlock()
	if b.err != nil {
		return nil, b.err
	}
	ours, theirs := b.stream()
	b.taken(theirs, label)
	return ours, nil
}

// stream joins both ends.
func (b *bond) stream() (ours, theirs transport.Conn) {
	x, y := net.Pipe()
	return &strand{pipe: pipe{x, b.other.remote}, link: b}, &strand{pipe: pipe{y, b.remote}, link: b.other}
}

func (b *bond) Name(id [20]byte) {
	b.mu.Lock()
	b.name = id
	b.mu.Unlock()
}

func (b *bond) Close() error { return nil }

func (b *bond) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened
}

// strand is a stream of a bond. It has room for a handshake, so that both sides may
// send theirs at once.
type strand struct {
	pipe
	link  *bond
	first chan struct{} // closed when the handshake is read; nil before there is one
}

func (s *strand) Link() transport.Link { return s.link }

func (s *strand) Write(p []byte) (int, error) {
	if s.first != nil {
		<-s.first
		return s.pipe.Write(p)
	}
	s.first = make(chan struct{})
	hello := bytes.Clone(p)
	go func() {
		s.pipe.Write(hello)
		close(s.first)
	}()
	return len(p), nil
}

func (s *strand) WriteBuffers(bufs [][]byte) (int64, error) {
	<-s.first
	return s.pipe.WriteBuffers(bufs)
}

// bonded joins two sessions by a link. The first has the greater id.
func bonded(t *testing.T, n *network) (a, b *driver.Session, la, lb *bond) {
	t.Helper()
	la, lb = &bond{remote: "192.0.2.1:1"}, &bond{remote: "192.0.2.2:1"}
	la.other, lb.other = lb, la
	with := func(first byte) func(*driver.Config) {
		return func(c *driver.Config) { c.Links, c.PeerID = true, [20]byte{first} }
	}
	a, _ = n.session(t, la.remote, with(9))
	b, _ = n.session(t, lb.remote, with(3))
	la.taken, lb.taken = b.AcceptStream, a.AcceptStream
	return a, b, la, lb
}

// join makes the two peers of a torrent, on the stream that a tracker brought about.
func (b *bond) join(first, second *driver.Session, key metainfo.Hash) {
	ours, theirs := b.stream()
	first.Join(key, ours, true)
	second.Join(key, theirs, false)
}

// Two who share a swarm find out which others they share, also those that are added or
// started later, and meet there on the connection they have, once.
func TestPeersMeetInTheSwarmsTheyShare(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		a, b, la, lb := bonded(t, n)
		var list []*driver.Torrent
		both := func(size int, paused bool) (x, y *driver.Torrent) {
			tor, _ := makeTorrent(t, size, true, false)
			opt := driver.Options{Info: tor.Info, Open: memory(tor, nil), Paused: paused}
			x, y = add(t, a, opt), add(t, b, opt)
			ready(t, x)
			ready(t, y)
			list = append(list, x, y)
			return x, y
		}
		first, _ := both(300_000, false)
		_, _ = both(400_000, false)
		open, data := makeTorrent(t, 450_000, true, false)
		secret := privately(t, open, data)
		add(t, a, driver.Options{Info: secret.Info, Open: memory(secret, nil)})
		hidden := add(t, b, driver.Options{Info: secret.Info, Open: memory(secret, nil)})
		alone, _ := makeTorrent(t, 470_000, true, false)
		add(t, a, driver.Options{Info: alone.Info, Open: memory(alone, nil)})
		la.join(a, b, first.Key())
		time.Sleep(time.Second)
		both(500_000, false)
		time.Sleep(time.Second)
		late, later := both(600_000, true)
		time.Sleep(time.Second)
		if late.NumPeers()+later.NumPeers() != 0 {
			t.Error("they meet in a swarm that is paused")
		}
		late.Pause(false)
		later.Pause(false)
		time.Sleep(time.Minute)
		for k, x := range list {
			if x.NumPeers() != 1 {
				t.Errorf("torrent %d has %d peers", k, x.NumPeers())
			}
		}
		if hidden.NumPeers() != 0 {
			t.Error("they meet in a private swarm")
		}
		if la.count() != 3 || lb.count() != 0 {
			t.Errorf("%d and %d streams were opened for three swarms", la.count(), lb.count())
		}
		if la.name != [20]byte{3} || lb.name != [20]byte{9} {
			t.Errorf("the ends know each other as %v and %v", la.name, lb.name)
		}
		// When the stream that carried the talk ends, another takes its place.
		first.Close()
		time.Sleep(time.Minute)
		last, _ := both(700_000, false)
		time.Sleep(time.Minute)
		if last.NumPeers() != 1 {
			t.Error("they do not tell each other any more")
		}
	})
}

// Meet says whether the peer is met, whatever the other side does.
func TestMeetSaysWhetherThePeerIsMet(t *testing.T) {
	id := [20]byte{3}
	hello := func(h wire.Handshake) func(transport.Conn) {
		return func(c transport.Conn) {
			c.Write(h.Append(nil))
			io.Copy(io.Discard, c)
		}
	}
	tor, data := makeTorrent(t, 300_000, true, false)
	key := tor.Info.Key()
	for _, c := range []struct {
		name  string
		err   error
		other func(c transport.Conn)
		most  time.Duration
		met   bool
	}{
		{name: "it is there", other: hello(wire.Handshake{InfoHash: key, PeerID: id}), met: true},
		{name: "no stream can be opened", err: errors.New("the link is gone")},
		{name: "it closes the stream", other: func(c transport.Conn) { c.Close() }},
		{name: "it says nothing", other: func(c transport.Conn) { io.Copy(io.Discard, c) }, most: 20 * time.Second},
		{name: "it speaks of another swarm", other: hello(wire.Handshake{InfoHash: metainfo.Hash{7}, PeerID: id})},
		{name: "it is somebody else", other: hello(wire.Handshake{InfoHash: key, PeerID: [20]byte{4}})},
		{name: "it speaks another protocol", other: func(c transport.Conn) {
			c.Write(make([]byte, wire.HandshakeLen))
			io.Copy(io.Discard, c)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				s, _ := n.session(t, "192.0.2.1:1", nil)
				got := share(t, s, tor, data)
				ready(t, got)
				l := &bond{remote: "192.0.2.1:1", err: c.err}
				l.other = &bond{remote: "192.0.2.2:1", other: l}
				closed := make(chan bool, 1)
				l.taken = func(s transport.Conn, label string) {
					if said, ok := wire.ParseSwarmLabel(label); !ok || !said.Has(key) {
						t.Errorf("a stream called %q", label)
					}
					go func() {
						c.other(s)
						closed <- true
					}()
				}
				if s.Meet(t.Context(), l, id, metainfo.Hash{1}) || l.count() != 0 {
					t.Error("met in a swarm that is not here")
				}
				began := time.Now()
				if met := s.Meet(t.Context(), l, id, key); met != c.met {
					t.Errorf("met: %v", met)
				}
				if d := time.Since(began); d != c.most {
					t.Errorf("it took %v", d)
				}
				synctest.Wait()
				if want := len(closed) + l.count(); c.met == (len(closed) == 1) && c.err == nil {
					t.Errorf("the stream was closed: %v, %d", len(closed) == 1, want)
				}
				peers := 0
				if c.met {
					peers = 1
				}
				if got.NumPeers() != peers {
					t.Errorf("%d peers", got.NumPeers())
				}
				if c.met && (!s.Meet(t.Context(), l, id, key) || l.count() != 1) {
					t.Errorf("met once more, with %d streams", l.count())
				}
			})
		})
	}
}

// Who sent wrong bytes is not met in another swarm either.
func TestWhoWasShutOutIsNotMet(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, false, true)
		other, more := makeTorrent(t, 400_000, true, false)
		s, addr := n.session(t, "192.0.2.1:1", nil)
		got, _ := fetch(t, s, tor)
		ready(t, share(t, s, other, more))
		bad, badAddr := n.session(t, "192.0.2.66:1", func(c *driver.Config) { c.PeerID = [20]byte{6} })
		share(t, bad, tor, make([]byte, len(data)))
		got.AddPeers([]netip.AddrPort{badAddr}, swarm.User)
		time.Sleep(time.Minute)
		if comes(t, n, badAddr, addr, other.Info.Key()) {
			t.Fatal("it is not shut out")
		}
		l := &bond{remote: "192.0.2.1:1"}
		l.other = &bond{remote: "192.0.2.66:1", other: l}
		l.taken = func(c transport.Conn, _ string) {
			h := wire.Handshake{InfoHash: other.Info.Key(), PeerID: [20]byte{6}}
			go func() {
				c.Write(h.Append(nil))
				io.Copy(io.Discard, c)
			}()
		}
		if s.Meet(t.Context(), l, [20]byte{6}, other.Info.Key()) {
			t.Error("it is met")
		}
	})
}

// A stream whose name tells a swarm is that swarm's; one of a swarm that is not here is
// closed, and one of any other name is taken as a stranger's.
func TestAStreamIsOfTheSwarmItIsCalledAfter(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		got := share(t, s, tor, data)
		ready(t, got)
		key := tor.Info.Key()
		hello := wire.Handshake{InfoHash: key, PeerID: [20]byte{7}}

		ours, _, closed := unmet()
		s.AcceptStream(ours, wire.SwarmLabel(wire.Salt{1}, metainfo.Hash{8}))
		if !closed() {
			t.Error("a stream of an unknown swarm is kept")
		}
		for _, label := range []string{wire.SwarmLabel(wire.Salt{1}, key), "data"} {
			a, b := net.Pipe()
			s.AcceptStream(&pipe{a, "192.0.2.7:7"}, label)
			spoke := make(chan bool, 1)
			go func() {
				io.ReadFull(b, make([]byte, wire.HandshakeLen))
				spoke <- true
				io.Copy(io.Discard, b)
			}()
			synctest.Wait()
			if first := len(spoke) == 1; first == (label == "data") {
				t.Errorf("%q: we speak first: %v", label, first)
			}
			b.Write(hello.Append(nil))
			synctest.Wait()
			if got.NumPeers() != 1 {
				t.Errorf("%q: %d peers", label, got.NumPeers())
			}
			b.Close()
			synctest.Wait()
		}
	})
}
