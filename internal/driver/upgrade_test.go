//go:build !js

package driver_test

import (
	"context"
	"io"
	"net"
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

// stream is a pipe of any kind of transport.
type stream struct {
	*pipe
	kind transport.Kind
}

func (c stream) Kind() transport.Kind { return c.kind }

// visitor is a peer that a test plays from its first byte, at the other end of a stream.
type visitor struct {
	t testing.TB
	net.Conn
}

func visit(t testing.TB, kind transport.Kind) (stream, *visitor) {
	a, b := net.Pipe()
	b.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { a.Close(); b.Close() })
	return stream{&pipe{a, "192.0.2.1:6881"}, kind}, &visitor{t, b}
}

func greetingOf(key metainfo.Hash, v2 bool) wire.Handshake {
	h := wire.Handshake{InfoHash: key, PeerID: [20]byte{'x'}}
	h.SetFast()
	if v2 {
		h.SetV2()
	}
	return h
}

// hears is the other side's handshake.
func (s *visitor) hears() (h wire.Handshake, err error) {
	var b [wire.HandshakeLen]byte
	if _, err = io.ReadFull(s, b[:]); err != nil {
		return h, err
	}
	return wire.ParseHandshake(b[:])
}

func (s *visitor) says(h wire.Handshake) {
	s.t.Helper()
	if _, err := s.Write(h.Append(nil)); err != nil {
		s.t.Fatal(err)
	}
}

// counts listens to the messages for a while; it returns how many there were of each kind,
// and whether the other side is still there.
func (s *visitor) counts(d time.Duration) (n map[wire.ID]int, stays bool) {
	n = map[wire.ID]int{}
	s.SetReadDeadline(time.Now().Add(d))
	var dec wire.Decoder
	buf := make([]byte, 1<<16)
	for have := 0; ; {
		k, err := s.Read(buf[have:])
		have += k
		for {
			m, used, _ := dec.Next(buf[:have])
			if used == 0 {
				break
			}
			n[m.ID]++
			have = copy(buf, buf[used:have])
		}
		if err != nil {
			e, ok := err.(net.Error)
			return n, ok && e.Timeout()
		}
	}
}

// BEP 52: "The remote peer may then respond with the new infohash to upgrade the connect to the new
// format." This side is the remote peer.
func TestIncomingPeerOfAHybridIsUpgraded(t *testing.T) {
	hybrid, data := makeTorrent(t, 1<<20, true, true)
	old, oldData := makeTorrent(t, 1<<20, true, false)
	v1, v2 := hybrid.Info.HashV1, hybrid.Info.HashV2.Short()
	full := driver.Options{Info: hybrid.Info, Open: memory(hybrid, data)}
	for name, tt := range map[string]struct {
		opt  driver.Options
		says wire.Handshake
		want metainfo.Hash
	}{
		"knows v2":                    {full, greetingOf(v1, true), v2},
		"knows v1 alone":              {full, greetingOf(v1, false), v1},
		"comes with v2":               {full, greetingOf(v2, false), v2},
		"we do not know the info yet": {driver.Options{Key: v1, HashV2: &hybrid.Info.HashV2, Open: memory(hybrid, nil)}, greetingOf(v1, true), v1},
		"there is no v2":              {driver.Options{Info: old.Info, Open: memory(old, oldData)}, greetingOf(old.Info.HashV1, true), old.Info.HashV1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := driver.NewSession(driver.Config{})
				defer s.Close()
				if _, err := s.Add(tt.opt); err != nil {
					t.Fatal(err)
				}
				c, peer := visit(t, transport.TCP)
				s.Accept(c)
				peer.says(tt.says)
				if h, err := peer.hears(); err != nil || h.InfoHash != tt.want {
					t.Fatalf("answers %x, %v; want %x", h.InfoHash, err, tt.want)
				}
			})
		})
	}
}

// The same from the side that dials: it takes the answer, and asks the peer for hashes from
// then on.
func TestDialledPeerOfAHybridUpgradesUs(t *testing.T) {
	tor, data := makeTorrent(t, 1<<20, true, true)
	old, _ := makeTorrent(t, 1<<20, true, false)
	v1, v2 := tor.Info.HashV1, tor.Info.HashV2.Short()
	known := func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
		c, err := memory(tor, data)(ctx, info)
		c.Have = nil
		return c, err
	}
	full := driver.Options{Info: tor.Info, Open: known}
	for name, tt := range map[string]struct {
		opt           driver.Options
		bit           bool // that we set
		answer        wire.Handshake
		stays, hashes bool
	}{
		"with v2, as libtorrent does": {full, true, greetingOf(v2, false), true, true},
		"with v2 and the bit":         {full, true, greetingOf(v2, true), true, true},
		"with v1":                     {full, true, greetingOf(v1, false), true, false},
		"with another torrent":        {full, true, greetingOf(metainfo.Hash{1}, true), false, false},
		"a magnet link of both":       {driver.Options{Key: v1, HashV2: &tor.Info.HashV2, Open: known}, true, greetingOf(v2, false), true, false},
		"a magnet link of v1 alone":   {driver.Options{Key: v1, Open: known}, false, greetingOf(v2, false), false, false},
		"with v2 for a torrent of v1": {driver.Options{Info: old.Info, Open: memory(old, nil)}, false, greetingOf(v2, false), false, false},
		"with v1 for a torrent of v1": {driver.Options{Info: old.Info, Open: memory(old, nil)}, false, greetingOf(old.Info.HashV1, true), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := visit(t, transport.TCP)
				s := driver.NewSession(driver.Config{
					Dial: func(context.Context, netip.AddrPort) (transport.Conn, error) { return c, nil },
				})
				defer s.Close()
				got, err := s.Add(tt.opt)
				if err != nil {
					t.Fatal(err)
				}
				if tt.opt.Info == tor.Info { // what a reader waits for is checked block by block
					r := got.NewReader(0, tor.Info.TotalSize(), true)
					defer r.Close()
					go r.Read(make([]byte, 1))
					synctest.Wait() // it waits
				}
				got.AddPeers([]netip.AddrPort{netip.MustParseAddrPort(c.RemoteAddr())}, swarm.User)
				if h, err := peer.hears(); err != nil || h.InfoHash != got.Key() || h.HasV2() != tt.bit {
					t.Fatalf("says %+v, %v", h, err)
				}
				peer.says(tt.answer)
				all, unchoke := wire.Message{ID: wire.HaveAll}, wire.Message{ID: wire.Unchoke}
				peer.Write(unchoke.Append(all.Append(nil)))
				n, stays := peer.counts(4 * time.Second)
				if stays != tt.stays || n[wire.HashRequest] > 0 != tt.hashes {
					t.Errorf("stays %v; hears %v", stays, n)
				}
			})
		})
	}
}

// Where both sides speak at once, as over WebRTC, there is no answer to upgrade with.
func TestStreamOfAKnownSwarmIsNotUpgraded(t *testing.T) {
	tor, data := makeTorrent(t, 1<<20, true, true)
	for _, outgoing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := driver.NewSession(driver.Config{})
			defer s.Close()
			if _, err := s.Add(driver.Options{Info: tor.Info, Open: memory(tor, data)}); err != nil {
				t.Fatal(err)
			}
			c, peer := visit(t, transport.WebRTC)
			s.Join(tor.Info.HashV1, c, outgoing)
			h, err := peer.hears()
			if err != nil || h.InfoHash != tor.Info.HashV1 || !h.HasV2() {
				t.Fatalf("says %+v, %v", h, err)
			}
			peer.says(greetingOf(tor.Info.HashV1, true))
			if _, stays := peer.counts(2 * time.Second); !stays {
				t.Fatal("does not stay")
			}
		})
	}
}
