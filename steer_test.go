//go:build !js

package shoal_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
)

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 30 s not yet: %s", what)
		}
	}
}

func TestTheQueue(t *testing.T) {
	cfg := quiet
	cfg.MaxActiveDownloads = 1
	c := newClient(t, cfg)
	add := func(hash string, opt shoal.AddOptions) *shoal.Torrent {
		opt.Dir = t.TempDir()
		to, err := c.Add(deadline(t), shoal.Link(strings.Repeat(hash, 20)), opt)
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	first, second := add("a1", shoal.AddOptions{}), add("a2", shoal.AddOptions{})
	forced, manual := add("a3", shoal.AddOptions{Forced: true}), add("a4", shoal.AddOptions{Manual: true})
	if first.Queued() || !second.Queued() || forced.Queued() || manual.Queued() || !forced.Forced() {
		t.Errorf("queued: %v %v %v %v", first.Queued(), second.Queued(), forced.Queued(), manual.Queued())
	}
	first.Pause()
	if second.Queued() || !first.Paused() {
		t.Error("the place of one that is paused stays empty")
	}
	first.Resume()
	second.SetForced(true)
	if first.Queued() || second.Queued() {
		t.Error("the forced one takes a place")
	}
}

func TestGoalsEndSeeding(t *testing.T) {
	dir, _ := album(t)
	seed, shared := share(t, shoal.CreateOptions{}, dir)
	shared.SetGoals(shoal.Goals{Ratio: 1})
	got := get(t, seed, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{Goals: &shoal.Goals{Time: time.Nanosecond}})
	for _, to := range []*shoal.Torrent{shared, got} {
		for ev := range to.Events(deadline(t)) {
			if ev.Kind == shoal.GoalReached {
				break
			}
		}
		if !to.GoalReached() || to.Paused() {
			t.Errorf("a goal is reached: %v, paused: %v", to.GoalReached(), to.Paused())
		}
	}
	if s := shared.Stats(); s.Ratio < 1 || s.Uploaded == 0 {
		t.Errorf("%+v", s)
	}
	// It is served again when the user says so.
	shared.SetGoals(shoal.Goals{})
	if shared.GoalReached() || shared.Goals() != (shoal.Goals{}) {
		t.Error("the old goal holds")
	}
	again := get(t, seed, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{})
	if err := again.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
}

func TestRecheck(t *testing.T) {
	dir, content := album(t)
	seed, shared := share(t, shoal.CreateOptions{PieceLength: 16 << 10}, dir)
	out := t.TempDir()
	got := get(t, seed, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{Dir: out})
	if err := got.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(out, "album", "b.mp3")
	damaged := append([]byte("damaged"), content["b.mp3"][7:]...)
	if err := os.WriteFile(file, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	lost := make(chan int, 1)
	events := got.Events(deadline(t))
	ready := make(chan struct{})
	go func() {
		for ev := range events {
			switch ev.Kind {
			case shoal.Completed:
				close(ready)
			case shoal.PieceLost:
				lost <- ev.Piece
				return
			}
		}
	}()
	<-ready
	var last, all int64
	if err := got.Recheck(deadline(t), func(done, total int64) { last, all = done, total }); err != nil {
		t.Fatal(err)
	}
	if last != all || all < 600_000 {
		t.Errorf("progress ended with %d of %d", last, all)
	}
	first, _ := got.File("b.mp3").Pieces()
	select {
	case piece := <-lost:
		if piece != first {
			t.Errorf("piece %d is told of, %d is damaged", piece, first)
		}
	case <-deadline(t).Done():
		t.Fatal("the damaged piece was not told of")
	}
	got.AddPeers(netip.MustParseAddrPort(seed.PeerAddr()))
	if err := got.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(file); string(b) != string(content["b.mp3"]) {
		t.Error("the file was not mended")
	}
	got.Close()
	if err := got.Recheck(deadline(t), nil); !errors.Is(err, shoal.ErrNotRunning) {
		t.Errorf("after Close: %v", err)
	}
}

// What the resume data says of itself reaches the user.
func TestResumeDataThatIsDamagedIsToldOf(t *testing.T) {
	dir, _ := album(t)
	_, shared := share(t, shoal.CreateOptions{}, dir)
	out := t.TempDir()
	got := get(t, nil, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{Dir: out})
	if got.Warning() != nil {
		t.Errorf("a fresh download warns: %v", got.Warning())
	}
	got.Close()
	files, _ := filepath.Glob(filepath.Join(out, ".*"))
	if len(files) != 1 {
		t.Fatalf("resume data: %v", files)
	}
	if err := os.WriteFile(files[0], []byte("this is no resume data at all, whatever its name may say of it"), 0o644); err != nil {
		t.Fatal(err)
	}
	got = get(t, nil, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{Dir: out})
	for ev := range got.Events(deadline(t)) {
		if ev.Kind == shoal.Warned {
			if !strings.Contains(ev.Err.Error(), "ignored") || got.Warning() == nil {
				t.Errorf("%v, %v", ev.Err, got.Warning())
			}
			return
		}
	}
	t.Error("not told")
}
