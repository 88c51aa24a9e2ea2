package driver_test

import (
	"context"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/sha"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// One check at a time, and none of what is not open yet, or cannot be checked.
func TestAtMostOneCheckAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		opened, checked := make(chan struct{}), make(chan struct{})
		got := add(t, s, driver.Options{Info: tor.Info, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
			<-opened
			c, err := memory(tor, data)(ctx, info)
			c.Check = func(context.Context, storage.Progress) (*bits.Set, error) {
				<-checked
				return c.Have, nil
			}
			return c, err
		}})
		if err := got.Recheck(t.Context(), nil); err != driver.ErrChecking {
			t.Errorf("while it is being opened: %v", err)
		}
		close(opened)
		ready(t, got)
		first := make(chan error)
		go func() { first <- got.Recheck(t.Context(), nil) }()
		synctest.Wait()
		if err := got.Recheck(t.Context(), nil); err != driver.ErrChecking {
			t.Errorf("while it is being checked: %v", err)
		}
		close(checked)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if err := got.Recheck(t.Context(), nil); err != nil {
			t.Errorf("once more: %v", err)
		}
		magnet := add(t, s, driver.Options{Key: metainfo.Hash{1}, Open: memory(tor, nil)})
		if err := magnet.Recheck(t.Context(), nil); err != driver.ErrNoCheck {
			t.Errorf("of nobody knows what: %v", err)
		}
		plain, more := makeTorrent(t, 400_000, true, false)
		other := share(t, s, plain, more)
		ready(t, other)
		if err := other.Recheck(t.Context(), nil); err != driver.ErrNoCheck {
			t.Errorf("of a content that has no check: %v", err)
		}
	})
}

// What was set is what is said, of the client and of each torrent.
func TestLimitsAreSaidAsTheyWereSet(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		got := share(t, s, tor, data)
		s.SetLimits(1000, 2000)
		got.SetLimits(300, -1)
		if up, down := s.Limits(); up != 1000 || down != 2000 {
			t.Errorf("%d and %d", up, down)
		}
		if up, down := got.Limits(); up != 300 || down != 0 {
			t.Errorf("%d and %d of the torrent", up, down)
		}
	})
}

// metadataID is the number under which a torrent wants the extension of BEP 9.
const metadataID = 2

// A dictionary that belongs to the hash and is broken all the same is nobody's fault but
// the publisher's: the torrent says so, and blames no peer.
func TestABrokenInfoDictionaryIsSaid(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		raw := []byte("d4:name4:clip12:piece lengthi0ee")
		s, addr := n.session(t, "192.0.2.2:1", nil)
		failed := make(chan error, 1)
		tor, _ := makeTorrent(t, 300_000, true, false)
		got := add(t, s, driver.Options{Key: sha.Sum1(raw), Open: memory(tor, nil), Notify: func(e driver.Event) {
			if e.Kind == driver.Failed {
				failed <- e.Err
			}
		}})
		c, err := n.dialler(netip.MustParseAddrPort("192.0.2.9:1"))(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		hello := wire.Handshake{InfoHash: got.Key(), PeerID: [20]byte{9}}
		hello.SetExtensions()
		c.Write(hello.Append(nil))
		io.ReadFull(c, make([]byte, wire.HandshakeLen))
		go io.Copy(io.Discard, c)
		greeting := wire.ExtHandshake{M: []wire.Extension{{Name: wire.ExtMetadata, ID: 7}}, MetadataSize: len(raw)}
		part := wire.MetadataMessage{Type: wire.MetadataData, TotalSize: len(raw), Data: raw}
		for _, m := range []wire.Message{
			{ID: wire.Extended, Payload: greeting.Append(nil)}, {ID: wire.Extended, ExtID: metadataID, Payload: part.Append(nil)},
		} {
			c.Write(m.Append(nil))
			synctest.Wait()
		}
		select {
		case err := <-failed:
			if err == nil || got.Err() != err {
				t.Errorf("%v, and the torrent says %v", err, got.Err())
			}
		default:
			t.Errorf("it is silent: %v", got.Err())
		}
	})
}
