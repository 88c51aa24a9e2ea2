//go:build unix

package rig

import (
	"encoding/base64"
	"time"
)

// Tab is a page of a node's origin that uses the published API, shoal.js,
// without the app around it.
type Tab struct{ *Page }

// The page keeps what the tests ask for on window.
const tabSetup = `(async (options) => {
  const { Shoal } = await import('/shoal.js');
  const config = await (await fetch('/shoal/config.json')).json();
  const trackers = config.trackers.map((t) => t.startsWith('/') ? 'ws://' + location.host + t : t);
  window.shoal = await Shoal.create({ loopback: config.loopback, iceServers: config.iceServers, trackers, shareEngine: false, ...options });
  window.hex = (buffer) => [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, '0')).join('');
  window.watch = (torrent) => {
    window.torrent = torrent;
    window.started = performance.now();
    torrent.on('stats', (s) => { if (s.downloaded > 0) window.firstByte ??= performance.now(); });
    torrent.on('done', () => { window.finished ??= performance.now(); });
    torrent.on('error', (e) => { window.failed = String(e.message ?? e); });
    if (torrent.done) window.finished = performance.now();
    return torrent;
  };
  window.sums = async () => {
    const all = {};
    for (const f of torrent.files) all[f.path] = hex(await crypto.subtle.digest('SHA-256', await (await f.blob()).arrayBuffer()));
    return all;
  };
  return { version: shoal.version, storage: shoal.storage };
})`

// OpenTab opens a tab that runs the engine served by node. It stands for a visitor of its own, so
// it shares no engine with others unless it is told to.
func OpenTab(b *Browser, n *Node) Tab {
	b.t.Helper()
	return OpenTabWith(b, n, "{}")
}

// OpenTabWith is OpenTab with options of Shoal.create, in JavaScript, that come before the
// node's own.
func OpenTabWith(b *Browser, n *Node, options string) Tab {
	b.t.Helper()
	// A document of the node's origin that starts no app of its own.
	p := b.Open("http://" + n.HTTP + "/shoal/config.json")
	p.Eval(60*time.Second, tabSetup+"("+options+")", nil)
	return Tab{p}
}

// Add starts a download: a share link, magnet link, info hash or .torrent address.
func (t Tab) Add(source string) {
	t.b.t.Helper()
	t.Eval(30*time.Second, "shoal.add("+quote(source)+").then((t) => { watch(t); })", nil)
}

// AddTorrent starts the download of a .torrent.
func (t Tab) AddTorrent(torrent []byte) {
	t.b.t.Helper()
	encoded := base64.StdEncoding.EncodeToString(torrent)
	t.Eval(30*time.Second, "shoal.add(Uint8Array.from(atob("+quote(encoded)+"), (c) => c.charCodeAt(0))).then((t) => { watch(t); })", nil)
}

// Seed makes a torrent of a file that the page fetches from url, and seeds it.
func (t Tab) Seed(url, name string) (magnet, infoHash string) {
	t.b.t.Helper()
	var r struct{ Magnet, ID string }
	t.Eval(3*time.Minute, `(async () => {
	  const blob = await (await fetch(`+quote(url)+`)).blob();
	  const torrent = await shoal.seed([new File([blob], `+quote(name)+`)]);
	  await torrent.ready;
	  window.torrent = torrent;
	  return { magnet: torrent.magnet, id: torrent.id };
	})()`, &r)
	return r.Magnet, r.ID
}

// TabState is how far a tab is.
type TabState struct {
	Progress, Seconds, FirstByteSeconds float64
	Done                                bool
	Peers                               int
	Failed                              string
}

// State is how far the tab is.
func (t Tab) State() TabState {
	t.b.t.Helper()
	var s TabState
	t.Eval(30*time.Second, `({ progress: torrent.stats.progress, done: torrent.done, peers: torrent.stats.peers, failed: window.failed ?? '',
	  seconds: window.finished ? (finished - started) / 1000 : 0, firstByteSeconds: window.firstByte ? (firstByte - started) / 1000 : 0 })`, &s)
	return s
}

// WaitDone waits for the complete download.
func (t Tab) WaitDone(limit time.Duration) TabState {
	t.b.t.Helper()
	t.WaitFor(limit, "torrent.done || window.failed")
	s := t.State()
	if s.Failed != "" {
		t.b.t.Fatalf("the tab: %s", s.Failed)
	}
	return s
}

// Same fails unless the tab's files are those of want, a file or a folder.
func (t Tab) Same(want string) {
	t.b.t.Helper()
	var got map[string]string
	t.Eval(2*time.Minute, "sums()", &got)
	SameSums(t.b.t, want, got)
}
