//go:build unix

package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// page puts a page with a player of these attributes into the site.
func (s *site) page(t *testing.T, name, players string) string {
	t.Helper()
	html := `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Player</title>
<script type="importmap">{ "imports": { "shoal": "./shoal.js", "shoal/player": "./shoal-player.js" } }</script>
<body style="margin: 0">` + players + `<script type="module">
import { sharedShoal } from "shoal/player";
window.player = document.querySelector("shoal-player");
window.part = (name) => player.shadowRoot.querySelector("[part=" + name + "]");
window.says = () => part("message").textContent;
window.sharedShoal = sharedShoal;
</script>`
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(html), 0o644); err != nil {
		t.Fatal(err)
	}
	return s.url + "/" + name
}

// A player plays while the film arrives, shows which parts of it are there, and is steered
// by keys and buttons that say what they are.
func TestPlayerWhileTheFilmArrives(t *testing.T) {
	s := newSite(t)
	film := rig.LongFilm(t, s.dir)
	if err := os.WriteFile(filepath.Join(s.dir, "long.en.srt"), []byte("1\n00:00:00,000 --> 00:01:00,000\nHello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(s.dir, "film")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{film, filepath.Join(s.dir, "long.en.srt")} {
		if err := os.Rename(name, filepath.Join(folder, filepath.Base(name))); err != nil {
			t.Fatal(err)
		}
	}
	n := rig.Share(t, folder, "--limit-up", "700K")
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	p := b.With(t).Open(s.page(t, "player.html", `<shoal-player src="`+n.Magnet+`" muted preload="auto"></shoal-player><shoal-player src="`+n.InfoHash+`"></shoal-player>`))
	p.WaitFor(60*time.Second, "window.player?.torrent && part('start').offsetHeight > 0")
	p.Click("shoal-player [part=start]")
	p.WaitFor(60*time.Second, "player.currentTime > 0 && part('cover').innerText === ''")

	// Parts that are there: what plays, and, after a jump, what lies behind it.
	p.Eval(10*time.Second, "player.currentTime = 100", nil)
	p.WaitFor(60*time.Second, "player.currentTime > 100")
	p.WaitFor(30*time.Second, "player.currentFile.parts().then((parts) => parts.length > 1 && parts.every(({ start, end }) => end > start) && parts.reduce((sum, { start, end }) => sum + end - start, 0) < player.currentFile.length)")
	p.WaitFor(10*time.Second, `(() => {
	  const canvas = part('parts');
	  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, 1);
	  let edges = 0;
	  for (let x = 1; x < canvas.width; x++) if (!data[4 * x + 3] !== !data[4 * x - 1]) edges++;
	  return edges >= 2;
	})()`)

	// Subtitles come when they are chosen.
	p.WaitFor(10*time.Second, "part('subtitles').options[1]?.text === 'English'")
	p.Eval(10*time.Second, "part('subtitles').value = '0', part('subtitles').dispatchEvent(new Event('change'))", nil)
	p.WaitFor(30*time.Second, "player.media.textTracks[0]?.cues?.[0]?.text === 'Hello'")

	// Keys, and what a screen reader reads.
	p.Eval(10*time.Second, "part('play').focus()", nil)
	p.Press("k")
	p.WaitFor(10*time.Second, "player.paused && part('play').ariaLabel === 'Play'")
	p.Eval(10*time.Second, "player.currentTime = 50", nil)
	p.Press("ArrowRight")
	p.WaitFor(10*time.Second, "player.currentTime === 55 && part('seek').getAttribute('aria-valuetext') === '0:55 of 2:00'")
	p.Press("m")
	p.WaitFor(10*time.Second, "!player.muted && part('mute').ariaLabel === 'Mute'")
	p.WaitFor(10*time.Second, "[...player.shadowRoot.querySelectorAll('button, input, select')].every((e) => e.ariaLabel || e.textContent)")
	p.WaitFor(10*time.Second, `/^1 peer · 100% from peers$/.test(part('swarm').textContent)`)

	// One engine for all of the page, and what is turned off is off.
	p.WaitFor(10*time.Second, "part('upload').ariaChecked === 'true'")
	p.Click("shoal-player [part=upload]")
	p.WaitFor(10*time.Second, "part('upload').ariaChecked === 'false'")
	p.Eval(10*time.Second, "document.querySelectorAll('shoal-player')[1].play()", nil)
	p.WaitFor(30*time.Second, "document.querySelectorAll('shoal-player')[1].torrent?.id === player.torrent.id && player.shoal.torrents.length === 1")

	// The torrent goes with the last player that has it.
	p.Eval(10*time.Second, "window.client = player.shoal, player.remove()", nil)
	time.Sleep(300 * time.Millisecond)
	p.WaitFor(10*time.Second, "client.torrents.length === 1")
	p.Eval(10*time.Second, "document.querySelector('shoal-player').remove()", nil)
	p.WaitFor(10*time.Second, "client.torrents.length === 0")
	sound(t, b)
}

// What cannot be played is said, with a way on where there is one.
func TestPlayerSaysWhatIsWrong(t *testing.T) {
	s := newSite(t)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	open := func(name, attributes string) *rig.Page {
		p := b.With(t).Open(s.page(t, name, "<shoal-player "+attributes+"></shoal-player>"))
		p.WaitFor(30*time.Second, "window.player")
		return p
	}
	const retry = "part('retry').offsetHeight > 0"

	p := open("nolink.html", `src="magnet:?dn=x" preload="auto"`)
	p.WaitFor(30*time.Second, "says().includes('names no torrent') && player.error.message === says()")
	p.Close()

	p = open("nobody.html", `src="magnet:?xt=urn:btih:`+nobody+`" autoplay muted trackers="`+strings.Replace(s.url, "http", "ws", 1)+`/announce"`)
	p.WaitFor(30*time.Second, "says() === 'Looking for someone who has this…'")
	p.WaitFor(60*time.Second, "says().startsWith('Nobody who has this can be reached') && "+retry)
	p.Close()

	if err := os.Mkdir(filepath.Join(s.dir, "odd"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"odd.mp4": "no film at all, but long enough to be looked at\n", "a.txt": "text\n"} {
		if err := os.WriteFile(filepath.Join(s.dir, "odd", name), []byte(strings.Repeat(text, 1000)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n := s.torrent(t, "odd", "odd.torrent")
	p = open("odd.html", `src="odd.torrent" preload="auto"`)
	p.WaitFor(60*time.Second, "says() === 'This browser cannot play this kind of file.' && !("+retry+")")
	p.Eval(10*time.Second, "player.setAttribute('file', 'other.mp4')", nil)
	p.WaitFor(60*time.Second, "says() === 'This torrent has no such file.'")
	p.Close()

	// It goes on once there is somebody, by hand.
	n.Kill()
	p = open("later.html", `src="later.torrent" autoplay muted`)
	p.WaitFor(60*time.Second, "player.error && "+retry)
	s.film(t, "later.mp4")
	s.torrent(t, "later.mp4", "later.torrent")
	p.Click("shoal-player [part=retry]")
	p.WaitFor(60*time.Second, plays)
	sound(t, b)
}
