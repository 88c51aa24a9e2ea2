//go:build !js

package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/leak"
	"github.com/shoal-p2p/shoal/internal/discovery/dht"
	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// sample is a torrent with its file in a folder.
type sample struct {
	*metainfo.Torrent
	data []byte
	dir  string
}

func makeSample(t testing.TB, name string, size int, v2, private bool) *sample {
	t.Helper()
	s := &sample{data: make([]byte, size), dir: t.TempDir()}
	rand.NewChaCha8([32]byte{byte(len(name)), name[0]}).Read(s.data)
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: name, PieceLength: 64 << 10, V1: true, V2: v2, Private: private,
		Files: []metainfo.BuildFile{{Path: []string{name}, Length: int64(size)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.NumPieces() {
		from := i * 64 << 10
		b.SetPiece(i, b.HashPiece(i, s.data[from:min(size, from+64<<10)]))
	}
	if s.Torrent, err = b.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(), s.data, 0o666); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sample) path() string { return filepath.Join(s.dir, s.Info.Name) }

func newClient(t testing.TB, more func(*Config)) *Client {
	t.Helper()
	cfg := Config{PeerListen: "127.0.0.1:0", Local: true, TCP: true, Session: driver.Config{Quiet: time.Millisecond}}
	if more != nil {
		more(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func add(t testing.TB, c *Client, opt Options) *Torrent {
	t.Helper()
	to, err := c.Add(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func wait(t testing.TB, to *Torrent) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := to.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

// A book is an HTTP tracker that keeps what it is told.
type book struct {
	*httptest.Server
	mu    sync.Mutex
	lines []string // info hash and event
}

func newBook(t testing.TB) *book {
	b := new(book)
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		b.mu.Lock()
		b.lines = append(b.lines, fmt.Sprintf("%x %s %s", q.Get("info_hash"), q.Get("event"), q.Get("left")))
		b.mu.Unlock()
		io.WriteString(w, "d8:intervali1800e5:peers0:e")
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *book) url() [][]string { return [][]string{{b.URL + "/announce"}} }

func (b *book) has(key metainfo.Hash, event string, left int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.lines, fmt.Sprintf("%x %s %d", key[:], event, left))
}

// A tracker counts who says completed as one with a whole copy.
func TestSelectionIsNoCompletion(t *testing.T) {
	s := makeSample(t, "film.mkv", 1<<20, true, false)
	b := newBook(t)
	seeds := newClient(t, nil)
	wait(t, add(t, seeds, Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)}))
	c := newClient(t, nil)
	got := add(t, c, Options{
		Torrent: s.Torrent, Peers: []string{seeds.PeerAddr().String()}, Trackers: b.url(), Content: Download(t.TempDir(), nil),
		Priorities: func(info *metainfo.Info) []torrent.Priority {
			levels := make([]torrent.Priority, info.NumPieces())
			levels[0] = torrent.Normal
			return levels
		},
	})
	wait(t, got)
	eventually(t, "an announce", func() bool { return b.has(s.Info.HashV1, "started", 0) || b.has(s.Info.HashV1, "started", 64<<10) })
	c.review()
	got.mu.Lock()
	told := got.complete
	got.mu.Unlock()
	if told {
		t.Error("a part of it is told to trackers as all of it")
	}
	got.Prioritize(nil)
	wait(t, got)
	eventually(t, "word of the completion", func() bool { return b.has(s.Info.HashV1, "completed", 0) })
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	leak.Check(t)
	s := makeSample(t, "film.mkv", 2<<20, true, false)
	b := newBook(t)
	seeds := newClient(t, nil)
	seed := add(t, seeds, Options{Torrent: s.Torrent, Trackers: b.url(), Content: Seed(s.dir, nil)})
	wait(t, seed)
	c := newClient(t, func(cfg *Config) { cfg.WebRTC = true })
	dir := t.TempDir()
	got := add(t, c, Options{Key: s.Info.Key(), Peers: []string{seeds.PeerAddr().String()}, Trackers: b.url(), Content: Download(dir, nil)})
	wait(t, got)
	if data, err := os.ReadFile(filepath.Join(dir, s.Info.Name)); err != nil || !bytes.Equal(data, s.data) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	eventually(t, "word of the completion", func() bool { return b.has(s.Info.HashV1, "completed", 0) })
	// The second swarm became known with the info dictionary.
	eventually(t, "an announce of the v2 swarm", func() bool { return b.has(s.Info.HashV2.Short(), "started", 0) })
	c.Close()
	if !b.has(s.Info.HashV1, "stopped", 0) {
		t.Error("the tracker was not told of the end")
	}
}

// slow is content whose hashing ends with its context only.
type slow struct {
	Content
	started chan struct{}
	ended   chan struct{}
}

func (s *slow) open(ctx context.Context, info *metainfo.Info) (driver.Content, error) {
	close(s.started)
	<-ctx.Done()
	close(s.ended)
	return driver.Content{}, ctx.Err()
}

func TestCloseDuringVerification(t *testing.T) {
	leak.Check(t)
	s := makeSample(t, "film.mkv", 1<<20, false, false)
	b := newBook(t)
	c := newClient(t, nil)
	content := &slow{Seed(s.dir, nil), make(chan struct{}), make(chan struct{})}
	to := add(t, c, Options{Torrent: s.Torrent, Trackers: b.url(), Content: content}) // it returns
	<-content.started
	if _, _, left := to.Totals(); left != -1 {
		t.Errorf("%d bytes are left before anybody has looked", left)
	}
	c.Close()
	select {
	case <-content.ended:
	default:
		t.Error("Close returned before the hashing has ended")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) != 0 {
		t.Errorf("announced before it was verified: %q", b.lines)
	}
}

func TestAddEndsWithItsContext(t *testing.T) {
	s := makeSample(t, "film.mkv", 1<<20, false, false)
	c := newClient(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Add(ctx, Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Add with an ended context: %v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	to, err := c.Add(ctx, Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)})
	cancel() // the torrent goes on
	if err != nil {
		t.Fatal(err)
	}
	wait(t, to)
	if _, err := c.Add(context.Background(), Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)}); err != driver.ErrExists {
		t.Errorf("a second time: %v", err)
	}
}

func TestASeedWithDamagedFilesFails(t *testing.T) {
	s := makeSample(t, "film.mkv", 1<<20, false, false)
	damaged := slices.Clone(s.data)
	damaged[100000]++
	os.WriteFile(s.path(), damaged, 0o666)
	c := newClient(t, nil)
	to := add(t, c, Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)})
	if err := to.Ready(context.Background()); !errors.Is(err, storage.ErrChanged) {
		t.Fatalf("%v", err)
	}
	os.WriteFile(s.path(), s.data, 0o666)
	to.Pause(false) // tries again
	wait(t, to)
}

func TestQueueAndPause(t *testing.T) {
	leak.Check(t)
	b := newBook(t)
	c := newClient(t, func(cfg *Config) { cfg.Limits = Limits{Downloads: 1} })
	var list []*Torrent
	for i := range 3 {
		s := makeSample(t, fmt.Sprintf("%d.bin", i), 1<<20, false, false)
		list = append(list, add(t, c, Options{Torrent: s.Torrent, Trackers: b.url(), Content: Download(t.TempDir(), nil)}))
	}
	left := list[0].Info().Length
	started := func(i int) bool { return b.has(list[i].Key(), "started", left) }
	eventually(t, "the first one at work", func() bool { return started(0) })
	eventually(t, "the others in the queue", func() bool { return list[1].Queued() && list[2].Queued() })
	if started(1) || started(2) {
		t.Error("a torrent that waits for its turn was announced")
	}
	list[2].Force(true)
	eventually(t, "the forced one at work", func() bool { return started(2) })
	list[0].Pause(true)
	eventually(t, "the paused one gone", func() bool { return b.has(list[0].Key(), "stopped", left) && list[0].Parked() })
	eventually(t, "the next one in its place", func() bool { return started(1) && !list[1].Queued() })
	list[0].Pause(false)
	if !list[0].Paused() {
		// It stands before the second, which has to make room.
		eventually(t, "the order of the queue", func() bool { return list[1].Queued() && b.has(list[1].Key(), "stopped", left) })
	}
	list[0].Close()
	eventually(t, "the place of one that was closed", func() bool { return !list[1].Queued() })
}

func TestAGoalEndsSeeding(t *testing.T) {
	s := makeSample(t, "film.mkv", 1<<20, false, false)
	b := newBook(t)
	c := newClient(t, func(cfg *Config) { cfg.Goals = Goals{Ratio: 1} })
	seed := add(t, c, Options{Torrent: s.Torrent, Trackers: b.url(), Content: Seed(s.dir, nil)})
	eventually(t, "seeding", func() bool { return b.has(s.Info.Key(), "started", 0) })
	got := add(t, newClient(t, nil), Options{Torrent: s.Torrent, Peers: []string{c.PeerAddr().String()}, Content: Download(t.TempDir(), nil)})
	wait(t, got)
	eventually(t, "the end of seeding", func() bool { c.kick(); return seed.Rested() && seed.Parked() && b.has(s.Info.Key(), "stopped", 0) })
	if seed.Paused() || seed.Queued() {
		t.Error("it is not the user's pause, and no place in the queue")
	}
	if err := seed.Finish(); err != nil { // it was not downloaded
		t.Error(err)
	}
	seed.Force(true)
	eventually(t, "seeding because the user says so", func() bool { return !seed.Rested() })
}

func TestRecheckOfADownload(t *testing.T) {
	s := makeSample(t, "film.mkv", 1<<20, true, false)
	seeds := newClient(t, nil)
	add(t, seeds, Options{Torrent: s.Torrent, Content: Sources([]string{s.path()})})
	dir := t.TempDir()
	c := newClient(t, nil)
	got := add(t, c, Options{Torrent: s.Torrent, Content: Download(dir, nil)})
	got.AddPeers([]netip.AddrPort{seeds.PeerAddr()}, swarm.Tracker)
	wait(t, got)
	if err := got.Finish(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, s.Info.Name)
	damage := func() {
		t.Helper()
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		f.WriteAt([]byte("something else"), 3<<16)
	}
	damage()
	got.Pause(true)
	if err := got.Recheck(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if have := got.Have(); have.Has(3) || have.Count() != have.Len()-1 {
		t.Errorf("%d of %d pieces are believed", have.Count(), have.Len())
	}
	got.Close() // what the check found is kept
	again := add(t, c, Options{Torrent: s.Torrent, Paused: true, Content: Download(dir, nil)})
	if err := again.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	if have := again.Have(); have.Has(3) {
		t.Error("the next start believes a piece that a check refused")
	}
	again.AddPeers([]netip.AddrPort{seeds.PeerAddr()}, swarm.Tracker)
	again.Pause(false)
	wait(t, again)
	if data, _ := os.ReadFile(file); !bytes.Equal(data, s.data) {
		t.Error("the file is not mended")
	}
}

// dhtClient takes part in a DHT of its own on loopback.
func dhtClient(t testing.TB, bootstrap ...string) *Client {
	return newClient(t, func(cfg *Config) {
		cfg.Local, cfg.ICEServers, cfg.DHT = false, []string{}, true
		cfg.Bootstrap = append([]string{}, bootstrap...)
	})
}

// A private torrent is neither announced nor looked for in the DHT, however its flag
// became known (BEP 27).
func TestPrivateTorrentsStayOutOfTheDHT(t *testing.T) {
	open := makeSample(t, "open.mkv", 1<<20, false, false)
	private := makeSample(t, "private.mkv", 1<<20, false, true)
	c := dhtClient(t)
	announcing := func() int { return c.dht.Stats().Announcing }
	add(t, c, Options{Torrent: private.Torrent, Content: Seed(private.dir, nil)})
	add(t, c, Options{Torrent: open.Torrent, Content: Seed(open.dir, nil)})
	eventually(t, "an announce of the open one", func() bool { return announcing() == 1 })

	// By magnet link the flag comes with the info dictionary.
	seeds := newClient(t, nil)
	add(t, seeds, Options{Torrent: private.Torrent, Content: Seed(private.dir, nil)})
	m := dhtClient(t)
	got := add(t, m, Options{Key: private.Info.Key(), Content: Download(t.TempDir(), nil)})
	eventually(t, "a magnet link in the DHT", func() bool { return m.dht.Stats().Announcing == 1 })
	got.AddPeers([]netip.AddrPort{seeds.PeerAddr()}, swarm.User)
	wait(t, got)
	eventually(t, "its end there", func() bool { return m.dht.Stats().Announcing == 0 })
	m.kick()
	m.search(time.Now().Add(time.Hour))
	time.Sleep(20 * time.Millisecond)
	if st := m.dht.Stats(); st.Announcing != 0 || st.Lookups+st.Waiting != 0 {
		t.Errorf("the DHT is asked about a private torrent: %+v", st)
	}
	// From resume data it is known from the start.
	dir := t.TempDir()
	r, err := storage.OpenResume(dir, private.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetInfo(private.Info); err != nil {
		t.Fatal(err)
	}
	r.Close()
	again := add(t, dhtClient(t), Options{Key: private.Info.Key(), Content: Download(dir, nil)})
	if !again.Private() {
		t.Error("the flag was not taken from the resume data")
	}
}

func TestTheDHTRemembersItsNodes(t *testing.T) {
	state := t.TempDir()
	router := dhtClient(t)
	c, err := New(Config{
		PeerListen: "127.0.0.1:0", ICEServers: []string{}, TCP: true, DHT: true, StateDir: filepath.Join(state, "new"),
		Bootstrap: []string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.dht.AddNode(router.dht.Addr())
	eventually(t, "a node", func() bool { return len(c.dht.Nodes()) == 1 })
	id := c.dht.Stats().IPv4.ID
	c.Close()
	again, err := New(Config{
		PeerListen: "127.0.0.1:0", ICEServers: []string{}, TCP: true, DHT: true, StateDir: filepath.Join(state, "new"),
		Bootstrap: []string{}, // only what it remembers
	})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.dht.Stats().IPv4.ID != id {
		t.Error("the node has another ID")
	}
	eventually(t, "the node of the last run", func() bool { return slices.Contains(again.dht.Nodes(), router.dht.Addr()) })
	if list, _ := filepath.Glob(filepath.Join(state, "new", "*")); len(list) != 1 {
		t.Errorf("the folder holds %v", list)
	}
}

func TestDHTStateFromAStranger(t *testing.T) {
	good := dhtState{id: dht.ID{1, 2, 3}, nodes: []netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.1:6881"), netip.MustParseAddrPort("[2001:db8::1]:6881"),
	}}
	if got := parseDHTState(good.marshal()); got.id != good.id || !slices.Equal(got.nodes, good.nodes) {
		t.Errorf("%+v", got)
	}
	for _, b := range []string{"", "le", "d2:id3:abc5:nodesi3ee", "d5:nodesl3:abc6:\x01\x02\x03\x04\x00\x00i7eee", "d5:nodesld1:ai1eee"} {
		if got := parseDHTState([]byte(b)); got.id != (dht.ID{}) || len(got.nodes) != 0 {
			t.Errorf("%q: %+v", b, got)
		}
	}
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, dhtStateName), make([]byte, maxDHTState+1), 0o666)
	c := &Client{cfg: Config{StateDir: dir}}
	if got := c.loadDHT(); len(got.nodes) != 0 {
		t.Error("a file that is too large is read")
	}
}

func TestListenErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = New(Config{PeerListen: l.Addr().String(), Local: true})
	var le *ListenError
	if !errors.As(err, &le) || le.Addr != l.Addr().String() {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"x", "127.0.0.1:x", "example.org:1", "127.0.0.1:70000"} {
		if _, err := ParseListen(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 30 s not yet: %s", what)
		}
	}
}
