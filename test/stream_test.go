//go:build unix

package test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/node"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/test/rig"
)

// request is one HTTP exchange; header is key, value, ...
func request(t *testing.T, method, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Timeout: 60 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return res, body
}

func TestStream(t *testing.T) {
	t.Parallel()
	sample := rig.Path("testdata", "sample.mp4")
	want, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	n := rig.Share(t, sample)
	at := n.StreamURL("sample.mp4")

	res, body := request(t, "GET", at)
	etag := res.Header.Get("ETag")
	if res.StatusCode != 200 || !bytes.Equal(body, want) || res.Header.Get("Content-Type") != "video/mp4" ||
		res.Header.Get("Accept-Ranges") != "bytes" || etag == "" || res.ContentLength != int64(len(want)) {
		t.Errorf("GET: %s, %d bytes of %d, %v", res.Status, len(body), len(want), res.Header)
	}
	res, body = request(t, "HEAD", at)
	if res.StatusCode != 200 || len(body) != 0 || res.ContentLength != int64(len(want)) || res.Header.Get("ETag") != etag || res.Header.Get("Content-Type") != "video/mp4" {
		t.Errorf("HEAD: %s, %v", res.Status, res.Header)
	}
	size := len(want)
	for _, c := range []struct {
		name, spec string
		status     int
		want       []byte
	}{
		{"first byte", "bytes=0-0", 206, want[:1]},
		{"across blocks", "bytes=16000-50000", 206, want[16000:50001]},
		{"to the end", "bytes=1000000-", 206, want[1000000:]},
		{"the last bytes", "bytes=-500", 206, want[size-500:]},
		{"past the end", "bytes=1000000-99999999", 206, want[1000000:]},
		{"beyond the end", "bytes=99999999-", 416, nil},
	} {
		res, body := request(t, "GET", at, "Range", c.spec)
		if res.StatusCode != c.status || c.want != nil && !bytes.Equal(body, c.want) {
			t.Errorf("%s, %s: %s, %d bytes", c.name, c.spec, res.Status, len(body))
		}
		if c.status == 206 && res.Header.Get("Content-Range") == "" {
			t.Errorf("%s: no Content-Range", c.name)
		}
	}
	if res, body := request(t, "GET", at, "If-None-Match", etag); res.StatusCode != 304 || len(body) != 0 {
		t.Errorf("If-None-Match: %s", res.Status)
	}
	if res, _ := request(t, "GET", at, "Range", "bytes=0-9", "If-Range", etag); res.StatusCode != 206 {
		t.Errorf("If-Range of this content: %s", res.Status)
	}
	if res, _ := request(t, "GET", at, "Range", "bytes=0-9", "If-Range", `"another"`); res.StatusCode != 200 {
		t.Errorf("If-Range of other content: %s", res.Status)
	}
	if res, _ := request(t, "POST", at); res.StatusCode != 405 {
		t.Errorf("POST: %s", res.Status)
	}
}

func TestStreamPaths(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	tree := rig.PayloadTree(t, parent, "tree", 20)
	rig.Payload(t, filepath.Join(parent, "secret.txt"), 100, 21)
	for _, name := range []string{"page.html", "a.webm", "a.mp3", "a.pdf", "a.png", "a.srt", "none"} {
		rig.Payload(t, filepath.Join(tree, "types", name), 10, 22)
	}
	n := rig.Share(t, tree)
	for path, sum := range rig.Tree(t, tree) {
		escaped := (&url.URL{Path: path}).EscapedPath()
		res, body := request(t, "GET", n.StreamURL(escaped))
		file := filepath.Join(t.TempDir(), "got")
		os.WriteFile(file, body, 0o644)
		if res.StatusCode != 200 || rig.Sum(t, file) != sum {
			t.Errorf("%s: %s, %d bytes", escaped, res.Status, len(body))
		}
	}
	for name, typ := range map[string]string{"a.webm": "video/webm", "a.mp3": "audio/mpeg", "a.pdf": "application/pdf", "a.png": "image/png"} {
		if res, _ := request(t, "HEAD", n.StreamURL("types/"+name)); res.Header.Get("Content-Type") != typ {
			t.Errorf("%s is served as %q, want %s", name, res.Header.Get("Content-Type"), typ)
		}
	}
	// A page somebody shares must not run in this origin.
	if res, _ := request(t, "GET", n.StreamURL("types/page.html")); res.Header.Get("Content-Type") == "text/html" && res.Header.Get("Content-Security-Policy") == "" && res.Header.Get("Content-Disposition") == "" {
		t.Errorf("a shared page is served as live HTML: %v", res.Header)
	}
	for _, path := range []string{"", "nothing.bin", "../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "film", "film/", "%00"} {
		if res, body := request(t, "GET", n.StreamURL(path)); res.StatusCode == 200 && res.Request.URL.Path != "/" {
			t.Errorf("%q: %s, %d bytes", path, res.Status, len(body))
		}
	}
	for _, hash := range []string{"0123456789abcdef0123456789abcdef01234567", "xyz", ""} {
		if res, _ := request(t, "GET", "http://"+n.HTTP+"/stream/"+hash+"/note.txt"); res.StatusCode != 404 && res.StatusCode != 400 {
			t.Errorf("hash %q: %s", hash, res.Status)
		}
	}
}

// What is asked for comes first: the end of a file is served long before its middle has arrived.
func TestStreamWhileDownloading(t *testing.T) {
	t.Parallel()
	s := newSlowSwarm(t, 24<<20, 3<<20, 23)
	want, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(s.torrent)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := metainfo.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	client, err := shoal.New(shoal.Config{PeerListen: "127.0.0.1:0", Local: true, NoDHT: true, NoLSD: true, NoNATMap: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	torrent, err := client.Add(t.Context(), shoal.FromTorrent(meta), shoal.AddOptions{Dir: t.TempDir(), Peers: []string{s.line.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	node := node.New(client, node.Config{})
	node.Add(torrent)
	server := httptest.NewServer(node)
	t.Cleanup(server.Close)
	at := server.URL + "/stream/" + torrent.Key().String() + "/big.bin"

	from := len(want) * 8 / 10
	res, body := request(t, "GET", at, "Range", "bytes="+itoa(from)+"-"+itoa(from+300_000-1))
	if res.StatusCode != 206 || !bytes.Equal(body, want[from:from+300_000]) {
		t.Fatalf("the part at 80 %%: %s, %d bytes", res.Status, len(body))
	}
	if stats := torrent.Stats(); stats.Have*2 > stats.Pieces {
		t.Errorf("%d of %d pieces were there before the part was served, so this shows nothing", stats.Have, stats.Pieces)
	}
	s.line.Speed(0)
	res, body = request(t, "GET", at)
	if res.StatusCode != 200 || !bytes.Equal(body, want) {
		t.Errorf("the whole file: %s, %d bytes", res.Status, len(body))
	}
}
