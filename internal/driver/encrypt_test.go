//go:build !js

package driver_test

import (
	"bytes"
	"context"
	"crypto/rand"
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
	"github.com/shoal-p2p/shoal/internal/transport/mse"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	allowed   = transport.EncryptionAllowed
	off       = transport.EncryptionOff
	preferred = transport.EncryptionPreferred
	required  = transport.EncryptionRequired
)

// listener keeps what passes on the streams that somebody dials.
type listener struct {
	mu    sync.Mutex
	dials [][]byte // what was sent on each
}

type overheard struct {
	transport.Conn
	l *listener
	k int
}

func (o overheard) Write(p []byte) (int, error) {
	o.l.mu.Lock()
	o.l.dials[o.k] = append(o.l.dials[o.k], p...)
	o.l.mu.Unlock()
	return o.Conn.Write(p)
}

func (o overheard) WriteBuffers(bufs [][]byte) (int64, error) {
	o.l.mu.Lock()
	o.l.dials[o.k] = append(o.l.dials[o.k], bytes.Join(bufs, nil)...)
	o.l.mu.Unlock()
	return o.Conn.WriteBuffers(bufs)
}

func (l *listener) on(c *driver.Config) {
	dial := c.Dial
	c.Dial = func(ctx context.Context, to netip.AddrPort) (transport.Conn, error) {
		c, err := dial(ctx, to)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.dials = append(l.dials, nil)
		return overheard{c, l, len(l.dials) - 1}, nil
	}
}

// heard says of each dial whether its handshake could be read, and whether messages
// behind it could be.
func (l *listener) heard() (s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, sent := range l.dials {
		switch {
		case bytes.HasPrefix(sent, []byte("\x13BitTorrent protocol")):
			s += "plain "
		case bytes.Contains(sent, []byte("Shoal/")): // of the extension handshake
			s += "hidden "
		default:
			s += "encrypted "
		}
	}
	return s
}

// What becomes of a connection is decided by both ends.
func TestLevelsOfEncryption(t *testing.T) {
	tor, data := makeTorrent(t, 300_000, true, false)
	for _, c := range []struct {
		from, to transport.Encryption
		want     string // "" where they cannot meet
	}{
		{allowed, allowed, "plain "}, {allowed, off, "plain "}, {allowed, preferred, "plain "}, {allowed, required, "plain encrypted "},
		{off, allowed, "plain "}, {off, off, "plain "}, {off, preferred, "plain "}, {off, required, ""},
		{preferred, allowed, "hidden "}, {preferred, off, "encrypted plain "}, {preferred, preferred, "encrypted "}, {preferred, required, "encrypted "},
		{required, allowed, "encrypted "}, {required, off, ""}, {required, preferred, "encrypted "}, {required, required, "encrypted "},
	} {
		t.Run(c.from.String()+" to "+c.to.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				var l listener
				seeds, addr := n.session(t, "192.0.2.1:1", func(cfg *driver.Config) { cfg.Encryption = c.to })
				share(t, seeds, tor, data)
				leech, _ := n.session(t, "192.0.2.2:2", func(cfg *driver.Config) { cfg.Encryption = c.from; l.on(cfg) })
				got, _ := fetch(t, leech, tor)
				got.AddPeers([]netip.AddrPort{addr}, swarm.User)
				ctx, cancel := context.WithTimeout(t.Context(), 14*time.Second) // before the next dial
				defer cancel()
				err := got.Wait(ctx)
				if (err == nil) != (c.want != "") {
					t.Fatalf("ends with %v", err)
				}
				if heard := l.heard(); c.want != "" && heard != c.want {
					t.Errorf("what the network heard: %s, want %s", heard, c.want)
				}
			})
		})
	}
}

// Somebody who does not say in time what he wants is not waited for, whatever part of an
// encrypted handshake he has sent.
func TestStrangersWithHalfAHandshake(t *testing.T) {
	tor, data := makeTorrent(t, 300_000, true, false)
	for _, size := range []int{0, 1, 60, 68, 95, 96, 97, 600} {
		inBubble(t, func(t *testing.T, n *network) {
			s, _ := n.session(t, "192.0.2.1:1", nil)
			ready(t, share(t, s, tor, data))
			noise := make([]byte, size)
			rand.Read(noise)
			ours, other, closed := unmet()
			s.Accept(ours)
			go other.Write(noise)
			time.Sleep(19 * time.Second)
			if closed() {
				t.Errorf("%d bytes: left early", size)
			}
			time.Sleep(2 * time.Second)
			if !closed() {
				t.Errorf("%d bytes: still waited for", size)
			}
		})
	}
	inBubble(t, func(t *testing.T, n *network) {
		s, _ := n.session(t, "192.0.2.1:1", nil)
		ready(t, share(t, s, tor, data))
		ours, other, closed := unmet()
		s.Accept(ours)
		go other.Write(make([]byte, 1000))
		if time.Sleep(time.Second); !closed() {
			t.Error("who has no key is waited for")
		}
	})
}

// ask makes an encrypted handshake for a torrent, and returns the answer's info hash.
func ask(s *driver.Session, key metainfo.Hash) (h wire.Handshake, err error) {
	x, y := net.Pipe()
	defer x.Close()
	s.Accept(&pipe{y, "192.0.2.9:9"})
	hello := wire.Handshake{InfoHash: key, PeerID: [20]byte{9}}
	c, err := mse.Connect(&pipe{x, "192.0.2.1:1"}, key, mse.RC4, hello.Append(nil))
	if err != nil {
		return h, err
	}
	var b [wire.HandshakeLen]byte
	if _, err = io.ReadFull(c, b[:]); err != nil {
		return h, err
	}
	return wire.ParseHandshake(b[:])
}

// Whoever comes encrypted finds every torrent by every hash that it has, as long as it
// is there.
func TestEncryptedStrangersFindTheirTorrent(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		s, _ := n.session(t, "192.0.2.1:1", nil)
		first, data := makeTorrent(t, 300_000, true, true)
		share(t, s, first, data)
		late, moreData := makeTorrent(t, 200_000, true, true)
		find := func(tor *metainfo.Torrent, want bool) {
			t.Helper()
			for _, key := range tor.Info.SwarmHashes() {
				h, err := ask(s, key)
				if found := err == nil && h.InfoHash == key; found != want {
					t.Errorf("%v: answers %x, %v", key, h.InfoHash, err)
				}
				synctest.Wait()
			}
		}
		find(first, true)
		find(late, false)
		added := share(t, s, late, moreData)
		find(late, true)
		added.Close()
		find(late, false)
		find(first, true)
	})
}
