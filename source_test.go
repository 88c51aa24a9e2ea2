//go:build !js

package shoal_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/internal/node"
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	hex40 = "aabbccddeeff00112233445566778899aabbccdd"
	hex64 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

func TestParseSource(t *testing.T) {
	for _, c := range []struct{ in, key, says string }{
		{hex40, hex40, hex40},
		{strings.ToUpper(hex40), hex40, hex40},
		{"VK54ZXPO74ABCIRTIRKWM54ITGVLXTG5", hex40, hex40},
		{hex64, hex64[:40], hex64[:40]},
		{"magnet:?xt=urn:btih:" + hex40 + "&dn=A+film", hex40, "A film"},
		{"MAGNET:?xt=urn:btih:" + hex40, hex40, hex40},
		{"http://192.0.2.1:8080/#" + hex40, hex40, hex40},
		{"https://page.example/#magnet:?xt=urn:btih:" + hex40 + "&dn=100%2525", hex40, "100%25"},
		{" " + hex40 + "\n", hex40, hex40},
		{"1220" + hex64, hex64[:40], hex64[:40]},
		{"HTTP://192.0.2.1:8080/#" + hex64, hex64[:40], hex64[:40]},
		{"http://192.0.2.1:8080/#VK54ZXPO74ABCIRTIRKWM54ITGVLXTG5", hex40, hex40},
		{"https://page.example/#MAGNET:?XT=URN:BTIH:" + hex40, hex40, hex40},
		{"https://page.example/#magnet:?xt=urn:btih:" + hex40 + "&dn=100%25ZZ", hex40, "100%ZZ"},
		{"https://page.example/#magnet:?xt=urn:btih:" + hex40 + "&dn=100%+real", hex40, "100% real"},
		{"https://page.example/#magnet:?xt=urn:btih:" + hex40 + "&dn=Track #1", hex40, "Track #1"},
		{"https://page.example/#magnet%3A%3Fxt%3Durn%3Abtih%3A" + hex40 + "%26dn%3D100%2525", hex40, "100%"},
		{"https://page.example/film.torrent", "", "https://page.example/film.torrent"},
		{"film.torrent", "", "film.torrent"},
		{"./" + hex40, "", "./" + hex40},
	} {
		src, err := shoal.ParseSource(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		m := src.Magnet()
		if key := m.Key(); c.key != "" && key.String() != c.key || c.key == "" && !key.IsZero() || src.String() != c.says {
			t.Errorf("%s: key %v, called %s", c.in, key, src)
		}
	}
}

func TestWrongSources(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.torrent")
	os.WriteFile(garbage, []byte("d4:infod6:lengthi-1eee"), 0o644)
	put := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for in, says := range map[string]string{
		put("login.torrent", "\r\n<!DOCTYPE html>"):  "login.torrent is no valid .torrent file: it is a web page",
		put("link.torrent", "magnet:?xt=urn:btih:1"): "link.torrent is no valid .torrent file: it holds a magnet link; give the link itself",
		put("gz.torrent", "\x1f\x8b\x08\x00"):        "gz.torrent is no valid .torrent file: it is compressed; unpack it first",
		"":                                           "no torrent is named",
		"magnet:?xt=urn:btih:123":                    "is no valid magnet link: xt: malformed info hash",
		"http://host/#nonsense":                      "what follows # is no info hash",
		"http:///x.torrent":                          "names no host",
		"http://host/%zz":                            "is no URL: invalid URL escape",
		"magnet:?dn=" + strings.Repeat("x", 9e4):     "x... is no valid magnet link: link is over the size limit",
		filepath.Join(dir, "missing"):                "is neither a link, a magnet link, an info hash nor a file: there is no such file",
		dir:                                          "it is a folder",
		garbage:                                      "is no valid .torrent file",
		"http://127.0.0.1:1/x.torrent":               "cannot fetch http://127.0.0.1:1/x.torrent",
		"http://127.0.0.1:1/#" + hex40:               "cannot fetch http://127.0.0.1:1/torrents/" + hex40 + ".torrent",
		"https://127.0.0.1:1/#magnet:?xt=wrong":      "no BitTorrent info hash",
	} {
		src := shoal.Link(in)
		_, err := src.Fetch(deadline(t))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", in, err)
		}
	}
	if _, err := shoal.Link(garbage).Fetch(deadline(t)); !errors.Is(err, metainfo.ErrField) && !errors.Is(err, metainfo.ErrLength) {
		t.Errorf("the kind of the error is lost: %v", err)
	}
	if _, err := new(shoal.Source).Fetch(deadline(t)); err == nil {
		t.Error("a source of nothing: no error")
	}
	if _, err := shoal.FromFile(filepath.Join(dir, "missing")).Fetch(deadline(t)); err == nil || strings.Contains(err.Error(), "magnet") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := newClient(t, quiet).Add(deadline(t), shoal.Link("magnet:?dn=x"), shoal.AddOptions{}); !errors.Is(err, magnet.ErrNoHash) {
		t.Errorf("Add: %v", err)
	}
}

func TestSourceFromHTTP(t *testing.T) {
	dir, _ := album(t)
	_, shared := share(t, shoal.CreateOptions{Announce: [][]string{{"http://192.0.2.1/a"}}}, dir)
	raw := shared.Metainfo().Marshal()
	mux := http.NewServeMux()
	mux.HandleFunc("/x.torrent", func(w http.ResponseWriter, r *http.Request) { w.Write(raw) })
	mux.HandleFunc("/garbage.torrent", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) })
	mux.HandleFunc("/huge.torrent", func(w http.ResponseWriter, r *http.Request) {
		for range metainfo.MaxTorrentSize>>20 + 2 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	src, err := shoal.Link(server.URL + "/x.torrent").Fetch(deadline(t))
	if err != nil || src.Torrent() == nil || src.Torrent().Info.Key() != shared.Key() {
		t.Fatalf("%v, %v", src, err)
	}
	host := strings.TrimPrefix(server.URL, "http://")
	if hosts := src.Hosts(); !slices.Contains(hosts, host) || !slices.Contains(hosts, "192.0.2.1:0") || src.Page() {
		t.Errorf("hosts %v", hosts)
	}
	for path, says := range map[string]string{"/none.torrent": "there is no such torrent", "/garbage.torrent": "is no valid .torrent: it is a web page", "/huge.torrent": "larger than 64 MiB"} {
		if _, err := shoal.Link(server.URL + path).Fetch(deadline(t)); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Indexers that keep no .torrent redirect to a magnet link, as it was pasted there.
func TestSourceRedirectsToAMagnet(t *testing.T) {
	link := "MAGNET:?xt=urn:btih:" + hex40 + "&dn=100%+real #1&x.pe=192.0.2.1:6881"
	asked := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/dl/1", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/dl/2", http.StatusFound) })
	mux.HandleFunc("/dl/2", func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Location", link)
		w.WriteHeader(http.StatusMovedPermanently)
	})
	mux.HandleFunc("/dl/3", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "magnet:?dn=nothing")
		w.WriteHeader(http.StatusSeeOther)
	})
	mux.HandleFunc("/dl/4", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	src, err := shoal.Link(server.URL + "/dl/1").Fetch(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if m := src.Magnet(); m.Key().String() != hex40 || src.String() != "100% real #1" || !slices.Equal(m.Peers, []string{"192.0.2.1:6881"}) {
		t.Errorf("%s: %+v", src, m)
	}
	if _, err = src.Fetch(deadline(t)); err != nil || asked != 1 {
		t.Errorf("fetched once more: %v, asked %d times", err, asked)
	}
	for path, says := range map[string]string{"/dl/3": "no BitTorrent info hash", "/dl/4": "unsupported protocol scheme"} {
		if _, err := shoal.Link(server.URL + path).Fetch(deadline(t)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A client that keeps to this machine must not be chosen for content that is elsewhere.
func TestHostsOfWebSeeds(t *testing.T) {
	src := shoal.Link("magnet:?xt=urn:btih:" + hex40 + "&ws=http://192.0.2.7/x")
	if hosts := src.Hosts(); !slices.Equal(hosts, []string{"192.0.2.7:0"}) {
		t.Errorf("of a link: %v", hosts)
	}
	meta := &metainfo.Torrent{Info: &metainfo.Info{}, WebSeeds: []string{"http://192.0.2.8:81/x"}, HTTPSeeds: []string{"http://192.0.2.9/y"}}
	if hosts := shoal.FromTorrent(meta).Hosts(); !slices.Equal(hosts, []string{"192.0.2.8:81", "192.0.2.9:0"}) {
		t.Errorf("of a .torrent: %v", hosts)
	}
}

// A page's link leads to the node behind it: its .torrent, its tracker, its port.
func TestSourceFromAPage(t *testing.T) {
	dir, _ := album(t)
	c, shared := share(t, shoal.CreateOptions{}, dir)
	n := node.New(c, node.Config{})
	n.Add(shared)
	server := httptest.NewServer(n)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	src, err := shoal.Link(server.URL + "/#" + shared.Key().String()).Fetch(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	m := src.Magnet()
	if src.Torrent() == nil || !src.Page() || !slices.Equal(m.Peers, []string{c.PeerAddr()}) || src.String() != "album" ||
		!slices.Equal(m.Trackers, []string{"ws://" + host + "/announce", "http://" + host + "/announce"}) {
		t.Errorf("%+v", m)
	}
	got := get(t, nil, src, shoal.AddOptions{}) // no peer is given: the page names one
	if err := got.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	// A node that does not have it may still track it.
	src, err = shoal.Link(server.URL + "/#" + hex40).Fetch(deadline(t))
	if m := src.Magnet(); err != nil || src.Torrent() != nil || m.Key().String() != hex40 || len(m.Trackers) != 2 {
		t.Errorf("%+v, %v", src, err)
	}
	// By all of its hashes; one that only begins alike is another.
	v2 := shared.Info().HashV2.String()
	src, err = shoal.Link(server.URL + "/#" + v2).Fetch(deadline(t))
	if err != nil || src.Torrent() == nil || src.String() != "album" {
		t.Errorf("by the v2 hash: %v, %v", src, err)
	}
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(shared.Metainfo().Marshal()) }))
	defer liar.Close()
	for _, hash := range []string{hex40, v2[:40] + hex64[:24]} {
		if _, err := shoal.Link(liar.URL + "/#" + hash).Fetch(deadline(t)); err == nil || !strings.Contains(err.Error(), "another torrent than the link names") {
			t.Errorf("a node that gives another torrent than %s: %v", hash, err)
		}
	}
}
