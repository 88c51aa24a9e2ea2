package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

var quietly = network{NoDHT: true, NoLSD: true, STUN: []string{"none"}, JSON: true}

// shutStore is a store whose reads wait.
type shutStore struct {
	storage.Store
	open chan struct{}
}

func (g *shutStore) ReadAt(p []byte, off int64) (int, error) {
	<-g.open
	return g.Store.ReadAt(p, off)
}

// swarmOfOne seeds a folder of two files; nothing is sent before open is closed.
func swarmOfOne(t *testing.T) (peer string, meta *metainfo.Torrent, file string, want []byte, open chan struct{}) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "films")
	os.Mkdir(dir, 0o755)
	want = bytes.Repeat([]byte("0123456789"), 30_000)
	os.WriteFile(filepath.Join(dir, "a film.mp4"), want, 0o644)
	os.WriteFile(filepath.Join(dir, "readme.txt"), want[:1000], 0o644)
	meta, err := shoal.Create(t.Context(), []string{dir}, shoal.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "films.torrent")
	os.WriteFile(file, meta.Marshal(), 0o644)
	c, err := shoal.New(shoal.Config{Local: true, PeerListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	open = make(chan struct{})
	_, err = c.Add(t.Context(), shoal.FromTorrent(meta), shoal.AddOptions{Storage: shoal.StorageFunc(
		func(_ context.Context, info *metainfo.Info) (storage.Store, *storage.Bits, error) {
			f, err := storage.OpenSources(info, []string{dir}, storage.FileOptions{})
			have := storage.NewBits(info.NumPieces())
			for i := range info.NumPieces() {
				have.Set(i)
			}
			return &shutStore{f, open}, have, err
		})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.PeerAddr(), meta, file, want, open
}

// follow runs a command and returns its events, one by one, and how it ended.
func follow(t *testing.T, run func(context.Context) error) (next func(event string, into any), ended chan error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	t.Cleanup(func() { os.Stdout = stdout })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	ended = make(chan error, 1)
	go func() {
		ended <- run(ctx)
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	return func(event string, into any) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), `"event":"`+event+`"`) {
				if err := json.Unmarshal(lines.Bytes(), into); err != nil {
					t.Fatal(err)
				}
				return
			}
		}
		t.Fatalf("no event %s: %v", event, <-ended)
	}, ended
}

func TestGetSelected(t *testing.T) {
	peer, _, file, _, open := swarmOfOne(t)
	close(open)
	dir := t.TempDir()
	get := getCmd{Source: file, Dir: dir, Select: []string{"*.txt"}, Peer: []string{peer}, Transport: []string{"tcp"}, network: quietly}
	next, ended := follow(t, get.Run)
	var meta metadataEvent
	next("metadata", &meta)
	if meta.Bytes != 1000 || len(meta.Files) != 2 || meta.Files[0].Selected || !meta.Files[1].Selected || meta.Files[1].URL != "" {
		t.Errorf("%+v", meta)
	}
	var done doneEvent
	next("done", &done)
	if err := <-ended; err != nil || done.Bytes != 1000 {
		t.Errorf("%+v, %v", done, err)
	}
	if list, err := os.ReadDir(filepath.Join(dir, "films")); err != nil || len(list) != 1 || list[0].Name() != "readme.txt" {
		t.Errorf("there are %v, %v", list, err)
	}
	// The rest can be fetched later, and what nobody has is said.
	get.Select = nil
	next, ended = follow(t, get.Run)
	if next("done", &done); done.Bytes != 301_000 || <-ended != nil {
		t.Errorf("%+v", done)
	}
	get.Select = []string{"1", "7"}
	if err := get.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--select 7: films has no such file; it has 2 files") {
		t.Errorf("%v", err)
	}
}

// A link may ask for files that are not there: that is no download of nothing.
func TestGetByALinkThatSelectsNoFile(t *testing.T) {
	peer, meta, _, _, open := swarmOfOne(t)
	close(open)
	link := "magnet:?xt=urn:btih:" + meta.Info.HashV1.String() + "&so=77"
	get := getCmd{Source: link, Dir: t.TempDir(), Peer: []string{peer}, Transport: []string{"tcp"}, network: quietly}
	err := get.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the link selects files that films does not have; choose others with --select, of the 2 files") {
		t.Errorf("%v", err)
	}
	get.Select = []string{"2"}
	if err := get.Run(t.Context()); err != nil {
		t.Errorf("with --select: %v", err)
	}
}

func TestGetServesWhileItDownloads(t *testing.T) {
	peer, _, file, want, open := swarmOfOne(t)
	get := getCmd{Source: file, Dir: t.TempDir(), Listen: "127.0.0.1:0", Peer: []string{peer}, Transport: []string{"tcp"}, network: quietly}
	next, ended := follow(t, get.Run)
	var meta metadataEvent
	next("metadata", &meta)
	at := meta.Files[0].URL
	if !strings.HasPrefix(at, "http://127.0.0.1:") || !strings.HasSuffix(at, "/a%20film.mp4") {
		t.Fatalf("it is at %s", at)
	}
	res, err := http.Head(at)
	if err != nil || res.StatusCode != 200 || res.ContentLength != int64(len(want)) || res.Header.Get("Content-Type") != "video/mp4" {
		t.Fatalf("before a byte is there: %v, %v", res, err)
	}
	got := make(chan []byte, 1)
	go func() {
		res, err := http.Get(at)
		if err != nil {
			got <- nil
			return
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		got <- b
	}()
	time.Sleep(50 * time.Millisecond) // the request comes before the bytes
	close(open)
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("%d bytes of %d were streamed", len(b), len(want))
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Ctrl-C ends what takes long at once, with a line that says what is not done.
func TestStopped(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.bin")
	f, err := os.Create(big)
	if err != nil {
		t.Fatal(err)
	}
	f.Truncate(64 << 20)
	f.WriteAt([]byte("x"), 63<<20)
	f.Close()
	meta, err := shoal.Create(t.Context(), []string{big}, shoal.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "big.torrent")
	os.WriteFile(file, meta.Marshal(), 0o644)
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	here := serving{Listen: "127.0.0.1:0", PeerListen: "127.0.0.1:0", NoNAT: true, network: quietly}
	for says, run := range map[string]func(context.Context) error{
		"stopped before everything was hashed; nothing is shared yet":             (&shareCmd{Paths: []string{big}, serving: here}).Run,
		"stopped before everything was hashed; nothing was written":               (&createCmd{Paths: []string{big}, Output: filepath.Join(dir, "x.torrent")}).Run,
		"stopped before the files were verified; nothing is seeded yet":           (&seedCmd{Torrent: file, Dir: dir, serving: here}).Run,
		"stopped before it was complete; the same command goes on where it ended": (&getCmd{Source: file, Dir: dir, Transport: []string{"tcp"}, network: quietly}).Run,
		"stopped before the torrent was known":                                    (&getCmd{Source: "http://127.0.0.1:1/x.torrent", Dir: dir, Transport: []string{"tcp"}, network: quietly}).Run,
	} {
		if err := run(stopped); err == nil || err.Error() != says {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

func TestShareTakesHybridAsCreateDoes(t *testing.T) {
	for _, args := range [][]string{{"share", "x", "--hybrid", "--v1"}, {"create", "x", "--hybrid", "--v2"}} {
		if code := run(args); code != 2 {
			t.Errorf("%v: %d", args, code)
		}
	}
	for _, args := range [][]string{{"share", "/nonexistent", "--hybrid"}, {"create", "/nonexistent", "--hybrid"}} {
		if code := run(args); code != 1 {
			t.Errorf("%v: %d", args, code)
		}
	}
}

// Seeding ends by itself when a goal is reached, and says so.
func TestGetSeedsUntilAGoal(t *testing.T) {
	peer, _, file, _, open := swarmOfOne(t)
	close(open)
	get := getCmd{
		Source: file, Dir: t.TempDir(), Peer: []string{peer}, Transport: []string{"tcp"}, Seed: true,
		goals: goals{SeedTime: time.Nanosecond}, network: quietly,
	}
	next, ended := follow(t, get.Run)
	var done doneEvent
	next("done", &done)
	var goal goalEvent
	next("goal", &goal)
	if err := <-ended; err != nil || goal.Uploaded != 0 || goal.Ratio != 0 {
		t.Errorf("%+v, %v", goal, err)
	}
}

func TestGoalsThatMakeNoSense(t *testing.T) {
	for _, c := range []struct {
		get  getCmd
		want string
	}{
		{getCmd{Seed: true, goals: goals{Ratio: -1}}, "--ratio -1"},
		{getCmd{Seed: true, goals: goals{SeedTime: -time.Second}}, "--seed-time -1s"},
		{getCmd{goals: goals{Ratio: 1}}, "--seed"},
	} {
		err := c.get.Run(t.Context())
		var u errUsage
		if !errors.As(err, &u) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestStateIsKeptWithTheDHTOnly(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if dir := (&network{NoDHT: true}).stateDir(); dir != "" {
		t.Errorf("without a DHT, %s is written to", dir)
	}
	if dir := (&network{}).stateDir(); filepath.Base(dir) != "shoal" {
		t.Errorf("the state lies in %q", dir)
	}
}
