//go:build unix

package test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// apiPage serves a page written for webtorrent.js, as it is and with Shoal imported, as any
// web server would.
func apiPage(t *testing.T, files map[string]string) string {
	t.Helper()
	script, err := os.ReadFile(rig.Path("test", "browser", "api.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	const page = `<!doctype html><meta charset="utf-8"><title>x</title><video muted></video><div id="root"></div><script type="module" src="NAME.mjs"></script>`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		switch name {
		case "theirs.html", "ours.html":
			w.Header().Set("Content-Type", "text/html")
			w.Write([]byte(strings.Replace(page, "NAME", strings.TrimSuffix(name, ".html"), 1)))
		case "theirs.mjs", "ours.mjs":
			w.Header().Set("Content-Type", "text/javascript")
			s := string(script)
			if name == "ours.mjs" {
				s = strings.Replace(s, "/webtorrent.min.js", "/shoal.js", 1)
			}
			w.Write([]byte(s))
		case "webtorrent.min.js":
			http.ServeFile(w, r, rig.Path("test", "node_modules", "webtorrent", "dist", name))
		default:
			if file := files[strings.TrimPrefix(name, "files/")]; file != "" {
				http.ServeFile(w, r, file)
				return
			}
			http.ServeFile(w, r, rig.Path("web", "dist", filepath.Base(name)))
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

type apiSeeded struct {
	Same, File       bool
	Magnet, InfoHash string
	Progress         float64
}

type apiGot struct {
	Paused, Still, Got, Removed bool
	Streamed, Blob, Counted     string
	Buffer, Torrents            int
	Facts, Rates, Shown         []any
	Seen                        []string
}

// A page of webtorrent.js runs with nothing but its import changed. With webtorrent.js it
// runs, too, so it is such a page.
func TestAPageOfWebTorrentRunsWithAnotherImport(t *testing.T) {
	note := filepath.Join(t.TempDir(), "note.txt")
	text := strings.Repeat("all of this is text\n", 50_000)
	if err := os.WriteFile(note, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	film := rig.Path("testdata", "sample.mp4")
	size, err := os.Stat(film)
	if err != nil {
		t.Fatal(err)
	}
	site := apiPage(t, map[string]string{"note.txt": note, "sample.mp4": film})
	tracker := "ws://" + rig.Tracker(t)
	for _, whose := range []string{"theirs", "ours"} {
		t.Run(whose, func(t *testing.T) {
			ours := whose == "ours"
			b := rig.StartBrowser(t, rig.BrowserConfig{})
			open := func(b *rig.Browser) *rig.Page {
				p := b.Open(site + "/" + whose + ".html")
				p.WaitFor(30*time.Second, "window.loaded")
				return p
			}
			up := open(b)
			var seeded apiSeeded
			up.Eval(2*time.Minute, "seed(['sample.mp4', 'note.txt'], ["+js(tracker)+"])", &seeded)
			if !seeded.Same || !seeded.File || seeded.Progress != 1 || len(seeded.InfoHash) != 40 || !strings.HasPrefix(seeded.Magnet, "magnet:?") {
				t.Errorf("seeded: %+v", seeded)
			}
			var got apiGot
			down := open(rig.StartBrowser(t, rig.BrowserConfig{}))
			down.Eval(2*time.Minute, "download("+js(seeded.Magnet)+")", &got)
			if got.Streamed != text || got.Blob != text || got.Buffer != len(text) {
				t.Errorf("%d, %d and %d bytes were read", len(got.Streamed), len(got.Blob), got.Buffer)
			}
			if !got.Paused || !got.Got || got.Torrents != 1 || !got.Removed {
				t.Errorf("paused %v, got %v, %d torrents, removed %v", got.Paused, got.Got, got.Torrents, got.Removed)
			}
			whole := float64(len(text)) + float64(size.Size())
			facts := []any{"album", []any{"album/note.txt", "album/sample.mp4"}, whole, 1.0, whole, 0.0, 1.0, "text/plain"}
			if ours {
				facts[1] = []any{"note.txt", "sample.mp4"} // below the torrent's name
			}
			if !reflect.DeepEqual(got.Facts, facts) {
				t.Errorf("facts %v, not %v", got.Facts, facts)
			}
			if want := "done download infoHash metadata ready verified wire"; got.Counted != want {
				t.Errorf("events: %s", got.Counted)
			}
			said, _ := json.Marshal(got.Seen)
			for _, want := range []string{"callback album", "client torrent", "wire webrtc true"} {
				if !strings.Contains(string(said), want) {
					t.Errorf("no %q in %s", want, said)
				}
			}
			if !ours {
				return
			}
			if !got.Still {
				t.Error("a torrent that is paused goes on")
			}
			if want := []any{true, true, "iframe", float64(len(text))}; !reflect.DeepEqual(got.Shown, want) {
				t.Errorf("shown: %v", got.Shown)
			}
			if len(got.Seen) != 3 {
				t.Errorf("seen: %s", said)
			}
			up.Eval(20*time.Second, "end()", nil)
			sound(t, b)
		})
	}
}
