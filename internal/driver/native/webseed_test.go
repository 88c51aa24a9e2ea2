//go:build !js

package native

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/leak"
	"github.com/shoal-p2p/shoal/internal/driver/webseed"
	"github.com/shoal-p2p/shoal/internal/maketorrent"
	"github.com/shoal-p2p/shoal/internal/reach"
	"github.com/shoal-p2p/shoal/metainfo"
)

// library is a folder of files of odd sizes and names, and a torrent of it.
func library(t *testing.T, v1, v2 bool) (root string, tor *metainfo.Torrent) {
	t.Helper()
	root = t.TempDir()
	rng := rand.NewChaCha8([32]byte{7})
	for name, size := range map[string]int{
		"lib/one.bin": 3<<20 + 777, "lib/a b/zwei ü%20#?.bin": 1<<20 + 1, "lib/tiny": 1, "lib/empty": 0, "lib/z/last": 300_000,
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		data := make([]byte, size)
		rng.Read(data)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root, makeOf(t, filepath.Join(root, "lib"), v1, v2)
}

// server serves root through wrap.
func server(t *testing.T, root string, wrap func(files http.Handler) http.Handler) string {
	t.Helper()
	h := http.Handler(http.FileServer(http.Dir(root)))
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// get downloads a torrent from web seeds alone.
func get(t *testing.T, tor *metainfo.Torrent, seeds ...string) (*Torrent, string) {
	t.Helper()
	c, err := New(Config{Local: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	dir := t.TempDir()
	got, err := c.Add(t.Context(), Options{Torrent: tor, WebSeeds: seeds, Content: Download(dir, nil)})
	if err != nil {
		t.Fatal(err)
	}
	return got, dir
}

func complete(t *testing.T, got *Torrent, dir, root string) {
	t.Helper()
	select {
	case <-got.Done():
	case <-time.After(30 * time.Second):
		t.Fatalf("not complete after 30 s: %+v %+v", got.WebSeeds(), got.Stats())
	}
	if err := got.Finish(); err != nil {
		t.Fatal(err)
	}
	for _, f := range got.Info().Files {
		if f.Pad {
			continue
		}
		name := filepath.Join(append([]string{"lib"}, f.Path...)...)
		want, _ := os.ReadFile(filepath.Join(root, name))
		have, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s differs: %v", name, err)
		}
	}
}

// givenUp waits until the web seed at url is given up, and returns why.
func givenUp(t *testing.T, got *Torrent, url string) string {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for _, s := range got.WebSeeds() {
			if s.URL == url && s.GivenUp {
				return s.Err.Error()
			}
		}
	}
	t.Fatalf("%s was not given up: %+v", url, got.WebSeeds())
	return ""
}

func TestDownloadFromAWebSeedAlone(t *testing.T) {
	for _, v := range []struct {
		name   string
		v1, v2 bool
	}{{"v1", true, false}, {"v2", false, true}, {"hybrid", true, true}} {
		t.Run(v.name, func(t *testing.T) {
			root, tor := library(t, v.v1, v.v2)
			var requests atomic.Int32
			url := server(t, root, func(files http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					requests.Add(1)
					files.ServeHTTP(w, r)
				})
			})
			got, dir := get(t, tor, url)
			complete(t, got, dir, root)
			if s := got.Stats(); s.Wasted > 0 {
				t.Errorf("%d bytes came in vain", s.Wasted)
			}
			if n := requests.Load(); n > 40 {
				t.Errorf("%d requests for 4.5 MB in %d pieces", n, tor.Info.NumPieces())
			}
		})
	}
}

// A slow mirror gets little to do, and its last blocks are fetched elsewhere.
func TestTheFasterMirrorBringsMore(t *testing.T) {
	root, tor := library(t, true, true)
	var slow, fast atomic.Int64
	count := func(n *atomic.Int64, pause time.Duration) func(http.Handler) http.Handler {
		return func(files http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				files.ServeHTTP(&counting{w, n, pause, r}, r)
			})
		}
	}
	got, dir := get(t, tor, server(t, root, count(&slow, 200*time.Millisecond)), server(t, root, count(&fast, 0)))
	complete(t, got, dir, root)
	if slow.Load() >= fast.Load() {
		t.Errorf("the slow mirror sent %d bytes, the fast one %d", slow.Load(), fast.Load())
	}
}

// counting counts bytes sent, with a pause before every 32 KiB.
type counting struct {
	http.ResponseWriter
	n     *atomic.Int64
	pause time.Duration
	r     *http.Request
}

func (c *counting) Write(p []byte) (int, error) {
	if c.pause > 0 {
		select {
		case <-time.After(c.pause):
		case <-c.r.Context().Done():
		}
	}
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// lying changes a byte in the middle of every answer.
type lying struct{ http.ResponseWriter }

func (l lying) Write(p []byte) (int, error) {
	q := bytes.Clone(p)
	if len(q) > 0 {
		q[len(q)/2] ^= 1
	}
	return l.ResponseWriter.Write(q)
}

func TestAMirrorThatMisbehavesIsGivenUp(t *testing.T) {
	for _, v := range []struct {
		name, why string
		wrap      func(files http.Handler) http.Handler
	}{
		{"other bytes", "does not match its hash", func(files http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { files.ServeHTTP(lying{w}, r) })
		}},
		{"answers cut short", "does not finish its answers", func(files http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				files.ServeHTTP(rec, r)
				for k, v := range rec.Header() {
					w.Header()[k] = v
				}
				w.WriteHeader(rec.Code)
				w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			})
		}},
		{"other files", "bytes where the torrent has", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.ServeContent(w, r, "x", time.Time{}, bytes.NewReader(make([]byte, 5<<20)))
			})
		}},
		{"no ranges", "does not answer requests for ranges", func(files http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Range")
				files.ServeHTTP(w, r)
			})
		}},
		{"nothing", "no such file", func(http.Handler) http.Handler { return http.NotFoundHandler() }},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			root, tor := library(t, true, true)
			bad := server(t, root, v.wrap)
			got, dir := get(t, tor, bad)
			if why := givenUp(t, got, bad); !strings.Contains(why, v.why) {
				t.Errorf("given up because %q", why)
			}
			got.Close()
			got, dir = get(t, tor, bad, server(t, root, nil))
			complete(t, got, dir, root)
		})
	}
}

// Who answers 429 or 503 is left alone for as long as it says.
func TestRetryAfterIsHeeded(t *testing.T) {
	root, tor := library(t, true, true)
	var mu sync.Mutex
	var refused time.Time
	var early []time.Duration
	url := server(t, root, func(files http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if refused.IsZero() {
				refused = time.Now()
				w.Header().Set("Retry-After", "2")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			if d := time.Since(refused); d < 2*time.Second {
				early = append(early, d)
			}
			files.ServeHTTP(w, r)
		})
	})
	got, dir := get(t, tor, url)
	complete(t, got, dir, root)
	if len(early) > 0 {
		t.Errorf("asked again after %v", early)
	}
}

// A mirror that lacks one file brings the others.
func TestAMirrorThatLacksAFile(t *testing.T) {
	root, tor := library(t, true, true)
	lacking := server(t, root, func(files http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "one.bin") {
				http.NotFound(w, r)
				return
			}
			files.ServeHTTP(w, r)
		})
	})
	got, _ := get(t, tor, lacking)
	one := 0
	for k, f := range tor.Info.Files {
		if !f.Pad && f.Path[0] == "one.bin" {
			one = k
		}
	}
	first, end := tor.Info.PieceRange(one)
	for deadline := time.Now().Add(20 * time.Second); got.Stats().Have < tor.Info.NumPieces()-(end-first); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", got.Stats())
		}
	}
	if s := got.WebSeeds()[0]; s.GivenUp || s.Err == nil || !strings.Contains(s.Err.Error(), "404") {
		t.Errorf("%+v", s)
	}
}

// The seeds of a torrent are used by themselves, but may not lead to this machine.
func TestSeedsOfATorrent(t *testing.T) {
	root, tor := library(t, true, true)
	var asked atomic.Int32
	url := server(t, root, func(files http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); files.ServeHTTP(w, r) })
	})
	tor.WebSeeds = []string{url}
	got, dir := get(t, tor) // Config.Local: this machine is all there is
	complete(t, got, dir, root)

	asked.Store(0)
	for _, trusted := range []bool{false, true} {
		s := newWebSeeds(false)
		a, err := s.fetch(t.Context(), webseed.Request{URL: url, Trusted: trusted})
		if (err == nil) != trusted {
			t.Errorf("trusted %v: %v", trusted, err)
		}
		if err == nil {
			a.Body.Close()
		} else if !strings.Contains(err.Error(), "name it yourself") {
			t.Errorf("%v", err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("%d requests", asked.Load())
	}
}

// Torrents come from anybody: their addresses may not make us ask services of our
// own machine or network.
func TestWhereAddressesOfTorrentsLead(t *testing.T) {
	for _, tt := range []struct {
		addr           string
		query          string
		trusted, local bool
		want           error
	}{
		{"93.184.216.34:80", "", false, false, nil},
		{"93.184.216.34:80", "?x", false, false, nil},
		{"127.0.0.1:80", "", false, false, reach.ErrOwn},
		{"169.254.169.254:80", "", false, false, reach.ErrOwn},
		{"127.0.0.1:80", "", true, false, nil},
		{"10.0.0.1:80", "", false, false, nil},
		{"10.0.0.1:80", "?x", false, false, reach.ErrPrivate},
		{"10.0.0.1:80", "?x", true, false, nil},
		{"127.0.0.1:80", "", false, true, nil},
		{"93.184.216.34:80", "", true, true, errOutward},
	} {
		s := newWebSeeds(tt.local)
		u, err := url.Parse("http://example.com/" + tt.query)
		if err != nil {
			t.Fatal(err)
		}
		ctx := reach.With(t.Context(), reach.New(u, tt.trusted || tt.local, mayReach))
		if err := s.checkDial(ctx, "tcp", tt.addr, nil); err != tt.want {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestRedirects(t *testing.T) {
	root, tor := library(t, true, true)
	mirror := server(t, root, nil)
	got, dir := get(t, tor, server(t, root, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, strings.TrimSuffix(mirror, "/")+r.URL.EscapedPath(), http.StatusFound)
		})
	}))
	complete(t, got, dir, root)
	got, _ = get(t, tor, server(t, root, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.EscapedPath(), http.StatusFound)
		})
	}))
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if err := got.WebSeeds()[0].Err; err != nil {
			if err.Error() != reach.ErrRedirects.Error() {
				t.Errorf("%v", err)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatal("goes in a circle")
		}
	}
}

// Close ends the requests that are on their way.
func TestCloseEndsWebSeeds(t *testing.T) {
	leak.Check(t)
	_, tor := library(t, true, true)
	asked := make(chan struct{}, 100)
	stay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer stay.Close()
	c, err := New(Config{Local: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Add(t.Context(), Options{Torrent: tor, WebSeeds: []string{stay.URL}, Content: Download(t.TempDir(), nil)}); err != nil {
		t.Fatal(err)
	}
	<-asked
}

func TestHTTPSeedsOfBEP17(t *testing.T) {
	root := t.TempDir()
	data := make([]byte, 2<<20+5)
	rand.NewChaCha8([32]byte{9}).Read(data)
	os.MkdirAll(filepath.Join(root, "lib"), 0o755)
	os.WriteFile(filepath.Join(root, "lib", "clip"), data, 0o644)
	tor := makeOf(t, filepath.Join(root, "lib", "clip"), true, false)
	busy := true
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		q := r.URL.Query()
		if q.Get("key") != "x" || q.Get("info_hash") != string(tor.Info.HashV1[:]) {
			http.Error(w, "who?", 400)
			return
		}
		if busy {
			busy = false
			w.WriteHeader(503)
			fmt.Fprint(w, "1")
			return
		}
		var piece, from, to int
		fmt.Sscan(q.Get("piece"), &piece)
		at := piece * int(tor.Info.PieceLength)
		from, to = 0, int(tor.Info.PieceSize(piece))-1
		if r := q.Get("ranges"); r != "" {
			fmt.Sscanf(r, "%d-%d", &from, &to)
		}
		w.Write(data[at+from : at+to+1])
	}))
	defer s.Close()
	tor.HTTPSeeds = []string{s.URL + "/seed?key=x"}
	got, dir := get(t, tor)
	select {
	case <-got.Done():
	case <-time.After(20 * time.Second):
		t.Fatalf("%+v", got.WebSeeds())
	}
	if b, err := os.ReadFile(filepath.Join(dir, "clip")); err != nil || !bytes.Equal(b, data) {
		t.Errorf("differs: %v", err)
	}
}

func makeOf(t *testing.T, path string, v1, v2 bool) *metainfo.Torrent {
	t.Helper()
	tor, err := maketorrent.Make(t.Context(), []string{path}, maketorrent.Options{V1: v1, V2: v2, PieceLength: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return tor
}
