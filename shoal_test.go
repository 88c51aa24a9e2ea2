//go:build !js

package shoal_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// quiet is a client that speaks to nobody but whom it is told of, on loopback.
var quiet = shoal.Config{PeerListen: "127.0.0.1:0", Local: true, NoWebRTC: true}

func newClient(t testing.TB, cfg shoal.Config) *shoal.Client {
	t.Helper()
	c, err := shoal.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// payload writes seeded random bytes.
func payload(t testing.TB, path string, size int, seed byte) []byte {
	t.Helper()
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return b
}

// album writes a folder of three files and returns what is in them.
func album(t testing.TB) (dir string, content map[string][]byte) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "album")
	content = map[string][]byte{}
	for i, name := range []string{"a.mp3", "b.mp3", "cover/front page.html"} {
		content[name] = payload(t, filepath.Join(dir, filepath.FromSlash(name)), 200_000+i, byte(i))
	}
	return dir, content
}

// share publishes a path by a client of its own.
func share(t testing.TB, opt shoal.CreateOptions, path string) (*shoal.Client, *shoal.Torrent) {
	t.Helper()
	meta, err := shoal.Create(deadline(t), []string{path}, opt)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, quiet)
	s, err := c.Share(deadline(t), meta, path)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// get adds a torrent to a new client that knows one peer.
func get(t testing.TB, peer *shoal.Client, src shoal.Source, opt shoal.AddOptions) *shoal.Torrent {
	t.Helper()
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	if peer != nil {
		opt.Peers = append(opt.Peers, peer.PeerAddr())
	}
	got, err := newClient(t, quiet).Add(deadline(t), src, opt)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestShareAndAdd(t *testing.T) {
	for _, c := range []struct {
		name   string
		v1, v2 bool
	}{{"v1", true, false}, {"v2", false, true}, {"hybrid", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			dir, content := album(t)
			seed, shared := share(t, shoal.CreateOptions{V1: c.v1, V2: c.v2}, dir)
			m := shared.Magnet()
			torrentFile := filepath.Join(t.TempDir(), "album.torrent")
			os.WriteFile(torrentFile, shared.Metainfo().Marshal(), 0o644)
			for what, src := range map[string]shoal.Source{
				"magnet link": shoal.Link(m.String()), "hash": shoal.Link(shared.Key().String()), "torrent": shoal.FromTorrent(shared.Metainfo()),
				"file": shoal.Link(torrentFile), "magnet": shoal.FromMagnet(m),
			} {
				out := t.TempDir()
				got := get(t, seed, src, shoal.AddOptions{Dir: out})
				if err := got.Wait(deadline(t)); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				for name, want := range content {
					if b, err := os.ReadFile(filepath.Join(out, "album", filepath.FromSlash(name))); err != nil || !bytes.Equal(b, want) {
						t.Errorf("%s: %s differs, %v", what, name, err)
					}
				}
				s := got.Stats()
				if s.Have != s.Pieces || s.Pieces == 0 || s.Left != 0 || s.Downloaded == 0 {
					t.Errorf("%s: %+v", what, s)
				}
				if got.Name() != "album" || got.Key() != shared.Key() {
					t.Errorf("%s: it is %s, %v", what, got.Name(), got.Key())
				}
			}
		})
	}
}

func TestTheClientKnowsItsTorrents(t *testing.T) {
	dir, _ := album(t)
	seed, shared := share(t, shoal.CreateOptions{}, dir)
	for _, hash := range shared.Info().SwarmHashes() {
		if seed.Torrent(hash) != shared {
			t.Errorf("no torrent under %v", hash)
		}
	}
	if list := seed.Torrents(); len(list) != 1 || list[0] != shared {
		t.Errorf("%v", list)
	}
	if _, err := seed.Share(deadline(t), shared.Metainfo(), dir); !errors.Is(err, shoal.ErrExists) {
		t.Errorf("shared twice: %v", err)
	}
	shared.Close()
	if seed.Torrent(shared.Key()) != nil || len(seed.Torrents()) != 0 {
		t.Error("a closed torrent is still there")
	}
	if err := shared.Wait(deadline(t)); err != nil && !errors.Is(err, shoal.ErrNotRunning) {
		t.Errorf("waiting for a closed torrent: %v", err)
	}
	if _, err := seed.Share(deadline(t), shared.Metainfo(), dir); err != nil {
		t.Errorf("shared again: %v", err)
	}
}

func TestPriorities(t *testing.T) {
	dir, content := album(t)
	seed, shared := share(t, shoal.CreateOptions{PieceLength: 16 << 10}, dir) // a hybrid: padded, so files share no piece
	out := t.TempDir()
	got := get(t, seed, shoal.FromMagnet(shared.Magnet()), shoal.AddOptions{Dir: out, Priority: func(f *shoal.File) shoal.Priority {
		if f.Path() == "b.mp3" {
			return shoal.Normal
		}
		return shoal.Skip
	}})
	if err := got.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(out, "album", "a.mp3")); err == nil {
		t.Error("a file that nobody wants was made")
	}
	if b, err := os.ReadFile(filepath.Join(out, "album", "b.mp3")); err != nil || !bytes.Equal(b, content["b.mp3"]) {
		t.Errorf("what was wanted differs, %v", err)
	}
	if got.File("a.mp3").Priority() != shoal.Skip || got.File("b.mp3").Priority() != shoal.Normal {
		t.Error("the priorities are not those that were given")
	}
}

func TestSetPriority(t *testing.T) {
	dir, _ := album(t)
	seed, shared := share(t, shoal.CreateOptions{PieceLength: 16 << 10}, dir)
	out := t.TempDir()
	got := get(t, seed, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{Dir: out, Paused: true})
	got.SetPriorities(func(f *shoal.File) shoal.Priority { return shoal.Skip })
	got.File("b.mp3").SetPriority(shoal.Normal)
	got.Resume()
	if err := got.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(filepath.Join(out, "album"))
	if err != nil || len(list) != 1 || list[0].Name() != "b.mp3" {
		t.Errorf("there are %v, %v", list, err)
	}
}

// The numbers of BEP 53 count the entries of the info dictionary; the padding of a
// hybrid is among them.
func TestMagnetSelectsFiles(t *testing.T) {
	dir, _ := album(t)
	seed, shared := share(t, shoal.CreateOptions{}, dir)
	m := shared.Magnet()
	m.Select = []magnet.Range{{First: 2, Last: 2}} // a.mp3, padding, b.mp3
	out := t.TempDir()
	got := get(t, seed, shoal.Link(m.String()), shoal.AddOptions{Dir: out})
	if err := got.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(filepath.Join(out, "album"))
	if err != nil || len(list) != 1 || list[0].Name() != "b.mp3" {
		t.Errorf("there are %v, %v", list, err)
	}
}

// Pieces are asked for in their order; those of higher priority first.
func TestSequential(t *testing.T) {
	dir, _ := album(t)
	meta, err := shoal.Create(deadline(t), []string{dir}, shoal.CreateOptions{PieceLength: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var order []int64 // in which the seed reads what it is asked for
	seed := newClient(t, quiet)
	_, err = seed.Add(deadline(t), shoal.FromTorrent(meta), shoal.AddOptions{Storage: shoal.StorageFunc(
		func(_ context.Context, info *metainfo.Info) (storage.Store, *storage.Bits, error) {
			f, err := storage.OpenSources(info, []string{dir}, storage.FileOptions{})
			have := storage.NewBits(info.NumPieces())
			for i := range info.NumPieces() {
				have.Set(i)
			}
			return recorder{f, &mu, &order}, have, err
		})})
	if err != nil {
		t.Fatal(err)
	}
	got := get(t, seed, shoal.FromTorrent(meta), shoal.AddOptions{Sequential: true, Priority: func(f *shoal.File) shoal.Priority {
		return map[string]shoal.Priority{"a.mp3": shoal.Low, "b.mp3": shoal.High}[f.Path()]
	}})
	if err := got.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	a, b := got.File("a.mp3"), got.File("b.mp3")
	mu.Lock()
	defer mu.Unlock()
	begun := false // with a, which is wanted least
	var last int64
	for _, off := range order {
		inA := off < a.Offset()+a.Length()
		switch {
		case inA && !begun:
			begun, last = true, off
		case !inA && begun:
			t.Errorf("b at %d after a had begun", off)
		case off < last:
			t.Errorf("%d after %d", off, last)
		}
		last = off
	}
	if !begun || got.File("cover/front page.html").Priority() != shoal.Skip || a.Priority() != shoal.Low || b.Priority() != shoal.High {
		t.Errorf("the priorities are not those that were given: %v", order)
	}
}

// recorder notes where bytes are read.
type recorder struct {
	storage.Store
	mu    *sync.Mutex
	order *[]int64
}

func (r recorder) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	*r.order = append(*r.order, off)
	r.mu.Unlock()
	return r.Store.ReadAt(p, off)
}

// Whoever is limited takes at least the time that follows: 600 kB at 400 kB a second.
func TestLimits(t *testing.T) {
	dir, _ := album(t)
	for what, limit := range map[string]func(seed *shoal.Client, shared *shoal.Torrent, cfg *shoal.Config, opt *shoal.AddOptions){
		"upload of the client": func(seed *shoal.Client, _ *shoal.Torrent, _ *shoal.Config, _ *shoal.AddOptions) {
			seed.SetLimits(shoal.Limits{Up: 400_000})
		},
		"upload of the torrent": func(_ *shoal.Client, shared *shoal.Torrent, _ *shoal.Config, _ *shoal.AddOptions) {
			shared.SetLimits(shoal.Limits{Up: 400_000})
		},
		"download of the client": func(_ *shoal.Client, _ *shoal.Torrent, cfg *shoal.Config, _ *shoal.AddOptions) {
			cfg.Limits.Down = 400_000
		},
		"download of the torrent": func(_ *shoal.Client, _ *shoal.Torrent, _ *shoal.Config, opt *shoal.AddOptions) {
			opt.Limits.Down = 400_000
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			seed, shared := share(t, shoal.CreateOptions{}, dir)
			cfg, opt := quiet, shoal.AddOptions{Dir: t.TempDir(), Peers: []string{seed.PeerAddr()}}
			limit(seed, shared, &cfg, &opt)
			began := time.Now()
			got, err := newClient(t, cfg).Add(deadline(t), shoal.FromTorrent(shared.Metainfo()), opt)
			if err != nil {
				t.Fatal(err)
			}
			if err := got.Wait(deadline(t)); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < 700*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			if got.Limits() != opt.Limits || seed.Limits().Down != 0 {
				t.Errorf("limits %+v, %+v", got.Limits(), seed.Limits())
			}
		})
	}
}

func TestPausedUntilResumed(t *testing.T) {
	dir, _ := album(t)
	seed, shared := share(t, shoal.CreateOptions{}, dir)
	got := get(t, seed, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{Paused: true})
	time.Sleep(200 * time.Millisecond)
	if s := got.Stats(); s.Have != 0 || s.Downloaded != 0 {
		t.Errorf("paused, and there is %+v", s)
	}
	got.Resume()
	if err := got.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
}

func TestEventsOfPeers(t *testing.T) {
	dir, _ := album(t)
	seed, shared := share(t, shoal.CreateOptions{}, dir)
	got := get(t, seed, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{Paused: true})
	var kinds []shoal.EventKind
	for ev := range got.Events(deadline(t)) {
		switch ev.Kind {
		case shoal.InfoKnown:
			got.Resume()
		case shoal.PeerJoined, shoal.PeerLeft:
			if ev.Peer != seed.PeerAddr() {
				t.Errorf("%v: %q, not %s", ev.Kind, ev.Peer, seed.PeerAddr())
			}
		case shoal.Completed:
			seed.Close()
		case shoal.PieceStored, shoal.Warned:
			continue
		}
		if kinds = append(kinds, ev.Kind); ev.Kind == shoal.PeerLeft {
			break
		}
	}
	for _, kind := range []shoal.EventKind{shoal.InfoKnown, shoal.StateChanged, shoal.PeerJoined, shoal.Completed, shoal.PeerLeft} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("%v is not told, only %v", kind, kinds)
		}
	}
}

func TestEvents(t *testing.T) {
	dir, _ := album(t)
	seed, shared := share(t, shoal.CreateOptions{}, dir)
	got := get(t, seed, shoal.FromMagnet(shared.Magnet()), shoal.AddOptions{})
	var kinds []shoal.EventKind
	pieces := map[int]bool{}
	for ev := range got.Events(deadline(t)) {
		switch ev.Kind {
		case shoal.PieceStored:
			if pieces[ev.Piece] {
				t.Errorf("piece %d twice", ev.Piece)
			}
			pieces[ev.Piece] = true
			continue
		case shoal.PeerJoined, shoal.PeerLeft, shoal.StateChanged:
			continue
		}
		kinds = append(kinds, ev.Kind)
		if ev.Kind == shoal.Completed {
			got.Close()
		}
	}
	if want := []shoal.EventKind{shoal.InfoKnown, shoal.Completed, shoal.Ended}; !slices.Equal(kinds, want) {
		t.Errorf("events %v, want %v", kinds, want)
	}
	if len(pieces) != shared.Info().NumPieces() {
		t.Errorf("%d pieces of %d were told", len(pieces), shared.Info().NumPieces())
	}
	// Who comes late is told what holds.
	n := 0
	for ev := range shared.Events(deadline(t)) {
		if n++; ev.Kind == shoal.Completed {
			break
		}
	}
	if n != shared.Info().NumPieces()+2 {
		t.Errorf("a late iterator was told %d events", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	for range shared.Events(ctx) {
	}
}

func TestReader(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clip.bin")
	want := payload(t, file, 1<<20+100, 9)
	seed, shared := share(t, shoal.CreateOptions{}, file)
	got := get(t, seed, shoal.FromMagnet(shared.Magnet()), shoal.AddOptions{})
	if _, err := got.WaitInfo(deadline(t)); err != nil {
		t.Fatal(err)
	}
	r := got.Files()[0].NewReader(deadline(t))
	defer r.Close()
	if r.Size() != int64(len(want)) {
		t.Errorf("size %d", r.Size())
	}
	part := make([]byte, 70_000)
	if n, err := r.ReadAt(part, 500_000); n != len(part) || err != nil || !bytes.Equal(part, want[500_000:570_000]) {
		t.Errorf("in the middle: %d, %v", n, err)
	}
	if n, err := r.ReadAt(part, int64(len(want))-10); n != 10 || err != io.EOF || !bytes.Equal(part[:10], want[len(want)-10:]) {
		t.Errorf("across the end: %d, %v", n, err)
	}
	if n, err := r.ReadAt(part, int64(len(want))); n != 0 || err != io.EOF {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	if _, err := r.ReadAt(part, -1); err == nil {
		t.Error("before the start: no error")
	}
	if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, want) {
		t.Errorf("all: %d bytes, %v", len(b), err)
	}
	if at, err := r.Seek(-5, io.SeekEnd); at != int64(len(want))-5 || err != nil {
		t.Errorf("seek: %d, %v", at, err)
	}
	if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, want[len(want)-5:]) {
		t.Errorf("the end: %d bytes, %v", len(b), err)
	}
}

// A reader of what never comes must end with its context, and say so.
func TestReaderEndsWithItsContext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clip.bin")
	payload(t, file, 100_000, 9)
	_, shared := share(t, shoal.CreateOptions{}, file)
	got := get(t, nil, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{}) // knows no peer
	ctx, cancel := context.WithCancel(context.Background())
	r := got.Files()[0].NewReader(ctx)
	defer r.Close()
	time.AfterFunc(50*time.Millisecond, cancel)
	if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %d, %v", n, err)
	}
	if n, err := r.ReadAt(make([]byte, 10), 5); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("ReadAt: %d, %v", n, err)
	}
	if err := got.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v", err)
	}
	r = got.Files()[0].NewReader(context.Background())
	defer r.Close()
	time.AfterFunc(50*time.Millisecond, got.Close)
	if _, err := r.Read(make([]byte, 10)); !errors.Is(err, shoal.ErrNotRunning) {
		t.Errorf("Read of a torrent that was closed: %v", err)
	}
}

func TestMemoryStorage(t *testing.T) {
	dir, content := album(t)
	seed, shared := share(t, shoal.CreateOptions{}, dir)
	got := get(t, seed, shoal.FromMagnet(shared.Magnet()), shoal.AddOptions{Storage: shoal.MemoryStorage(16 << 20)})
	if err := got.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(got.File("b.mp3").NewReader(deadline(t)))
	if err != nil || !bytes.Equal(b, content["b.mp3"]) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	got = get(t, seed, shoal.FromMagnet(shared.Magnet()), shoal.AddOptions{Storage: shoal.MemoryStorage(100_000)})
	if err := got.Wait(deadline(t)); !errors.Is(err, storage.ErrNoSpace) {
		t.Errorf("more than the bound: %v", err)
	}
}

// A web seed is enough; the HTTP side of another torrent's client can be one.
func TestWebSeed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clip.bin")
	want := payload(t, file, 300_000, 9)
	_, shared := share(t, shoal.CreateOptions{}, file)
	server := httptest.NewServer(shared.Handler())
	defer server.Close()
	out := t.TempDir()
	got := get(t, nil, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{Dir: out, WebSeeds: []string{server.URL + "/clip.bin"}})
	if err := got.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(out, "clip.bin")); err != nil || !bytes.Equal(b, want) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// A link must not make us ask services of this machine; the user may name any tracker.
func TestTrackersOfALinkAndOfTheUser(t *testing.T) {
	var asked sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Path, true)
		http.NotFound(w, r)
	}))
	defer server.Close()
	c := newClient(t, shoal.Config{PeerListen: "127.0.0.1:0", Local: true})
	host := strings.TrimPrefix(server.URL, "http://")
	hash := metainfo.Hash{1}
	found := []string{"ws://" + host + "/admin", "http://" + host + "/admin", "ws://" + host + "/announce"}
	got, err := c.Add(deadline(t), shoal.FromMagnet(magnet.Magnet{HashV1: &hash, Trackers: found}), shoal.AddOptions{
		Dir: t.TempDir(), Trackers: []string{"ws://" + host + "/mine"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); len(got.Trackers()) < 4; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", got.Trackers())
		}
	}
	for path, want := range map[string]bool{"/admin": false, "/announce": true, "/mine": true} {
		if _, was := asked.Load(path); was != want {
			t.Errorf("%s: asked %v", path, was)
		}
	}
}

// What a storage says it has is served, and not fetched again.
func TestStorageThatHas(t *testing.T) {
	dir, content := album(t)
	_, shared := share(t, shoal.CreateOptions{}, dir)
	var opened *storage.Memory
	full := shoal.StorageFunc(func(ctx context.Context, info *metainfo.Info) (storage.Store, *storage.Bits, error) {
		opened = storage.NewMemory(info, storage.MemoryOptions{})
		for _, f := range info.Files {
			if !f.Pad {
				opened.WriteAt(content[strings.Join(f.Path, "/")], f.Offset)
			}
		}
		have, err := storage.Verify(ctx, opened, info, shared.Metainfo().Layers(), nil)
		return opened, have, err
	})
	c := newClient(t, quiet)
	s, err := c.Add(deadline(t), shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{Storage: full})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	got := get(t, c, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{})
	if err := got.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().Downloaded; n != 0 {
		t.Errorf("%d bytes were fetched again", n)
	}
	s.Close()
	if _, err := opened.WriteAt([]byte{1}, 0); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("the store was not closed: %v", err)
	}
}

// pipes is a Transport in memory: every client of one has an address.
type pipes struct {
	addr  netip.AddrPort
	all   map[netip.AddrPort]*pipes
	in    chan net.Conn
	ended chan struct{}
	open  chan struct{} // closed when what was dialled may bring more than 200 kB
}

// gated is a stream that stops in the middle.
type gated struct {
	net.Conn
	left int
	open chan struct{}
}

func (g *gated) Read(p []byte) (int, error) {
	if g.left <= 0 {
		<-g.open
	}
	n, err := g.Conn.Read(p)
	g.left -= n
	return n, err
}

func (p *pipes) Dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	other := p.all[addr]
	if other == nil {
		return nil, errors.New("nobody is there")
	}
	mine, theirs := net.Pipe()
	select {
	case other.in <- theirs:
		return &gated{Conn: mine, left: 200_000, open: p.open}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.in:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.ended); return nil }

func TestTransport(t *testing.T) {
	all := map[netip.AddrPort]*pipes{}
	add := func(addr string) *shoal.Client {
		a := netip.MustParseAddrPort(addr)
		all[a] = &pipes{a, all, make(chan net.Conn), make(chan struct{}), make(chan struct{})}
		return newClient(t, shoal.Config{Local: true, NoWebRTC: true, Transport: all[a]})
	}
	seed, leech := add("192.0.2.1:1"), add("192.0.2.2:1")
	dir, content := album(t)
	meta, err := shoal.Create(deadline(t), []string{dir}, shoal.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seed.Share(deadline(t), meta, dir); err != nil {
		t.Fatal(err)
	}
	got, err := leech.Add(deadline(t), shoal.FromHash(meta.Info.Key()), shoal.AddOptions{Dir: t.TempDir(), Peers: []string{"192.0.2.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.WaitInfo(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if peers := got.Peers(); len(peers) != 1 || peers[0].Transport != "custom" || peers[0].Addr != "192.0.2.1:1" {
		t.Errorf("peers %+v", peers)
	}
	close(all[netip.MustParseAddrPort("192.0.2.2:1")].open)
	b, err := io.ReadAll(got.File("a.mp3").NewReader(deadline(t)))
	if err != nil || !bytes.Equal(b, content["a.mp3"]) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// Add ends with its context, also in the middle of the verification of what is there.
func TestAddEndsWithItsContext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clip.bin")
	payload(t, file, 8<<20, 9)
	_, shared := share(t, shoal.CreateOptions{PieceLength: 16 << 10}, file)
	ctx, cancel := context.WithCancel(context.Background())
	c := newClient(t, quiet)
	_, err := c.Add(ctx, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{
		Dir: filepath.Dir(file), Seed: true, Progress: func(done, total int64) {
			if cancel(); done == total {
				t.Error("everything was verified")
			}
			<-ctx.Done()
			time.Sleep(time.Millisecond)
		},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Add: %v", err)
	}
	if len(c.Torrents()) != 0 {
		t.Error("the torrent is there")
	}
}

func TestListenError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, addr := range []string{taken.Addr().String(), "nonsense", "127.0.0.1:99999"} {
		_, err := shoal.New(shoal.Config{PeerListen: addr, Local: true, NoWebRTC: true})
		le, ok := errors.AsType[*shoal.ListenError](err)
		if !ok || le.Addr != addr || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// No goroutine outlives Close.
func TestCloseLeavesNothing(t *testing.T) {
	dir, _ := album(t)
	before := runtime.NumGoroutine()
	func() {
		meta, err := shoal.Create(deadline(t), []string{dir}, shoal.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		seed, err := shoal.New(shoal.Config{PeerListen: "127.0.0.1:0", Local: true})
		if err != nil {
			t.Fatal(err)
		}
		defer seed.Close()
		if _, err := seed.Share(deadline(t), meta, dir); err != nil {
			t.Fatal(err)
		}
		leech, err := shoal.New(shoal.Config{PeerListen: "127.0.0.1:0", Local: true})
		if err != nil {
			t.Fatal(err)
		}
		defer leech.Close()
		got, err := leech.Add(deadline(t), shoal.FromHash(meta.Info.Key()), shoal.AddOptions{Dir: t.TempDir(), Peers: []string{seed.PeerAddr()}})
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Wait(deadline(t)); err != nil {
			t.Fatal(err)
		}
		r := got.Files()[0].NewReader(context.Background())
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		// The reader and a half-read iterator are left open on purpose.
		for range got.Events(context.Background()) {
			break
		}
	}()
	var stacks []byte
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(50 * time.Millisecond)
		stacks = make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
	}
	t.Errorf("%d goroutines before, %d after Close:\n%s", before, runtime.NumGoroutine(), stacks)
}
