//go:build !js

package driver_test

// The sentences of BEP 3, 6 and 10 about the handshake. That of BEP 52 is tested in upgrade_test.go.
//
// "If the receiving side's peer id doesn't match the one the initiating side expects, it severs the
// connection." (BEP 3) Addresses come without ids, from trackers that answer in compact form, the DHT, PEX
// and LSD; so there is none to expect. Where there is one, Session.Meet checks it.

import (
	"context"
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

// met lets a session that seeds a torrent meet a stranger, who has come or was dialled.
func met(t *testing.T, dials bool, do func(t *testing.T, s *driver.Session, key metainfo.Hash, peer *visitor)) {
	t.Helper()
	tor, data := makeTorrent(t, 1<<20, true, false)
	synctest.Test(t, func(t *testing.T) {
		c, peer := visit(t, transport.TCP)
		s := driver.NewSession(driver.Config{
			Encryption: transport.EncryptionOff, // there is one stream, and it has to be as they say
			Dial:       func(context.Context, netip.AddrPort) (transport.Conn, error) { return c, nil },
		})
		defer s.Close()
		got, err := s.Add(driver.Options{Info: tor.Info, Open: memory(tor, data)})
		if err != nil {
			t.Fatal(err)
		}
		if dials {
			got.AddPeers([]netip.AddrPort{netip.MustParseAddrPort(c.RemoteAddr())}, swarm.User)
		} else {
			s.Accept(c)
		}
		do(t, s, got.Key(), peer)
	})
}

// bothWays runs a test for a peer that has come and for one that was dialled.
func bothWays(t *testing.T, do func(t *testing.T, dials bool)) {
	for name, dials := range map[string]bool{"incoming": false, "outgoing": true} {
		t.Run(name, func(t *testing.T) { do(t, dials) })
	}
}

// BEP 3: "The handshake starts with character ninteen (decimal) followed by the string 'BitTorrent
// protocol'." "After the fixed headers come eight reserved bytes". "Next comes the 20 byte sha1 hash of the
// bencoded form of the info value". "After the download hash comes the 20-byte peer id which is reported in
// tracker requests".
//
// BEP 10: "The bit selected for the extension protocol is bit 20 from the right". BEP 6: "reserved[7] |= 0x04".
func TestHandshakeIsAsTheySay(t *testing.T) {
	bothWays(t, func(t *testing.T, dials bool) {
		met(t, dials, func(t *testing.T, s *driver.Session, key metainfo.Hash, peer *visitor) {
			if !dials {
				peer.says(greetingOf(key, false))
			}
			var b [wire.HandshakeLen]byte
			if _, err := peer.Read(b[:]); err != nil {
				t.Fatal(err)
			}
			id := s.PeerID()
			if want := "\x13BitTorrent protocol" + "\x00\x00\x00\x00\x00\x10\x00\x04" + string(key[:]) + string(id[:]); string(b[:]) != want {
				t.Fatalf("says %q", b)
			}
		})
	})
}

// BEP 3: "The leading character is a length prefix, put there in the hope that other new protocols may do the
// same and thus be trivially distinguishable from each other." A stranger is left at its first wrong byte.
func TestHandshakeOfAnotherProtocol(t *testing.T) {
	bothWays(t, func(t *testing.T, dials bool) {
		met(t, dials, func(t *testing.T, _ *driver.Session, _ metainfo.Hash, peer *visitor) {
			if dials {
				peer.hears()
			}
			peer.Write([]byte("\x14"))
			peer.SetReadDeadline(time.Now().Add(time.Second))
			if h, err := peer.hears(); err != io.EOF {
				t.Fatalf("answers %+v, %v", h, err)
			}
		})
	})
}

// BEP 3: "eight reserved bytes, which are all zero in all current implementations." Bits that we do not know
// say nothing to us.
func TestHandshakeWithUnknownBits(t *testing.T) {
	bothWays(t, func(t *testing.T, dials bool) {
		met(t, dials, func(t *testing.T, _ *driver.Session, key metainfo.Hash, peer *visitor) {
			if dials {
				peer.hears()
			}
			h := greetingOf(key, false)
			h.Reserved = [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0xff, 0xea}
			peer.says(h)
			if !dials {
				peer.hears()
			}
			if _, stays := peer.counts(time.Second); !stays {
				t.Fatal("does not stay")
			}
		})
	})
}

// BEP 3: "If both sides don't send the same value, they sever the connection. The one possible exception is if a
// downloader wants to do multiple downloads over a single port, they may wait for incoming connections to give a
// download hash first, and respond with the same one if it's in their list."
func TestHandshakeOfAnotherTorrent(t *testing.T) {
	bothWays(t, func(t *testing.T, dials bool) {
		met(t, dials, func(t *testing.T, _ *driver.Session, _ metainfo.Hash, peer *visitor) {
			if dials {
				peer.hears()
			}
			peer.says(greetingOf(metainfo.Hash{1, 2, 3}, false))
			if h, err := peer.hears(); err != io.EOF {
				t.Fatalf("answers %+v, %v", h, err)
			}
		})
	})
	met(t, false, func(t *testing.T, _ *driver.Session, key metainfo.Hash, peer *visitor) {
		if n, stays := peer.counts(time.Second); !stays || len(n) != 0 {
			t.Fatalf("does not wait for the hash: %v", n)
		}
		peer.SetReadDeadline(time.Now().Add(time.Second))
		peer.says(greetingOf(key, false))
		if h, err := peer.hears(); err != nil || h.InfoHash != key {
			t.Fatalf("answers %+v, %v", h, err)
		}
	})
}

// BEP 6: "The extension is enabled only if both ends of the connection set this bit." BEP 10: "To advertise to
// other clients that you support, one bit from the reserved bytes is used."
func TestHandshakeBitsAreHeeded(t *testing.T) {
	for name, tt := range map[string]struct {
		set  func(*wire.Handshake)
		want [3]int // of extended, have all and bitfield
	}{
		"none":       {func(*wire.Handshake) {}, [3]int{0, 0, 1}},
		"fast":       {(*wire.Handshake).SetFast, [3]int{0, 1, 0}},
		"extensions": {(*wire.Handshake).SetExtensions, [3]int{1, 0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, dials bool) {
				met(t, dials, func(t *testing.T, _ *driver.Session, key metainfo.Hash, peer *visitor) {
					if dials {
						peer.hears()
					}
					h := wire.Handshake{InfoHash: key, PeerID: [20]byte{'x'}}
					tt.set(&h)
					peer.says(h)
					if !dials {
						peer.hears()
					}
					n, _ := peer.counts(time.Second)
					if got := [3]int{n[wire.Extended], n[wire.HaveAll], n[wire.Bitfield]}; got != tt.want {
						t.Fatalf("says %v", n)
					}
				})
			})
		})
	}
}
