//go:build unix

package test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// watchful has the page know its workers and peer connections. It is an argument of
// Shoal.create, with the engine shared among tabs as pages have it.
const watchful = `(() => {
  window.workers = [];
  window.connections = [];
  window.Worker = class extends Worker { constructor(...args) { super(...args); workers.push(this); } };
  window.RTCPeerConnection = class extends RTCPeerConnection { constructor(...args) { super(...args); connections.push(this); } };
  window.open = () => connections.filter((pc) => pc.signalingState !== 'closed').length;
  return { shareEngine: true };
})()`

// A tab whose engine crashes goes on with the next, from what it had, in the middle of a
// file that is being read.
func TestATabGoesOnAfterItsEngineHasCrashed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 40<<20, 61)
	n := rig.Share(t, file)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	tab := rig.OpenTabWith(b, n, watchful)
	tab.Throttle(8 << 20)
	tab.Eval(10*time.Second, "shoal.on('restart', (e) => { window.restarted = e.message; })", nil)
	tab.Add(n.Link)
	tab.WaitFor(60*time.Second, "torrent.files.length > 0")
	tab.Eval(10*time.Second, "void (window.reading = torrent.files[0].blob().then((b) => b.arrayBuffer()).then((b) => crypto.subtle.digest('SHA-256', b)).then(hex))", nil)
	tab.WaitFor(60*time.Second, "torrent.stats.progress > 0.4")
	tab.Eval(10*time.Second, "window.old = [...connections]; window.had = torrent.stats.have; workers[0].dispatchEvent(new ErrorEvent('error', { message: 'out of memory' }))", nil)
	tab.WaitFor(10*time.Second, "restarted === 'out of memory' && workers.length === 2")
	tab.WaitFor(10*time.Second, "old.every((pc) => pc.signalingState === 'closed')")
	tab.WaitFor(20*time.Second, "torrent.stats.have >= had")
	tab.WaitDone(90 * time.Second)
	var r struct {
		Sum        string
		Downloaded int64
	}
	tab.Eval(60*time.Second, "reading.then((sum) => ({ sum, downloaded: torrent.stats.downloaded }))", &r)
	rig.SameSums(t, file, map[string]string{"one.bin": r.Sum})
	if r.Downloaded > 30<<20 {
		t.Errorf("the second engine fetched %d MB of 40, though 16 were there", r.Downloaded>>20)
	}
}

// A page that closes its client leaves nothing open, and what was verified is there for
// the next one.
func TestDestroyLeavesNothingBehind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 24<<20, 62)
	n := rig.Share(t, file)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	tab := rig.OpenTabWith(b, n, watchful)
	tab.Throttle(6 << 20)
	tab.Add(n.Link)
	tab.WaitFor(60*time.Second, "torrent.stats.progress > 0.3")
	tab.Eval(10*time.Second, "void (window.reading = torrent.files[0].blob().catch((e) => e.message))", nil)
	tab.Eval(10*time.Second, "shoal.destroy()", nil)
	tab.WaitFor(5*time.Second, "open() === 0 && shoal.torrents.length === 0")
	var said string
	tab.Eval(10*time.Second, "reading", &said)
	if said != "Shoal was closed." {
		t.Errorf("a stream of a closed client: %q", said)
	}
	tab.Eval(10*time.Second, "shoal.add("+`"`+n.InfoHash+`"`+").then(() => 'added', (e) => e.message)", &said)
	if said != "Shoal was closed." {
		t.Errorf("a closed client: %q", said)
	}
	// Another one, at once, finds all that was verified.
	var had int
	tab.Eval(10*time.Second, "torrent.stats.have", &had)
	tab.Eval(60*time.Second, `(async () => {
	  const { Shoal } = await import('/shoal.js');
	  window.again = await (await Shoal.create()).add(torrent.id); // without a tracker it meets nobody
	})()`, nil)
	tab.WaitFor(10*time.Second, "again.stats.have > 0")
	var has int
	tab.Eval(10*time.Second, "again.stats.have", &has)
	if has < had {
		t.Errorf("%d pieces were there, %d are", had, has)
	}
}

// Of what a page had when it was closed in mid-write, nothing that was verified is fetched again.
func TestAReloadLosesNothingThatWasVerified(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 24<<20, 63)
	n := rig.Share(t, file, "--v1")
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	tab := rig.OpenTab(b, n)
	tab.Throttle(6 << 20)
	tab.Add(n.Link)
	tab.WaitFor(60*time.Second, "torrent.stats.progress > 0.3")
	var had int
	tab.Eval(10*time.Second, "torrent.stats.have", &had)
	tab.Close() // its worker ends wherever it is

	// The next page reaches nobody, so what it has was there.
	next := rig.OpenTabWith(b, n, "(() => { window.RTCPeerConnection = class { constructor() { throw new Error('not here'); } }; return {}; })()")
	next.Add(n.Link)
	next.WaitFor(10*time.Second, "torrent.stats.have > 0")
	var has int
	next.Eval(10*time.Second, "torrent.stats.have", &has)
	if has < had {
		t.Errorf("%d pieces were verified, %d are left", had, has)
	}
}
