//go:build !js

package driver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// Who waits alone is told so after a while, and not before; who is served, or reads
// slowly himself, or waits for somebody who has what is missing, is not.
func TestAPatientReaderGivesUpWhenNobodyComes(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		seed, addr := n.session(t, "192.0.2.1:1", nil)
		shared := share(t, seed, tor, data)
		ready(t, shared)
		leech, _ := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, leech, tor)
		open := func() *driver.Patient {
			return got.NewReader(0, int64(len(data)), false).Patient(t.Context(), time.Minute)
		}

		r := open()
		begin := time.Now()
		for range 2 {
			if _, err := r.Read(make([]byte, 1)); err != driver.ErrNoSource {
				t.Errorf("nobody came: %v", err)
			}
		}
		if waited := time.Since(begin); waited < time.Minute || waited > 70*time.Second {
			t.Errorf("it waited %v", waited)
		}
		r.Close()

		r = open()
		defer r.Close()
		time.AfterFunc(55*time.Second, func() { got.AddPeers([]netip.AddrPort{addr}, swarm.User) })
		first := make([]byte, 1000)
		if _, err := io.ReadFull(r, first); err != nil {
			t.Errorf("a peer came in time: %v", err)
		}
		time.Sleep(10 * time.Minute) // it is played
		rest, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(append(first, rest...), data) {
			t.Errorf("%d bytes more, %v", len(rest), err)
		}
	})
}

// sluggish is a store on a disk that has to start first.
type sluggish struct{ storage.Store }

func (s sluggish) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(20 * time.Second)
	return s.Store.ReadAt(p, off)
}

// A peer that has what is missing and does not send it may yet do so.
func TestAPatientReaderWaitsForWhoHasIt(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		seed, addr := n.session(t, "192.0.2.1:1", nil)
		ready(t, add(t, seed, driver.Options{Info: tor.Info, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
			c, err := memory(tor, data)(ctx, info)
			c.Store = sluggish{c.Store}
			return c, err
		}}))
		leech, _ := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, leech, tor)
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		time.Sleep(time.Second)
		r := got.NewReader(0, int64(len(data)), false).Patient(t.Context(), 5*time.Second)
		defer r.Close()
		if all, err := io.ReadAll(r); err != nil || !bytes.Equal(all, data) {
			t.Errorf("%d bytes, %v", len(all), err)
		}
	})
}

func TestAPatientReaderEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, _ := makeTorrent(t, 300_000, true, false)
		leech, _ := n.session(t, "192.0.2.2:1", nil)
		got, _ := fetch(t, leech, tor)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := got.NewReader(0, 10, false).Patient(ctx, time.Minute)
		defer r.Close()
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
