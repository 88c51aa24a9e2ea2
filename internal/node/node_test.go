package node_test

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/node"
	"github.com/shoal-p2p/shoal/metainfo"
)

// rig is a node that shares a folder of its own.
type rig struct {
	*node.Node
	client  *shoal.Client
	shared  *shoal.Torrent
	content map[string][]byte
}

func newRig(t *testing.T, tracker http.Handler) *rig {
	t.Helper()
	r := &rig{content: map[string][]byte{"film.mp4": bytes.Repeat([]byte("film "), 20_000), "page one.html": []byte("<script>alert(1)</script>")}}
	dir := filepath.Join(t.TempDir(), "my films")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range r.content {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	meta, err := shoal.Create(ctx, []string{dir}, shoal.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.client, err = shoal.New(shoal.Config{PeerListen: "127.0.0.1:0", Local: true, NoWebRTC: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	r.shared, err = r.client.Share(ctx, meta, dir)
	if err != nil {
		t.Fatal(err)
	}
	r.Node = node.New(r.client, node.Config{Tracker: tracker, Origin: "http://192.0.2.1:8080"})
	r.Node.Add(r.shared)
	r.Node.Add(r.shared) // it is listed once all the same
	return r
}

func (r *rig) do(method, target string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

func TestStream(t *testing.T) {
	r := newRig(t, nil)
	film := r.content["film.mp4"]
	for _, hash := range r.shared.Info().SwarmHashes() {
		at := "/stream/" + hash.String()
		for _, c := range []struct {
			what, method, path, ranged string
			code                       int
			body                       []byte
		}{
			{"all", "GET", "/film.mp4", "", 200, film},
			{"a range", "GET", "/film.mp4", "bytes=10-59999", 206, film[10:60000]},
			{"HEAD", "HEAD", "/film.mp4", "", 200, nil},
			{"escapes", "GET", "/page%20one.html", "", 200, r.content["page one.html"]},
			{"with the name", "GET", "/my%20films/film.mp4", "", 200, film},
			{"preflight", "OPTIONS", "/film.mp4", "", 204, nil},
		} {
			w := r.do(c.method, at+c.path, "Range", c.ranged)
			if w.Code != c.code || !bytes.Equal(w.Body.Bytes(), c.body) {
				t.Errorf("%s: %d, %d bytes", c.what, w.Code, w.Body.Len())
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: other origins are kept out", c.what)
			}
		}
	}
	for _, path := range []string{"film.mp4", "page%20one.html"} {
		h := r.do("GET", "/stream/"+r.shared.Key().String()+"/"+path).Header()
		if h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox; default-src 'none'") {
			t.Errorf("%s may run with our rights: %v", path, h)
		}
	}
}

// A hash is what people have: 40 digits, 64 of version 2, base32, in whatever case.
func TestEveryFormOfAHash(t *testing.T) {
	r := newRig(t, nil)
	v1, v2 := r.shared.Info().HashV1, r.shared.Info().HashV2.String()
	b32 := base32.StdEncoding.EncodeToString(v1[:])
	for _, hash := range []string{v1.String(), strings.ToUpper(v1.String()), b32, strings.ToLower(b32), v2, strings.ToUpper(v2), "1220" + v2, v2[:40]} {
		if w := r.do("GET", "/stream/"+hash+"/film.mp4"); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), r.content["film.mp4"]) {
			t.Errorf("stream by %s: %d", hash, w.Code)
		}
		if w := r.do("GET", "/torrents/"+hash+".torrent"); w.Code != 200 {
			t.Errorf(".torrent by %s: %d", hash, w.Code)
		}
	}
	other := v2[:40] + strings.Repeat("0", 24)
	for _, hash := range []string{other, v2[:63], v1.String() + "0", "1320" + v2} {
		if w := r.do("GET", "/stream/"+hash+"/film.mp4"); w.Code != 404 {
			t.Errorf("stream by %q: %d", hash, w.Code)
		}
	}
}

func TestNotFound(t *testing.T) {
	r := newRig(t, nil)
	other := "0123456789abcdef0123456789abcdef01234567"
	key := r.shared.Key().String()
	for target, says := range map[string]string{
		"/stream/" + other + "/film.mp4":    "no torrent with the info hash " + other,
		"/stream/xyz/film.mp4":              "no torrent with the info hash xyz",
		"/stream/" + key + "/none":          "the torrent has no file none",
		"/stream/" + key + "/":              "the torrent has no file",
		"/stream/" + key + "/%2e%2e%2fnone": "the torrent has no file",
		"/torrents/" + other + ".torrent":   "no torrent with the info hash " + other,
		"/torrents/" + key:                  "no torrent with the info hash",
		"/torrents/.torrent":                "no torrent with the info hash",
		"/other.torrent":                    "no torrent named other",
		"/announce":                         "",
		"/scrape":                           "",
		"/nothing":                          "",
	} {
		if w := r.do("GET", target); w.Code != 404 || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %q", target, w.Code, w.Body)
		}
	}
	for _, target := range []string{"/stream/" + key + "/film.mp4", "/torrents/" + key + ".torrent", "/shoal/config.json"} {
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			if w := r.do(method, target); w.Code != 405 {
				t.Errorf("%s %s: %d", method, target, w.Code)
			}
		}
	}
}

func TestTorrentFiles(t *testing.T) {
	r := newRig(t, nil)
	targets := []string{node.TorrentPath("my films")}
	for _, hash := range r.shared.Info().SwarmHashes() {
		targets = append(targets, "/torrents/"+hash.String()+".torrent")
	}
	for _, target := range targets {
		w := r.do("GET", target)
		meta, err := metainfo.Parse(w.Body.Bytes())
		h := w.Header()
		if w.Code != 200 || err != nil || meta.Info.Key() != r.shared.Key() || h.Get("Content-Type") != "application/x-bittorrent" ||
			h.Get("Content-Disposition") != "attachment; filename=\"my films.torrent\"; filename*=UTF-8''my%20films.torrent" || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d, %v, %v", target, w.Code, err, h)
		}
	}
}

func TestPartOfATorrentFile(t *testing.T) {
	r := newRig(t, nil)
	whole := r.do("GET", node.TorrentPath("my films")).Body.Bytes()
	if w := r.do("HEAD", node.TorrentPath("my films")); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != strconv.Itoa(len(whole)) {
		t.Errorf("HEAD: %d, %v", w.Code, w.Header())
	}
	if w := r.do("GET", node.TorrentPath("my films"), "Range", "bytes=10-"); w.Code != 206 || !bytes.Equal(w.Body.Bytes(), whole[10:]) {
		t.Errorf("what a broken download lacks: %d, %d bytes", w.Code, w.Body.Len())
	}
}

// Whatever a file is called, its escaped path leads to it, and no other does.
func TestPathEscapes(t *testing.T) {
	names := []string{"100% a+b.mp4", "what? #1; c&d=e.txt", "日本 é.mkv", "a%2Fb", "...", "a'(b)*!~.txt", "x/y z/[1] {2}.srt", "semi;colon:.txt", "%00.txt", "q\"uote.txt"}
	dir := filepath.Join(t.TempDir(), "names")
	for _, name := range names {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("this is "+name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t, nil)
	meta, err := shoal.Create(t.Context(), []string{dir}, shoal.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	shared, err := r.client.Share(t.Context(), meta, dir)
	if err != nil {
		t.Fatal(err)
	}
	r.Add(shared)
	server := httptest.NewServer(r.Node)
	defer server.Close()
	at := server.URL + "/stream/" + shared.Key().String() + "/"
	for _, name := range names {
		for _, escaped := range []string{(&url.URL{Path: name}).EscapedPath(), strings.ReplaceAll(url.PathEscape(name), "%2F", "/"), url.PathEscape(name), everyByte(name)} {
			res, err := http.Get(at + escaped)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			// An escaped slash separates as well: names have none.
			if res.StatusCode != 200 || string(b) != "this is "+name {
				t.Errorf("%q as %s: %s, %q", name, escaped, res.Status, b)
			}
		}
	}
	for _, path := range []string{"a%2Fb", "a%00b", "%2e%2e/names/...", "x", "x/", "x%2F..%2F...", "100%25%20a%20b.mp4", "%ff"} {
		if res, err := http.Get(at + path); err != nil {
			t.Error(err)
		} else if res.Body.Close(); res.StatusCode != 404 && res.StatusCode != 400 {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

func everyByte(s string) (escaped string) {
	for _, b := range []byte(s) {
		escaped += fmt.Sprintf("%%%02x", b)
	}
	return escaped
}

// A torrent that was joined by a link is streamed once it is known, under both of
// a hybrid's hashes, and has no .torrent to give.
func TestATorrentOfALink(t *testing.T) {
	r := newRig(t, nil)
	client, err := shoal.New(shoal.Config{PeerListen: "127.0.0.1:0", Local: true, NoWebRTC: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	got, err := client.Add(t.Context(), shoal.FromHash(r.shared.Key()), shoal.AddOptions{Dir: t.TempDir(), Peers: []string{r.client.PeerAddr()}})
	if err != nil {
		t.Fatal(err)
	}
	n := node.New(client, node.Config{})
	if w := (&rig{Node: n}).do("GET", "/stream/"+got.Key().String()+"/film.mp4"); w.Code != 404 {
		t.Errorf("what was not given to the node is streamed: %d", w.Code)
	}
	n.Add(got)
	server := httptest.NewServer(n)
	defer server.Close()
	for range 2 {
		for _, hash := range r.shared.Info().SwarmHashes() {
			res, err := http.Get(server.URL + "/stream/" + hash.String() + "/film.mp4")
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != 200 || err != nil || !bytes.Equal(b, r.content["film.mp4"]) {
				t.Errorf("%v: %s, %d bytes, %v", hash, res.Status, len(b), err)
			}
		}
	}
	if w := (&rig{Node: n}).do("GET", "/torrents/"+got.Key().String()+".torrent"); w.Code != 404 || !strings.Contains(w.Body.String(), "has no .torrent of it") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	got.Close()
	if w := (&rig{Node: n}).do("GET", "/stream/"+got.Key().String()+"/film.mp4"); w.Code != 404 {
		t.Errorf("after Close: %d", w.Code)
	}
}

func TestConfig(t *testing.T) {
	r := newRig(t, http.NotFoundHandler())
	w := visit(r.Node, "127.0.0.1", "127.0.0.1", "localhost:8080", "/shoal/config.json")
	var c struct {
		Origin     string
		Trackers   []string
		ICEServers []string
		Loopback   bool
		PeerPort   int
		Torrents   []struct {
			InfoHash string `json:"info_hash"`
			Name     string
			Length   int64
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil {
		t.Fatal(err)
	}
	if c.Origin != "http://192.0.2.1:8080" || len(c.Trackers) != 1 || c.Trackers[0] != "/announce" || c.ICEServers == nil || !c.Loopback || c.PeerPort == 0 {
		t.Errorf("%+v", c)
	}
	if len(c.Torrents) != 1 || c.Torrents[0].Name != "my films" || c.Torrents[0].InfoHash != r.shared.Key().String() || c.Torrents[0].Length != r.shared.Info().TotalSize() {
		t.Errorf("%+v", c.Torrents)
	}
	if h := w.Header(); h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", h)
	}
	r.shared.Close()
	if w := visit(r.Node, "127.0.0.1", "127.0.0.1", "localhost:8080", "/shoal/config.json"); !strings.Contains(w.Body.String(), `"torrents":[]`) {
		t.Errorf("a closed torrent is listed: %s", w.Body)
	}
	if w := newRig(t, nil).do("GET", "/shoal/config.json"); !strings.Contains(w.Body.String(), `"trackers":[]`) {
		t.Errorf("a node without a tracker names one: %s", w.Body)
	}
}

// The tracker stands at /announce and /scrape, and for WebSockets at / as today's
// public trackers do; everything else at / is the page.
func TestTrackerMount(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "tracker "+r.Method) }))
	for _, c := range []struct {
		method, target, upgrade string
		tracker                 bool
	}{
		{"GET", "/announce?info_hash=x", "", true},
		{"GET", "/announce", "websocket", true},
		{"POST", "/announce", "", true},
		{"GET", "/scrape", "", true},
		{"GET", "/", "WebSocket", true},
		{"GET", "/", "", false},
		{"GET", "/", "h2c", false},
		{"GET", "/announce/", "", false},
		{"GET", "/other", "websocket", false},
	} {
		w := r.do(c.method, c.target, "Upgrade", c.upgrade)
		if got := strings.HasPrefix(w.Body.String(), "tracker "); got != c.tracker {
			t.Errorf("%s %s, upgrade %q: the tracker answers: %v", c.method, c.target, c.upgrade, got)
		}
	}
}
