//go:build !js

package shoal_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// here keeps the examples on this machine. Programs that mean the world write
// shoal.Config{}.
var here = shoal.Config{Local: true, PeerListen: "127.0.0.1:0"}

// publish shares a folder with a letter and a song, and returns who has it and what
// it is called.
func publish() (seed *shoal.Client, shared *shoal.Torrent, clean func()) {
	dir, err := os.MkdirTemp("", "shoal")
	if err != nil {
		log.Fatal(err)
	}
	album := filepath.Join(dir, "album")
	os.Mkdir(album, 0o755)
	os.WriteFile(filepath.Join(album, "letter.txt"), []byte("Dear reader"), 0o644)
	os.WriteFile(filepath.Join(album, "song.mp3"), bytes.Repeat([]byte("la "), 100_000), 0o644)
	t, err := shoal.Create(context.Background(), []string{album}, shoal.CreateOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if seed, err = shoal.New(here); err != nil {
		log.Fatal(err)
	}
	if shared, err = seed.Share(context.Background(), t, album); err != nil {
		log.Fatal(err)
	}
	return seed, shared, func() { seed.Close(); os.RemoveAll(dir) }
}

// Two clients, one of which shares a folder and one of which fetches it.
func Example() {
	ctx := context.Background()
	dir, _ := os.MkdirTemp("", "shoal")
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "hello.txt")
	os.WriteFile(file, []byte("Hello, swarm!"), 0o644)

	meta, err := shoal.Create(ctx, []string{file}, shoal.CreateOptions{})
	if err != nil {
		log.Fatal(err)
	}
	seed, err := shoal.New(here)
	if err != nil {
		log.Fatal(err)
	}
	defer seed.Close()
	shared, err := seed.Share(ctx, meta, file)
	if err != nil {
		log.Fatal(err)
	}

	client, err := shoal.New(here)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	t, err := client.Add(ctx, shoal.FromMagnet(shared.Magnet()), shoal.AddOptions{
		Dir:   filepath.Join(dir, "got"),
		Peers: []string{seed.PeerAddr()}, // without it, trackers and the DHT name peers
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := t.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	b, _ := os.ReadFile(filepath.Join(dir, "got", "hello.txt"))
	fmt.Println(string(b))
	// Output: Hello, swarm!
}

// A file is read while it is being fetched.
func ExampleFile_NewReader() {
	seed, shared, clean := publish()
	defer clean()
	client, _ := shoal.New(here)
	defer client.Close()

	ctx := context.Background()
	t, err := client.Add(ctx, shoal.FromHash(shared.Key()), shoal.AddOptions{
		Storage: shoal.MemoryStorage(64 << 20), Peers: []string{seed.PeerAddr()},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := t.WaitInfo(ctx); err != nil {
		log.Fatal(err)
	}
	r := t.File("song.mp3").NewReader(ctx)
	defer r.Close()
	r.Seek(-6, io.SeekEnd)
	b, err := io.ReadAll(r)
	fmt.Printf("%q %v\n", b, err)
	// Output: "la la " <nil>
}

// Only what is wanted is fetched.
func ExampleAddOptions_priority() {
	seed, shared, clean := publish()
	defer clean()
	client, _ := shoal.New(here)
	defer client.Close()
	dir, _ := os.MkdirTemp("", "shoal")
	defer os.RemoveAll(dir)

	ctx := context.Background()
	t, err := client.Add(ctx, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{
		Dir: dir, Peers: []string{seed.PeerAddr()},
		Priority: func(f *shoal.File) shoal.Priority {
			if f.Length() < 1000 {
				return shoal.Normal
			}
			return shoal.Skip
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := t.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	list, _ := os.ReadDir(filepath.Join(dir, "album"))
	for _, f := range list {
		fmt.Println(f.Name())
	}
	// Output: letter.txt
}

func ExampleTorrent_Events() {
	_, shared, clean := publish()
	defer clean()
	pieces := 0
	for ev := range shared.Events(context.Background()) {
		switch ev.Kind {
		case shoal.PieceStored:
			pieces++
		case shoal.Completed:
			fmt.Println("complete:", pieces == shared.Stats().Pieces)
			shared.Close()
		case shoal.InfoKnown, shoal.Ended:
			fmt.Println(ev.Kind)
		}
	}
	// Output:
	// info known
	// complete: true
	// ended
}

// A client for many torrents: two fetch at a time, all of them together receive at
// most 5 MB a second, and each is seeded until it has sent twice what it received or a
// week has passed.
func ExampleConfig() {
	client, err := shoal.New(shoal.Config{
		Local: true, PeerListen: "127.0.0.1:0", // for this example; leave it out
		Limits:             shoal.Limits{Down: 5_000_000},
		MaxActiveDownloads: 2,
		Goals:              shoal.Goals{Ratio: 2, Time: 7 * 24 * time.Hour},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for i := range 3 {
		hash := metainfo.Hash{byte(i + 1)}
		t, err := client.Add(context.Background(), shoal.FromHash(hash), shoal.AddOptions{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(t.Queued(), t.Goals().Ratio)
	}
	// Output:
	// false 2
	// false 2
	// true 2
}

// Limits change while a torrent runs, within those of the client.
func ExampleTorrent_SetLimits() {
	seed, shared, clean := publish()
	defer clean()
	seed.SetLimits(shoal.Limits{Up: 2_000_000})
	shared.SetLimits(shoal.Limits{Up: 500_000})
	fmt.Println(shared.Limits().Up, seed.Limits().Up)
	shared.SetLimits(shoal.Limits{}) // no bound but that of the client
	fmt.Println(shared.Limits().Up)
	// Output:
	// 500000 2000000
	// 0
}

// A torrent is seeded until it has sent as much as it holds.
func ExampleTorrent_SetGoals() {
	seed, shared, clean := publish()
	defer clean()
	shared.SetGoals(shoal.Goals{Ratio: 1})

	ctx := context.Background()
	client, _ := shoal.New(here)
	defer client.Close()
	_, err := client.Add(ctx, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{
		Storage: shoal.MemoryStorage(64 << 20), Peers: []string{seed.PeerAddr()},
	})
	if err != nil {
		log.Fatal(err)
	}
	for ev := range shared.Events(ctx) {
		if ev.Kind == shoal.GoalReached {
			break
		}
	}
	fmt.Printf("seeded %.0f times\n", shared.Stats().Ratio)
	// Output: seeded 1 times
}

// What is stored is verified anew, for example after a fault of the disk.
func ExampleTorrent_Recheck() {
	_, shared, clean := publish()
	defer clean()
	err := shared.Recheck(context.Background(), func(done, total int64) {
		if done == total {
			fmt.Println("all of it was read")
		}
	})
	fmt.Println(shared.Complete(), err)
	// Output:
	// all of it was read
	// true <nil>
}

func ExampleTorrent_FS() {
	_, shared, clean := publish()
	defer clean()
	files := shared.FS(context.Background())
	fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		fmt.Println(path, d.IsDir())
		return err
	})
	b, err := fs.ReadFile(files, "letter.txt")
	fmt.Println(string(b), err)
	// Output:
	// . true
	// letter.txt false
	// song.mp3 false
	// Dear reader <nil>
}

func ExampleTorrent_Handler() {
	_, shared, clean := publish()
	defer clean()
	server := httptest.NewServer(shared.Handler())
	defer server.Close()
	req, _ := http.NewRequest("GET", server.URL+"/song.mp3", nil)
	req.Header.Set("Range", "bytes=0-4")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, res.Header.Get("Content-Type"), string(b))
	// Output: 206 audio/mpeg la la
}

// A storage of one's own: memory that tells what is written.
func ExampleStorage() {
	seed, shared, clean := publish()
	defer clean()
	client, _ := shoal.New(here)
	defer client.Close()

	var pieces int
	counting := shoal.StorageFunc(func(ctx context.Context, info *metainfo.Info) (storage.Store, *storage.Bits, error) {
		return countingStore{storage.NewMemory(info, storage.MemoryOptions{}), &pieces}, nil, nil
	})
	ctx := context.Background()
	t, err := client.Add(ctx, shoal.FromTorrent(shared.Metainfo()), shoal.AddOptions{Storage: counting, Peers: []string{seed.PeerAddr()}})
	if err != nil {
		log.Fatal(err)
	}
	if err := t.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	t.Close()
	fmt.Println(pieces == shared.Info().NumPieces())
	// Output: true
}

var mu sync.Mutex // of the number of pieces

type countingStore struct {
	storage.Store
	pieces *int
}

// WriteAt is given one whole verified piece. A real store guards what it changes:
// calls may run concurrently.
func (s countingStore) WriteAt(p []byte, off int64) (int, error) {
	mu.Lock()
	*s.pieces++
	mu.Unlock()
	return s.Store.WriteAt(p, off)
}

func ExampleParseSource() {
	for _, text := range []string{
		"magnet:?xt=urn:btih:aabbccddeeff00112233445566778899aabbccdd&dn=A+film",
		"VK54ZXPO74ABCIRTIRKWM54ITGVLXTG5",
		"film.torrent",
		"magnet:?xt=urn:btih:123",
	} {
		src, err := shoal.ParseSource(text)
		fmt.Println(src, err)
	}
	// Output:
	// A film <nil>
	// aabbccddeeff00112233445566778899aabbccdd <nil>
	// film.torrent <nil>
	//  magnet:?xt=urn:btih:123 is no valid magnet link: xt: malformed info hash
}
