package driver_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

var eventNames = map[driver.EventKind]string{
	driver.Opened: "opened", driver.StateChanged: "state", driver.PieceStored: "piece", driver.PieceLost: "lost", driver.Finished: "finished",
	driver.Failed: "failed", driver.Warned: "warned", driver.PeerJoined: "joined", driver.PeerLeft: "left", driver.BecamePrivate: "private",
}

// told is what a torrent's owner was told, in a few words.
type told struct {
	mu   sync.Mutex
	list []string
}

func (o *told) notify(ev driver.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := eventNames[ev.Kind]
	switch ev.Kind {
	case driver.PieceStored, driver.PieceLost:
		name += " " + strconv.Itoa(ev.Piece)
	case driver.PeerJoined, driver.PeerLeft:
		name += " " + ev.Peer
	}
	if ev.Err != nil {
		name += ": " + ev.Err.Error()
	}
	o.list = append(o.list, name)
}

// since is what was told since the last call, once nothing more happens. Changes of
// state, which another goroutine tells, come first, and pieces that were stored are put
// in order.
func (o *told) since() []string {
	time.Sleep(5 * time.Second)
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	slices.SortStableFunc(list, func(a, b string) int {
		switch {
		case a == b || a != "state" && b != "state":
			return 0
		case a == "state":
			return -1
		}
		return 1
	})
	for from := 0; from < len(list); from++ {
		to := from
		for to < len(list) && len(list[to]) > 6 && list[to][:6] == "piece " {
			to++
		}
		slices.Sort(list[from:to])
		from = max(from, to-1)
	}
	return list
}

// Whoever owns a torrent is told all that happens to it, in order, and nothing twice.
func TestALifeIsToldInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false) // 5 pieces
		seeds, addr := n.session(t, "192.0.2.1:1", nil)
		share(t, seeds, tor, data)
		s, _ := n.session(t, "192.0.2.2:1", nil)
		var o told
		store := storage.NewMemory(tor.Info, storage.MemoryOptions{})
		got := add(t, s, driver.Options{Key: tor.Info.Key(), Paused: true, Notify: o.notify, Open: func(_ context.Context, info *metainfo.Info) (driver.Content, error) {
			return driver.Content{Store: store, Check: func(context.Context, storage.Progress) (*bits.Set, error) {
				have := bits.New(info.NumPieces())
				have.Set(0)
				have.Set(3)
				return &have, nil
			}}, nil
		}})
		expect := func(what string, want ...string) {
			t.Helper()
			if list := o.since(); !slices.Equal(list, want) {
				t.Errorf("%s:\n got %q\nwant %q", what, list, want)
			}
		}
		expect("paused")
		got.Pause(true) // it is
		expect("paused still")
		got.Pause(false)
		got.Pause(false)
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		met, left := "joined 192.0.2.1:1", "left 192.0.2.1:1: "+swarm.ErrUseless.Error()
		expect("begun", "state", met, "opened", "piece 0", "piece 1", "piece 2", "piece 3", "piece 4", "finished", left)
		if err := got.Recheck(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		got.AddPeers([]netip.AddrPort{addr}, swarm.User)
		expect("checked", "state", "state", met, "piece 1", "piece 2", "piece 4", "finished", left)
		warning := errors.New("mind")
		got.Warn(warning)
		if got.Warning() != warning {
			t.Errorf("the warning is %v", got.Warning())
		}
		expect("warned", "warned: mind")
		got.Pause(true)
		expect("paused again", "state")
		got.Close()
		got.Pause(false)
		expect("closed", "state")
		if err := got.Err(); err != driver.ErrNotRunning {
			t.Errorf("the error is %v", err)
		}
	})
}

// A content that cannot be opened is told as often as it was tried.
func TestFailuresAreTold(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, data := makeTorrent(t, 300_000, true, false)
		s, _ := n.session(t, "192.0.2.2:1", nil)
		var o told
		fail := errors.New("no disk")
		got := add(t, s, driver.Options{Info: tor.Info, Notify: o.notify, Open: func(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
			if fail != nil {
				return driver.Content{}, fail
			}
			return memory(tor, data)(ctx, info)
		}})
		for range 2 {
			if list := o.since(); !slices.Equal(list, []string{"failed: no disk"}) || got.Err() != fail {
				t.Errorf("%q, %v", list, got.Err())
			}
			got.Retry()
		}
		o.since()
		fail = nil
		got.Retry()
		if list := o.since(); !slices.Equal(list, []string{"finished", "opened"}) || got.Err() != nil {
			t.Errorf("%q, %v", list, got.Err())
		}
	})
}
