//go:build !js

package torrent_test

import (
	"net/netip"
	"testing"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// privateTorrent makes a private torrent of the test torrent's size.
func privateTorrent(t *testing.T) *metainfo.Torrent {
	t.Helper()
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "clip", PieceLength: pieceLength, V1: true, Private: true,
		Files: []metainfo.BuildFile{{Path: []string{"clip"}, Length: numPieces * pieceLength}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range numPieces {
		b.SetPiece(i, metainfo.PieceHashes{V1: metainfo.Hash{byte(i + 1)}})
	}
	tor, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

// BEP 27: the flag of an info dictionary that came from peers holds like one that
// was there from the start.
func TestPrivateFlagOfAMagnetIsTakenOver(t *testing.T) {
	tor := privateTorrent(t)
	r := start(t, tor, magnet)
	ask := func(src swarm.Source, a string) torrent.PeerKey {
		r.Step(swarm.PeersFound{Addrs: []netip.AddrPort{netip.MustParseAddrPort(a)}, Source: src})
		return r.join(joined{addr: a, metadataSize: len(tor.Info.Bytes)})
	}
	dht, told := ask(swarm.DHT, "10.0.0.1:6881"), ask(swarm.Tracker, "10.0.0.2:6881")
	r.serveMetadata(dht, tor.Info.Bytes)
	var private, learned bool
	for _, e := range r.Effects {
		switch e := e.(type) {
		case swarm.Private:
			private = true
		case torrent.Learned:
			learned = private // the driver hears of it no later
			r.Step(torrent.ContentReady{Info: e.Info})
		}
	}
	if !private || !learned {
		t.Fatalf("private %v, learned after it %v", private, learned)
	}
	if r.Closed[dht].Err != swarm.ErrPrivate || len(r.Closed) != 1 {
		t.Fatalf("closed %v", r.Closed)
	}
	r.Effects = nil
	off := false
	for _, b := range r.ext(told, wire.ExtHandshakeID) {
		if h, err := wire.ParseExtHandshake(b); err == nil {
			id, named := h.ID(wire.ExtPEX)
			off = off || named && id == 0
		}
	}
	if !off {
		t.Fatal("still offers peer exchange")
	}
	r.Step(swarm.PeersFound{Addrs: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.3:6881")}, Source: swarm.DHT})
	if len(did[swarm.Dial](r)) != 0 {
		t.Fatal("dials what the DHT says")
	}
}

// BEP 27: whom the DHT names is not dialled, be it the info dictionary that says so
// or, for a magnet link, whoever added it.
func TestPrivateFromTheStart(t *testing.T) {
	for _, c := range []struct {
		name    string
		tor     *metainfo.Torrent
		change  func(*torrent.Config)
		private bool
	}{
		{"by its info dictionary", privateTorrent(t), nil, true},
		{"a magnet link, by whoever added it", privateTorrent(t), func(c *torrent.Config) { magnet(c); c.Private = true }, true},
		{"a magnet link of which nobody knows", privateTorrent(t), magnet, false},
		{"public", testTorrent(t, true, false), nil, false},
	} {
		r := start(t, c.tor, c.change)
		r.Step(swarm.PeersFound{Addrs: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:6881")}, Source: swarm.DHT})
		if n := len(did[swarm.Dial](r)); (n == 0) != c.private {
			t.Errorf("%s: %d of the DHT's peers are dialled", c.name, n)
		}
		peer := r.join(joined{addr: "10.0.0.2:6881"})
		for _, b := range r.ext(peer, wire.ExtHandshakeID) {
			h, err := wire.ParseExtHandshake(b)
			if err != nil {
				t.Fatal(err)
			}
			if _, offers := h.ID(wire.ExtPEX); offers == c.private {
				t.Errorf("%s: peer exchange is offered: %v", c.name, offers)
			}
		}
	}
}
