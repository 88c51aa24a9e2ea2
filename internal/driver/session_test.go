package driver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

func TestATorrentIsThereOnceUnderAllItsKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, true)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		got := share(t, s, tor, data)
		ready(t, got)
		keys := tor.Info.SwarmHashes()
		if len(keys) != 2 || got.Key() != keys[0] {
			t.Fatalf("keys %v, the torrent's %v", keys, got.Key())
		}
		for _, k := range keys {
			if s.Torrent(k) != got {
				t.Errorf("not found under %v", k)
			}
			if _, err := s.Add(driver.Options{Key: k, Open: memory(tor, nil)}); err != driver.ErrExists {
				t.Errorf("added once more under %v: %v", k, err)
			}
		}
		if all := s.Torrents(); !slices.Equal(all, []*driver.Torrent{got}) {
			t.Errorf("%d torrents", len(all))
		}
		got.Close()
		if len(s.Torrents()) != 0 || s.Torrent(keys[0]) != nil || s.Torrent(keys[1]) != nil {
			t.Error("a closed torrent is still found")
		}
		share(t, s, tor, data) // its keys are free
		s.Close()
		if _, err := s.Add(driver.Options{Key: metainfo.Hash{1}, Open: memory(tor, nil)}); err != driver.ErrClosed {
			t.Errorf("added to a closed session: %v", err)
		}
	})
}

// unmet is one end of a stream for a session; the other reports when it is closed.
func unmet() (ours transport.Conn, other net.Conn, closed func() bool) {
	a, b := net.Pipe()
	ended := make(chan bool, 1)
	go func() {
		io.Copy(io.Discard, b)
		ended <- true
	}()
	return &pipe{a, "192.0.2.7:7"}, b, func() bool {
		synctest.Wait()
		select {
		case <-ended:
			return true
		default:
			return false
		}
	}
}

// Streams that nobody has a use for are not left open.
func TestStreamsOfNoUseAreClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		s, _ := n.session(t, "192.0.2.1:1", func(c *driver.Config) { c.Encryption = transport.EncryptionOff })
		got := share(t, s, tor, data)
		ready(t, got)
		hello := func(key metainfo.Hash) []byte {
			h := wire.Handshake{InfoHash: key, PeerID: [20]byte{7}}
			return h.Append(nil)
		}

		ours, other, closed := unmet()
		s.Accept(ours)
		if closed() {
			t.Error("a stranger who has not spoken yet is not waited for")
		}
		other.Write(hello(metainfo.Hash{1}))
		if !closed() {
			t.Error("who asks for a torrent that is not here is kept")
		}
		ours, other, closed = unmet()
		s.Accept(ours)
		other.Write([]byte("GET / HTTP/1.1\r\n"))
		if !closed() {
			t.Error("who speaks another protocol is kept")
		}
		ours, other, closed = unmet()
		s.Accept(ours)
		other.Close()
		closed()
		ours, other, closed = unmet()
		s.Join(metainfo.Hash{1}, ours, false)
		if !closed() {
			t.Error("a stream for a torrent that is not here is kept")
		}
		ours, other, closed = unmet()
		s.Join(tor.Info.Key(), ours, false)
		if closed() {
			t.Error("a stream of this torrent is closed")
		}
		other.Write(hello(metainfo.Hash{1}))
		if !closed() {
			t.Error("a stream that turns out to be another torrent's is kept")
		}
		ours, other, closed = unmet()
		s.Join(tor.Info.Key(), ours, false)
		go other.Write(hello(tor.Info.Key()))
		if closed() || got.NumPeers() != 1 {
			t.Errorf("a peer of this torrent: %d peers", got.NumPeers())
		}
		other.Close()
		synctest.Wait()
		if got.NumPeers() != 0 {
			t.Error("a peer that has left is counted")
		}

		s.Close()
		ours, _, closed = unmet()
		s.Accept(ours)
		if !closed() {
			t.Error("a closed session accepts")
		}
		ours, _, closed = unmet()
		s.Join(tor.Info.Key(), ours, true)
		if !closed() {
			t.Error("a closed session takes streams")
		}
	})
}

func TestPeersAreShownAsTheyAre(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		s, addr := n.session(t, "192.0.2.1:1", nil)
		var events []driver.Event
		got := add(t, s, driver.Options{Info: tor.Info, Open: memory(tor, data), Notify: func(e driver.Event) { events = append(events, e) }})
		ready(t, got)
		x := meet(t, n, "192.0.2.9:1", addr, tor.Info.Key())
		x.send(wire.Message{ID: wire.HaveNone}, wire.Message{ID: wire.Interested})
		x.next(t, wire.Unchoke)
		x.send(wire.Message{ID: wire.Request, Length: 16 << 10})
		x.next(t, wire.Piece)
		time.Sleep(time.Second)
		st := got.Stats()
		if len(st.Peers) != 1 || st.Peers[0].Addr != "192.0.2.9:1" || st.Peers[0].Kind != transport.TCP {
			t.Errorf("%+v", st.Peers)
		}
		down, up, left := got.Totals()
		if st.Uploaded != 16<<10 || up != 16<<10 || down != 0 || left != 0 || got.NumPeers() != 1 {
			t.Errorf("%d sent, totals %d %d %d", st.Uploaded, down, up, left)
		}
		x.Close()
		time.Sleep(time.Second)
		if len(got.Stats().Peers) != 0 || got.NumPeers() != 0 {
			t.Error("who has left is shown")
		}
		var told []string
		for _, e := range events {
			switch e.Kind {
			case driver.PeerJoined:
				told = append(told, "joined "+e.Peer)
			case driver.PeerLeft:
				told = append(told, "left "+e.Peer)
			}
		}
		if got := strings.Join(told, ", "); got != "joined 192.0.2.9:1, left 192.0.2.9:1" {
			t.Errorf("told: %s", got)
		}
	})
}

// A check holds the torrent: there is one at a time, it needs something to check,
// and it ends with the torrent.
func TestChecksOneAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		s, addr := n.session(t, "192.0.2.1:1", nil)
		without, _ := makeTorrent(t, 400_000, true, false)
		plain := share(t, s, without, nil)
		ready(t, plain)
		if err := plain.Recheck(t.Context(), nil); err != driver.ErrNoCheck {
			t.Errorf("nothing to check with: %v", err)
		}
		plain.Close()

		begun, goOn := make(chan bool, 1), make(chan bool)
		broken := errors.New("a sector cannot be read")
		got := add(t, s, driver.Options{Info: tor.Info, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
			c, err := memory(tor, data)(ctx, info)
			c.Check = func(ctx context.Context, _ storage.Progress) (*bits.Set, error) {
				begun <- true
				select {
				case <-goOn:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				some := bits.New(info.NumPieces())
				some.Set(1)
				return &some, broken
			}
			return c, err
		}})
		ready(t, got)
		x := meet(t, n, "192.0.2.9:1", addr, tor.Info.Key())
		checked := make(chan error, 1)
		check := func() { checked <- got.Recheck(t.Context(), nil) }
		go check()
		<-begun
		if !x.isEnded() || got.NumPeers() != 0 {
			t.Error("peers are served while what they get is checked")
		}
		if err := got.Recheck(t.Context(), nil); err != driver.ErrChecking {
			t.Errorf("a second check at a time: %v", err)
		}
		goOn <- true
		if err := <-checked; !errors.Is(err, broken) {
			t.Errorf("the check says %v", err)
		}
		// What was found counts although something could not be read.
		if have := got.Have(); have.Count() != 1 || !have.Has(1) || isDone(got) {
			t.Errorf("%d pieces, done: %v", have.Count(), isDone(got))
		}
		seed, seedAddr := n.session(t, "192.0.2.5:1", nil)
		share(t, seed, tor, data)
		got.AddPeers([]netip.AddrPort{seedAddr}, swarm.User)
		time.Sleep(time.Minute)
		if !isDone(got) {
			t.Error("it does not go on after the check")
		}
		go check()
		<-begun
		go got.Close()
		if err := <-checked; err != driver.ErrNotRunning {
			t.Errorf("the torrent was closed during the check: %v", err)
		}
	})
}

// Content that cannot be opened is told, also of a magnet link.
func TestAMagnetWhoseContentCannotBeOpened(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		seed, addr := n.session(t, "192.0.2.5:1", nil)
		share(t, seed, tor, data)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		broken := errors.New("no such folder")
		var failed error
		got := add(t, s, driver.Options{Key: tor.Info.Key(), Open: func(context.Context, *metainfo.Info) (driver.Content, error) {
			return driver.Content{}, broken
		}, Notify: func(e driver.Event) {
			if e.Kind == driver.Failed {
				failed = e.Err
			}
		}})
		if _, _, left := got.Totals(); left != -1 {
			t.Errorf("%d bytes are missing of nobody knows what", left)
		}
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		if err := got.Ready(t.Context()); !errors.Is(err, broken) || !errors.Is(failed, broken) || !errors.Is(got.Err(), broken) {
			t.Errorf("%v, %v, %v", err, failed, got.Err())
		}
	})
}

func TestPeerIDsAreOursAndDiffer(t *testing.T) {
	a, b := driver.NewPeerID(), driver.NewPeerID()
	if a == b || !strings.HasPrefix(string(a[:]), "-SH0001-") {
		t.Errorf("%q %q", a, b)
	}
	for _, c := range a[8:] {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			t.Errorf("%q", a)
		}
	}
	s := driver.NewSession(driver.Config{PeerID: a})
	defer s.Close()
	if s.PeerID() != a {
		t.Errorf("%q was set, it is %q", a, s.PeerID())
	}
}
