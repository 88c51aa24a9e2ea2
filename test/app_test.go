//go:build unix

package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// playing is true once the page's video shows pictures and moves.
const playing = "document.querySelector('video')?.currentTime > 0"

func sound(t *testing.T, b *rig.Browser) {
	t.Helper()
	if bad := b.Broken(); len(bad) > 0 {
		t.Errorf("the pages broke:\n%s", strings.Join(bad, "\n"))
	}
}

// js writes a value as a JavaScript literal.
func js(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// What a person does with a link: open it and watch.
func TestLinkPlays(t *testing.T) {
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	for _, name := range []string{"sample.mp4", "sample-tail.mp4"} {
		t.Run(name, func(t *testing.T) {
			n := rig.Share(t, rig.Path("testdata", name))
			start := time.Now()
			p := b.With(t).Open(n.Link)
			defer p.Close()
			p.WaitFor(30*time.Second, playing)
			t.Logf("first frame after %v", time.Since(start))
			p.WaitFor(30*time.Second, "document.querySelector('video').currentTime > 1.5")
			// One that began before the engine was there has come from the node so far.
			p.WaitFor(30*time.Second, "document.querySelector('video').currentSrc.includes('/shoal-stream/')")
			var v struct {
				Duration, Width, Sound float64
				Src                    string
			}
			p.Eval(10*time.Second, `(() => { const v = document.querySelector('video'); return { duration: v.duration, width: v.videoWidth, sound: v.webkitAudioDecodedByteCount, src: v.currentSrc } })()`, &v)
			if v.Duration < 15 || v.Width != 640 || v.Sound == 0 {
				t.Errorf("%+v, want 15 s or more, 640 wide, with sound", v)
			}
			p.WaitFor(30*time.Second, "window.shoal.torrents[0].done")
			var stats struct{ Downloaded float64 }
			p.Eval(10*time.Second, "({ downloaded: window.shoal.torrents[0].stats.downloaded })", &stats)
			if stats.Downloaded < 1_500_000 {
				t.Errorf("%v bytes came from peers", stats.Downloaded)
			}
			sameRules(t, p, v.Src, n.StreamURL(name))
		})
	}
	sound(t, b)
}

// sameRules fails unless a tab's stream answers as the node's does. What is refused is
// left to the unit tests: a browser reports it as an error of the page.
func sameRules(t *testing.T, p *rig.Page, tab, node string) {
	t.Helper()
	for _, header := range [][]string{
		nil, {"Range", "bytes=5-104"}, {"Range", "bytes=-7"}, {"Range", "npt=10-20"}, {"Range", "Bytes=0-1"},
		{"Range", "bytes=1000-18446744073709551615"}, {"Range", "bytes=9-5"},
		{"Range", "bytes=0-9", "If-Range", `"another"`}, {"If-None-Match", `"another"`}, {"If-None-Match", "*"},
	} {
		headers := map[string]string{}
		for i := 0; i < len(header); i += 2 {
			headers[header[i]] = header[i+1]
		}
		asJSON, err := json.Marshal(headers)
		if err != nil {
			t.Fatal(err)
		}
		res, body := request(t, "GET", node, header...)
		want := fmt.Sprint(res.StatusCode)
		if res.StatusCode < 300 {
			want = fmt.Sprintf("%d %s %s %d", res.StatusCode, res.Header.Get("Content-Range"), res.Header.Get("Content-Type"), len(body))
		}
		var got string
		p.Eval(30*time.Second, `fetch(`+js(tab)+`, { headers: `+string(asJSON)+` }).then(async (r) => {
			const body = await r.arrayBuffer();
			return r.ok ? [r.status, r.headers.get('Content-Range'), r.headers.get('Content-Type'), body.byteLength].join(' ') : String(r.status);
		})`, &got)
		if got != want {
			t.Errorf("%v: the tab answers %q, the node %q", header, got, want)
		}
	}
}

// A jump ahead asks for what is there, not for what is next.
func TestSeekBeforeComplete(t *testing.T) {
	film := rig.LongFilm(t, t.TempDir())
	n := rig.Share(t, film)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open("http://" + n.HTTP + "/")
	p.Throttle(1 << 20)
	p.Eval(10*time.Second, "location.hash = "+js(n.InfoHash), nil)
	p.WaitFor(60*time.Second, playing)
	start := time.Now()
	p.Eval(10*time.Second, "(() => { const v = document.querySelector('video'); v.currentTime = v.duration * 0.8 })()", nil)
	p.WaitFor(60*time.Second, "(() => { const v = document.querySelector('video'); return !v.seeking && v.currentTime > v.duration * 0.8 + 0.2 })()")
	var progress float64
	p.Eval(10*time.Second, "window.shoal.torrents[0].stats.progress", &progress)
	t.Logf("played on after %v, with %.0f %% of the film here", time.Since(start), progress*100)
	if progress >= 0.8 {
		t.Errorf("%.0f %% of the film had arrived; this shows nothing about jumping ahead", progress*100)
	}
	sound(t, b)
}

// A dropped file is seeded from the tab, and its link works elsewhere.
func TestDroppedFileIsShared(t *testing.T) {
	page := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	dir := t.TempDir()

	t.Run("dropped", func(t *testing.T) {
		p := b.With(t).Open("http://" + page.HTTP + "/")
		defer p.Close()
		p.WaitFor(20*time.Second, "document.querySelector('.drop')")
		const text = "what was dropped here"
		p.Eval(20*time.Second, `(() => {
		  const transfer = new DataTransfer();
		  transfer.items.add(new File([`+js(strings.Repeat(text+"\n", 50_000))+`], 'dropped.txt', { type: 'text/plain' }));
		  for (const type of ['dragenter', 'dragover', 'drop']) document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
		})()`, nil)
		link := shareLink(p)
		to := t.TempDir()
		rig.Got(t, rig.Get(t, link, to), 60*time.Second)
		got, err := os.ReadFile(filepath.Join(to, "dropped.txt"))
		if err != nil || string(got) != strings.Repeat(text+"\n", 50_000) {
			t.Errorf("the link gave %d bytes, %v", len(got), err)
		}
	})

	t.Run("chosen", func(t *testing.T) {
		file := filepath.Join(dir, "chosen file.bin")
		rig.Payload(t, file, 7<<20+3, 60)
		p := b.With(t).Open("http://" + page.HTTP + "/")
		defer p.Close()
		p.WaitFor(20*time.Second, "document.querySelector('#pick-files')")
		p.Files("#pick-files", file)
		link := shareLink(p)
		to := t.TempDir()
		rig.Got(t, rig.Get(t, link, to), 60*time.Second)
		rig.Same(t, file, filepath.Join(to, "chosen file.bin"))

		other := rig.StartBrowser(t, rig.BrowserConfig{}).Open(link)
		other.WaitFor(60*time.Second, "window.shoal?.torrents[0]?.done")
		saved := filepath.Join(dir, "saved.bin")
		other.Download("[data-download]", saved, 30*time.Second)
		rig.Same(t, file, saved)
	})
	sound(t, b)
}

// shareLink waits for the page's share link.
func shareLink(p *rig.Page) string {
	const field = `document.querySelector('input[aria-label="Share link"]')`
	p.WaitFor(60*time.Second, field+"?.value")
	var link string
	p.Eval(10*time.Second, field+".value", &link)
	return link
}

// The start page takes every form of a link.
func TestPastedLinks(t *testing.T) {
	tree := rig.PayloadTree(t, t.TempDir(), "tree", 61)
	n := rig.Share(t, tree)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	for name, text := range map[string]string{"link": n.Link, "magnet": n.Magnet, "hash": n.InfoHash, "v2 hash": n.InfoHashV2, "page and v2 hash": "http://" + n.HTTP + "/#" + n.InfoHashV2, "torrent address": n.TorrentURL} {
		t.Run(name, func(t *testing.T) {
			p := b.With(t).Open("http://" + n.HTTP + "/")
			defer p.Close()
			p.WaitFor(20*time.Second, "document.querySelector('#link-input')")
			p.Fill("#link-input", text)
			p.Press("Enter")
			p.WaitFor(60*time.Second, "document.body.innerText.includes('part one.bin') && document.querySelectorAll('.file').length === 6")
		})
	}
	t.Run("selection", func(t *testing.T) {
		p := b.With(t).Open("http://" + n.HTTP + "/#" + n.Magnet + "&so=0")
		defer p.Close()
		p.WaitFor(60*time.Second, "window.shoal?.torrents[0]?.done")
		p.WaitFor(10*time.Second, "shoal.torrents[0].files[0].done && !shoal.torrents[0].files.every((f) => f.done)")
	})
	t.Run("torrent file", func(t *testing.T) {
		p := b.With(t).Open("http://" + n.HTTP + "/")
		defer p.Close()
		p.WaitFor(20*time.Second, "document.querySelector('#link-input')")
		p.Files("input[accept*=torrent]", n.Torrent())
		p.WaitFor(60*time.Second, "document.querySelectorAll('.file').length === 6")
	})
	t.Run("nonsense", func(t *testing.T) {
		p := b.With(t).Open("http://" + n.HTTP + "/")
		defer p.Close()
		p.WaitFor(20*time.Second, "document.querySelector('#link-input')")
		p.Fill("#link-input", "not a link at all")
		p.Press("Enter")
		p.WaitFor(10*time.Second, "[...document.querySelectorAll('[role=alert]')].some((e) => e.innerText.length > 10)")
		p.Goto("http://" + n.HTTP + "/#abc")
		p.WaitFor(10*time.Second, "[...document.querySelectorAll('[role=alert]')].some((e) => e.innerText.length > 10)")
	})
	sound(t, b)
}

// Pictures, sound and text are shown in place.
func TestViewers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mixed")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-f", "lavfi", "-i", "testsrc2=size=320x240", "-frames:v", "1", filepath.Join(dir, "picture.png")},
		{"-f", "lavfi", "-i", "sine=frequency=440:duration=3", filepath.Join(dir, "tone.mp3")},
	} {
		if out, err := exec.Command("ffmpeg", append([]string{"-hide_banner", "-loglevel", "error", "-y"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg: %v %s", err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "words.txt"), []byte("some words in a file\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n := rig.Share(t, dir)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(n.Link)
	p.WaitFor(60*time.Second, "document.querySelectorAll('.file').length === 3")
	show := func(name string) {
		t.Helper()
		p.Eval(10*time.Second, `[...document.querySelectorAll('.file-open')].find((e) => e.innerText.includes(`+js(name)+`)).click()`, nil)
	}
	show("picture")
	p.WaitFor(30*time.Second, "document.querySelector('.stage img')?.naturalWidth === 320")
	show("words")
	p.WaitFor(30*time.Second, "document.querySelector('.stage pre')?.textContent.includes('some words in a file')")
	show("tone")
	p.WaitFor(30*time.Second, "document.querySelector('.stage audio')?.currentTime > 0.2")
	sound(t, b)
}

func TestPageOnAPhoneAndInTheDark(t *testing.T) {
	n := rig.Share(t, rig.Path("testdata", "sample.mp4"))
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open("http://" + n.HTTP + "/")
	p.WaitFor(20*time.Second, "document.querySelector('#link-input')")
	p.Viewport(390, 844)
	const fits = "document.documentElement.scrollWidth <= innerWidth"
	p.WaitFor(5*time.Second, fits)
	var light, dark string
	p.Eval(10*time.Second, "getComputedStyle(document.body).backgroundColor", &light)
	p.Dark()
	p.Eval(10*time.Second, "getComputedStyle(document.body).backgroundColor", &dark)
	if light == dark {
		t.Errorf("the page is %s in the light and in the dark", light)
	}
	// By keyboard alone: to the link field, and to the film.
	for i := 0; ; i++ {
		var id string
		p.Press("Tab")
		p.Eval(10*time.Second, "document.activeElement?.id ?? ''", &id)
		if id == "link-input" {
			break
		}
		if i > 30 {
			t.Fatal("Tab does not reach the link field")
		}
	}
	p.Fill("#link-input", n.InfoHash)
	p.Press("Enter")
	p.WaitFor(60*time.Second, playing)
	p.WaitFor(5*time.Second, fits)
	sound(t, b)
}

// Over plain http from another address browsers withhold service workers,
// OPFS and WebCrypto: the page plays all the same, and says what https adds.
func TestPlainHTTP(t *testing.T) {
	host := rig.HostAddress(t)
	n := rig.ShareOn(t, rig.Path("testdata", "sample.mp4"), "--listen", host+":0", "--peer-listen", host+":0", "--no-dht", "--no-lsd", "--json")
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(n.Link)
	p.WaitFor(60*time.Second, playing)
	var s struct {
		Secure       bool
		Src, Storage string
		Text         string
	}
	p.Eval(10*time.Second, "({ secure: isSecureContext, src: document.querySelector('video').currentSrc, storage: window.shoal?.storage ?? '', text: document.body.innerText })", &s)
	if s.Secure {
		t.Fatalf("%s counts as a secure context, so this shows nothing", n.Link)
	}
	if !strings.Contains(s.Src, "/stream/"+n.InfoHash) || s.Storage != "memory" {
		t.Errorf("plays from %s, keeps pieces in %q", s.Src, s.Storage)
	}
	if !strings.Contains(strings.ToLower(s.Text), "https") {
		t.Error("the page does not say what https would add")
	}
	// What came that way is not counted as if peers had brought it.
	p.WaitFor(60*time.Second, "[...document.querySelectorAll('.stats div')].some((e) => !e.hidden && e.innerText.startsWith('Over HTTP'))")
	p.WaitFor(60*time.Second, "window.shoal.torrents[0].done")
	saved := filepath.Join(t.TempDir(), "saved.mp4")
	p.Download("[data-download]", saved, 30*time.Second)
	rig.Same(t, rig.Path("testdata", "sample.mp4"), saved)
	sound(t, b)
}
