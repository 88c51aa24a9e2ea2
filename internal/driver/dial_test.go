//go:build !js

// What a tab has no part in: addresses, and what comes of them.

package driver_test

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// The peer that the user named is the only one that there is. It is not forgotten
// when the torrent rests because what was wanted is there.
func TestNamedPeerIsThereAfterARest(t *testing.T) {
	tor, data := makeTorrent(t, 1<<20, true, false)
	seeds, addr := newSession(t)
	if _, err := seeds.Add(driver.Options{Info: tor.Info, Open: memory(tor, data)}); err != nil {
		t.Fatal(err)
	}
	leech := driver.NewSession(driver.Config{Dial: dial, Quiet: time.Millisecond})
	t.Cleanup(leech.Close)
	to, err := leech.Add(driver.Options{Info: tor.Info, Open: memory(tor, nil), Paused: true})
	if err != nil {
		t.Fatal(err)
	}
	levels := make([]torrent.Priority, tor.Info.NumPieces())
	levels[0] = torrent.Normal
	to.Prioritize(levels)
	to.AddPeers([]netip.AddrPort{addr}, swarm.User)
	to.Pause(false)
	wait(t, "the first piece", to.Done())
	for end := time.Now().Add(20 * time.Second); !to.Parked(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not rest")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	to.Prioritize(nil)
	if err := to.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

// An address that was named before the content is open, or during a pause, is not lost.
func TestAddressesWaitForTheTorrent(t *testing.T) {
	tor, data := makeTorrent(t, 1<<20, true, false)
	seeds, addr := newSession(t)
	add(t, seeds, driver.Options{Info: tor.Info, Open: memory(tor, data)})
	s, _ := newSession(t)
	opened := make(chan struct{})
	open := memory(tor, nil)
	got := add(t, s, driver.Options{Info: tor.Info, Paused: true, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
		<-opened
		return open(ctx, info)
	}})
	got.AddPeers([]netip.AddrPort{addr}, swarm.Tracker)
	close(opened)
	ready(t, got)
	r := got.NewReader(0, int64(len(data)), true) // it waits as well
	defer r.Close()
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(r)
		read <- err
	}()
	time.Sleep(5 * time.Millisecond)
	if got.NumPeers() != 0 || !got.Paused() {
		t.Error("a paused torrent has peers")
	}
	got.Pause(false)
	wait(t, "completion", got.Done())
	if err := <-read; err != nil {
		t.Error(err)
	}
}

// A client that dials nobody can be added to all the same.
func TestNobodyIsDialledWithoutADialler(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, _ := makeTorrent(t, 300_000, true, false)
		s, addr := n.session(t, "192.0.2.1:1", func(c *driver.Config) { c.Dial = nil })
		got, _ := fetch(t, s, tor)
		ready(t, got)
		got.AddPeers([]netip.AddrPort{netip.MustParseAddrPort("192.0.2.5:1")}, swarm.User)
		time.Sleep(time.Minute)
		if got.NumPeers() != 0 || got.Err() != nil {
			t.Errorf("%d peers, %v", got.NumPeers(), got.Err())
		}
		x := meet(t, n, "192.0.2.9:1", addr, tor.Info.Key())
		if x.isEnded() || got.NumPeers() != 1 {
			t.Error("it takes nobody in either")
		}
	})
}

// A reader of a v2 torrent gets no forged block, however early it reads: who sends
// one is found out by it and shut out, and the block is fetched elsewhere.
func TestNoForgedBlockIsReadEarly(t *testing.T) {
	for range 3 { // who is asked for which block is left to chance
		inBubble(t, func(t *testing.T, n *network) {
			const length = 1 << 20
			tor, data := makeTorrentOf(t, 2*length, length, false, true)
			wrong := bytes.Clone(data)
			for at := 0; at < len(wrong); at += 16 << 10 {
				wrong[at] ^= 1
			}
			bad, badAddr := n.session(t, "192.0.2.66:1", nil)
			good, goodAddr := n.session(t, "192.0.2.1:1", nil)
			share(t, bad, tor, wrong)
			share(t, good, tor, data)
			bad.SetLimits(100<<10, 0)
			good.SetLimits(100<<10, 0)
			s, addr := n.session(t, "192.0.2.2:1", nil)
			got, _ := fetch(t, s, tor)
			ready(t, got)
			r := got.NewReader(0, 2*length, false)
			defer r.Close()
			got.AddPeers([]netip.AddrPort{badAddr, goodAddr}, swarm.User)
			all, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(all, data) {
				t.Fatalf("%d bytes, %v", len(all), err)
			}
			if comes(t, n, badAddr, addr, tor.Info.Key()) {
				t.Error("who sent forged blocks is let in again")
			}
			if !comes(t, n, goodAddr, addr, tor.Info.Key()) {
				t.Error("who sent genuine blocks is shut out")
			}
		})
	}
}

// The private flag of an info dictionary that came over a magnet link counts from then
// on (BEP 27): only trackers name peers.
func TestAMagnetThatTurnsOutPrivate(t *testing.T) {
	open, data := makeTorrent(t, 8<<20, true, false)
	tor := privately(t, open, data)
	seeds, addr := newSession(t)
	add(t, seeds, driver.Options{Info: tor.Info, Open: memory(tor, data)})
	s, _ := newSession(t)
	told := make(chan struct{})
	got := add(t, s, driver.Options{Key: tor.Info.Key(), Open: memory(tor, nil), Notify: func(ev driver.Event) {
		if ev.Kind == driver.BecamePrivate {
			close(told)
		}
	}})
	if got.Private() {
		t.Error("private before anybody said so")
	}
	got.AddPeers([]netip.AddrPort{addr}, swarm.DHT)
	wait(t, "word of the flag", told)
	wait(t, "info dictionary", got.Learned())
	if !got.Private() {
		t.Error("the flag was not taken over")
	}
	eventually(t, "the end of what the DHT brought", func() bool { return got.NumPeers() == 0 })
	got.AddPeers([]netip.AddrPort{addr}, swarm.DHT)
	got.AddPeers([]netip.AddrPort{addr}, swarm.LSD)
	if have := got.Have(); have.All() {
		t.Error("the whole torrent came from a peer that the DHT named")
	}
	got.AddPeers([]netip.AddrPort{addrOf(t, seeds)}, swarm.Tracker)
	wait(t, "completion", got.Done())
}

func TestAPrivateTorrentHearsTrackersAndUsersOnly(t *testing.T) {
	open, data := makeTorrent(t, 1<<20, true, false)
	tor := privately(t, open, data)
	for from, want := range map[swarm.Source]int32{swarm.DHT: 0, swarm.LSD: 0, swarm.Tracker: 1, swarm.User: 1} {
		var n atomic.Int32
		s, _ := newSessionOf(t, driver.Config{Dial: dials(&n)})
		got := add(t, s, driver.Options{Info: tor.Info, Open: memory(tor, nil)})
		ready(t, got)
		got.AddPeers([]netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1000")}, from)
		// A second one that is always dialled, and after the first.
		got.AddPeers([]netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:1000")}, swarm.Tracker)
		eventually(t, "dials", func() bool { return n.Load() > want })
		if n.Load() != want+1 {
			t.Errorf("source %d: %d dials, want %d", from, n.Load(), want+1)
		}
	}
}

// A private torrent at rest is not woken for what it may not use.
func TestAPrivateTorrentSleepsOn(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		open, data := makeTorrent(t, 300_000, true, false)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		got := share(t, s, privately(t, open, data), data)
		ready(t, got)
		peer := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:1")}
		for _, from := range []swarm.Source{swarm.DHT, swarm.LSD, swarm.DHT | swarm.LSD} {
			if got.AddPeers(peer, from); !got.Parked() {
				t.Errorf("source %d wakes it", from)
			}
		}
		if got.AddPeers(peer, swarm.Tracker); got.Parked() {
			t.Error("a tracker does not")
		}
	})
}

// A torrent that is known to be private from its file offers no peer exchange.
func TestAPrivateTorrentOffersNoPeerExchange(t *testing.T) {
	open, data := makeTorrent(t, 1<<20, true, false)
	for _, tor := range []*metainfo.Torrent{open, privately(t, open, data)} {
		s, addr := newSession(t)
		add(t, s, driver.Options{Info: tor.Info, Open: memory(tor, data)})
		c, err := dial(context.Background(), addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		h := wire.Handshake{InfoHash: tor.Info.Key(), PeerID: driver.NewPeerID()}
		h.SetExtensions()
		c.Write(h.Append(nil))
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		head := make([]byte, wire.HandshakeLen+4)
		if _, err := io.ReadFull(readerOf{c}, head); err != nil {
			t.Fatal(err)
		}
		b := head[wire.HandshakeLen:]
		body := make([]byte, int(b[0])<<24|int(b[1])<<16|int(b[2])<<8|int(b[3]))
		if _, err := io.ReadFull(readerOf{c}, body); err != nil || body[0] != 20 || body[1] != 0 {
			t.Fatalf("the first message is no extension handshake: %v", err)
		}
		eh, err := wire.ParseExtHandshake(body[2:])
		if err != nil {
			t.Fatal(err)
		}
		if _, pex := eh.ID(wire.ExtPEX); pex == tor.Info.Private {
			t.Errorf("private %v, peer exchange %v", tor.Info.Private, pex)
		}
	}
}
