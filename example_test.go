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
		default:
			fmt.Println(ev.Kind)
		}
	}
	// Output:
	// info known
	// complete: true
	// ended
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
