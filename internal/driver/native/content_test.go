//go:build !js

package native

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// begin opens the content of a download as a torrent does.
func begin(t *testing.T, s *sample, dir string) (*download, driver.Content) {
	t.Helper()
	d := Download(dir, nil).(*download)
	info, err := d.prepare(s.Info.Key(), s.Torrent)
	if err != nil || info != s.Info {
		t.Fatalf("%v, %v", info, err)
	}
	c, err := d.open(t.Context(), info)
	if err != nil {
		t.Fatal(err)
	}
	return d, c
}

// write stores pieces and says so.
func (s *sample) write(t *testing.T, c driver.Content, pieces ...int) {
	t.Helper()
	for _, i := range pieces {
		from := i << 16
		if _, err := c.Store.WriteAt(s.data[from:min(len(s.data), from+1<<16)], int64(from)); err != nil {
			t.Fatal(err)
		}
		c.Stored(i)
	}
}

func had(set *bits.Set) (list []int) {
	for i := range set.Len() {
		if set.Has(i) {
			list = append(list, i)
		}
	}
	return list
}

// What was had is had after the next start. Where a file was changed meanwhile, what
// is still right in it is found by hashing, and what is not is fetched again.
func TestADownloadGoesOnWhereItStopped(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		s := makeSample(t, "film.mkv", 500_000, v2, false)
		dir := t.TempDir()
		d, c := begin(t, s, dir)
		if had(c.Have) != nil {
			t.Errorf("a new download has pieces %v", had(c.Have))
		}
		s.write(t, c, 1, 2, 5)
		d.close(false)

		d, c = begin(t, s, dir)
		if !slices.Equal(had(c.Have), []int{1, 2, 5}) {
			t.Errorf("after a stop: pieces %v", had(c.Have))
		}
		d.close(false)

		file := filepath.Join(dir, s.Info.Name)
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteAt([]byte("something else"), 2<<16)
		f.Close()
		later := time.Now().Add(time.Hour)
		if err := os.Chtimes(file, later, later); err != nil {
			t.Fatal(err)
		}
		for round := range 2 { // what was found is kept
			d, c = begin(t, s, dir)
			if !slices.Equal(had(c.Have), []int{1, 5}) {
				t.Errorf("after a change, start %d: pieces %v", round, had(c.Have))
			}
			d.close(false)
		}
	}
}

// A download that turns out complete when it is opened is put in its final state.
func TestADownloadThatIsCompleteAlready(t *testing.T) {
	s := makeSample(t, "film.mkv", 500_000, true, false)
	dir := t.TempDir()
	d, c := begin(t, s, dir)
	for i := range s.Info.NumPieces() {
		s.write(t, c, i)
	}
	d.close(false)
	d, c = begin(t, s, dir)
	if !c.Have.All() {
		t.Errorf("pieces %v", had(c.Have))
	}
	d.close(true)
	if data, err := os.ReadFile(filepath.Join(dir, s.Info.Name)); err != nil || !bytes.Equal(data, s.data) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("the folder holds %v", list)
	}
}

// A check of a download that is not complete finds what is there, also what nobody
// wrote down, and the next start knows of it.
func TestACheckOfHalfADownloadIsKept(t *testing.T) {
	s := makeSample(t, "film.mkv", 500_000, true, false)
	dir := t.TempDir()
	d, c := begin(t, s, dir)
	s.write(t, c, 0, 1, 2)
	if _, err := c.Store.WriteAt(s.data[4<<16:5<<16], 4<<16); err != nil { // and nobody is told
		t.Fatal(err)
	}
	if _, err := c.Store.WriteAt([]byte("something else"), 1<<16); err != nil {
		t.Fatal(err)
	}
	found, err := c.Check(t.Context(), nil)
	if err != nil || !slices.Equal(had(found), []int{0, 2, 4}) {
		t.Fatalf("found %v, %v", had(found), err)
	}
	d.close(false)
	d, c = begin(t, s, dir)
	if !slices.Equal(had(c.Have), []int{0, 2, 4}) {
		t.Errorf("the next start has pieces %v", had(c.Have))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Check(ended, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a check that was broken off: %v", err)
	}
	d.close(false)
	if _, c = begin(t, s, dir); !slices.Equal(had(c.Have), []int{0, 2, 4}) {
		t.Errorf("a check that was broken off left pieces %v", had(c.Have))
	}
}

// What a check of a complete download found is written down: the next start need not
// hash it again.
func TestACheckOfACompleteDownloadIsKept(t *testing.T) {
	s := makeSample(t, "film.mkv", 500_000, true, false)
	dir := t.TempDir()
	d, c := begin(t, s, dir)
	for i := range s.Info.NumPieces() {
		s.write(t, c, i)
	}
	if err := d.complete(); err != nil {
		t.Fatal(err)
	}
	if err := d.complete(); err != nil {
		t.Errorf("once more: %v", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, s.Info.Name), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("something else"), 3<<16)
	f.Close()
	if found, err := c.Check(t.Context(), nil); err != nil || found.Has(3) || found.Count() != s.Info.NumPieces()-1 {
		t.Errorf("found %v, %v", had(found), err)
	}
	d.close(false)
	again := Download(dir, func(int64, int64) { t.Error("it is hashed once more") }).(*download)
	if _, err := again.prepare(s.Info.Key(), s.Torrent); err != nil {
		t.Fatal(err)
	}
	c, err = again.open(t.Context(), s.Info)
	if err != nil || c.Have.Has(3) || c.Have.Count() != s.Info.NumPieces()-1 {
		t.Errorf("the next start has pieces %v, %v", had(c.Have), err)
	}
	again.close(false)
}

// Two downloads into one folder would destroy each other's files.
func TestOneDownloadAtATime(t *testing.T) {
	s := makeSample(t, "film.mkv", 500_000, true, false)
	dir := t.TempDir()
	d, _ := begin(t, s, dir)
	if _, err := Download(dir, nil).prepare(s.Info.Key(), s.Torrent); !errors.Is(err, storage.ErrInUse) {
		t.Errorf("the second one gets %v", err)
	}
	d.close(false)
	d, _ = begin(t, s, dir)
	d.close(false)
}

// Content that could not be opened holds nothing back, and is opened when what was in
// the way is gone.
func TestADownloadThatCannotBeOpened(t *testing.T) {
	s := makeSample(t, "film.mkv", 500_000, true, false)
	dir := t.TempDir()
	inTheWay := filepath.Join(dir, s.Info.Name)
	if err := os.Mkdir(inTheWay, 0o755); err != nil {
		t.Fatal(err)
	}
	d := Download(dir, nil).(*download)
	if _, err := d.prepare(s.Info.Key(), s.Torrent); err != nil {
		t.Fatal(err)
	}
	if _, err := d.open(t.Context(), s.Info); !errors.Is(err, storage.ErrChanged) {
		t.Errorf("a folder in the way: %v", err)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	other, c := begin(t, s, dir)
	s.write(t, c, 2)
	other.close(false)
	c, err := d.open(t.Context(), s.Info)
	if err != nil || !slices.Equal(had(c.Have), []int{2}) {
		t.Errorf("then: %v", err)
	}
	d.close(false)
}

// What a torrent holds may be anywhere; it is closed with the torrent.
func TestStoredElsewhere(t *testing.T) {
	s := makeSample(t, "film.mkv", 500_000, true, false)
	seeds := newClient(t, nil)
	add(t, seeds, Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)})
	for _, magnet := range []bool{false, true} {
		var store *closing
		opt := Options{Torrent: s.Torrent, Peers: []string{seeds.PeerAddr().String()}, Content: Stored(func(_ context.Context, info *metainfo.Info) (driver.Content, error) {
			store = &closing{Store: storage.NewMemory(info, storage.MemoryOptions{})}
			return driver.Content{Store: store}, nil
		})}
		if magnet {
			opt.Key, opt.Torrent = s.Info.Key(), nil
		}
		got := add(t, newClient(t, nil), opt)
		wait(t, got)
		data := make([]byte, len(s.data))
		if _, err := store.ReadAt(data, 0); err != nil || !bytes.Equal(data, s.data) {
			t.Errorf("magnet %v: other bytes, %v", magnet, err)
		}
		got.Close()
		if !store.closed {
			t.Errorf("magnet %v: the store stays open", magnet)
		}
	}
	broken := errors.New("no room for it")
	got := add(t, newClient(t, nil), Options{Torrent: s.Torrent, Content: Stored(func(context.Context, *metainfo.Info) (driver.Content, error) {
		return driver.Content{}, broken
	})})
	if err := got.Ready(t.Context()); !errors.Is(err, broken) {
		t.Errorf("content that cannot be opened: %v", err)
	}
	got.Close()
}

type closing struct {
	storage.Store
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return c.Store.Close()
}

// The DHT alone brings a downloader to whoever shares.
func TestPeersAreFoundThroughTheDHT(t *testing.T) {
	s := makeSample(t, "film.mkv", 1<<20, true, false)
	router := dhtClient(t)
	seeds := dhtClient(t, router.dht.Addr().String())
	add(t, seeds, Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)})
	eventually(t, "an announce", func() bool { return seeds.dht.Stats().Announcing > 0 })
	c := dhtClient(t, router.dht.Addr().String())
	got := add(t, c, Options{Key: s.Info.Key(), Content: Download(t.TempDir(), nil)})
	now := time.Now()
	eventually(t, "complete", func() bool {
		now = now.Add(searchSoon)
		c.search(now)
		time.Sleep(10 * time.Millisecond)
		return isDone(got.Done())
	})
}

// The DHT is asked now and then for what lacks something, and for nothing else.
func TestTheDHTIsNotAskedAllTheTime(t *testing.T) {
	s := makeSample(t, "film.mkv", 500_000, true, false)
	other := makeSample(t, "done.mkv", 500_000, false, false)
	c := dhtClient(t, dhtClient(t).dht.Addr().String())
	got := add(t, c, Options{Torrent: s.Torrent, Content: Download(t.TempDir(), nil)})
	done := add(t, c, Options{Torrent: other.Torrent, Content: Seed(other.dir, nil)})
	wait(t, done)
	if err := got.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked := func() (list [2]time.Time) {
		c.keeping.Lock()
		defer c.keeping.Unlock()
		return [2]time.Time{got.searched, done.searched}
	}
	now := time.Now().Add(time.Hour)
	c.cancel() // the keeper stays out of it
	c.listener.Close()
	c.wg.Wait()
	for _, tt := range []struct {
		after time.Duration
		at    time.Duration // when it was asked last
	}{{0, 0}, {searchSoon - 1, 0}, {searchSoon, searchSoon}, {2*searchSoon - 1, searchSoon}} {
		c.search(now.Add(tt.after))
		if last := asked(); !last[0].Equal(now.Add(tt.at)) || last[1].After(now) {
			t.Errorf("after %v: asked last after %v", tt.after, last[0].Sub(now))
		}
	}
}

// A peer's DHT node is taken up; a client without a DHT bears it.
func TestNodesThatPeersName(t *testing.T) {
	node := dhtClient(t)
	c := dhtClient(t)
	c.dhtNode(node.dht.Addr())
	eventually(t, "a node", func() bool { return slices.Contains(c.dht.Nodes(), node.dht.Addr()) })
	newClient(t, nil).dhtNode(netip.MustParseAddrPort("127.0.0.1:1"))
}

// Whom a tracker or the DHT names is dialled only by a client that dials.
func TestPeersThatAreOffered(t *testing.T) {
	s := makeSample(t, "film.mkv", 500_000, true, false)
	seeds := newClient(t, nil)
	add(t, seeds, Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)})
	at := []netip.AddrPort{seeds.PeerAddr()}
	for _, how := range []struct {
		name  string
		offer func(c *Client)
	}{
		{"by a tracker", func(c *Client) { c.PeersFound(s.Info.HashV2.Short(), at, "") }},
		{"by the DHT", func(c *Client) { c.dhtFound(s.Info.Key(), at) }},
		{"in the neighbourhood", func(c *Client) { c.offer(s.Info.Key(), at, swarm.LSD) }},
	} {
		c := newClient(t, nil)
		got := add(t, c, Options{Torrent: s.Torrent, Content: Download(t.TempDir(), nil)})
		how.offer(c)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := got.Wait(ctx); err != nil {
			t.Errorf("%s: %v", how.name, err)
		}
		cancel()
		c.offer(metainfo.Hash{1}, at, swarm.DHT) // nobody's torrent
	}
	c := newClient(t, func(cfg *Config) { cfg.TCP = false })
	got := add(t, c, Options{Torrent: s.Torrent, Content: Download(t.TempDir(), nil)})
	if err := got.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.PeersFound(s.Info.Key(), at, "")
	time.Sleep(20 * time.Millisecond)
	if n := got.NumPeers(); n != 0 {
		t.Errorf("a client that does not dial has %d peers", n)
	}
}

// The link of a hybrid names two swarms. All who have the torrent may be in the second.
func TestBothSwarmsOfALink(t *testing.T) {
	s := makeSample(t, "film.mkv", 500_000, true, false)
	seeds := newClient(t, nil)
	add(t, seeds, Options{Torrent: s.Torrent, Content: Seed(s.dir, nil)})
	v2 := s.Info.HashV2
	c := newClient(t, nil)
	got := add(t, c, Options{Key: s.Info.Key(), HashV2: &v2, Content: Download(t.TempDir(), nil)})
	eventually(t, "both are announced", func() bool {
		got.mu.Lock()
		defer got.mu.Unlock()
		return slices.Equal(got.swarms, []metainfo.Hash{s.Info.HashV1, v2.Short()})
	})
	c.PeersFound(v2.Short(), []netip.AddrPort{seeds.PeerAddr()}, "")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := got.Wait(ctx); err != nil {
		t.Error(err)
	}
	alone := Options{Key: v2.Short(), HashV2: &v2, Content: Download(t.TempDir(), nil)}
	if _, err := c.Add(ctx, alone); err != driver.ErrExists {
		t.Errorf("the same torrent by its v2 hash: %v", err)
	}
	got.Close()
	if again := add(t, c, alone); !slices.Equal(again.keys(), []metainfo.Hash{v2.Short()}) {
		t.Errorf("its swarms are %v", again.keys())
	}
}

func TestParseListen(t *testing.T) {
	for s, want := range map[string]string{
		":7001": "[::]:7001", "0.0.0.0:7001": "0.0.0.0:7001", "localhost:0": "127.0.0.1:0",
		"[::1]:65535": "[::1]:65535", "192.0.2.1:1": "192.0.2.1:1",
	} {
		if got, err := ParseListen(s); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
}

func TestPeersAreNamed(t *testing.T) {
	for s, want := range map[string]string{
		"192.0.2.1:7001": "192.0.2.1:7001", "[2001:db8::1]:7001": "[2001:db8::1]:7001", "localhost:7001": "127.0.0.1:7001",
	} {
		got, err := lookup(t.Context(), s)
		if err != nil || got.String() != want && got.String() != "[::1]:7001" {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "localhost", "localhost:x", "localhost:70000"} {
		if got, err := lookup(t.Context(), s); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
}
