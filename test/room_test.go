//go:build unix

package test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// readAll has the page read the only file as a stream, which a player does, and returns its sum.
func readAll(t *testing.T, tab rig.Tab) map[string]string {
	t.Helper()
	var sum string
	tab.Eval(2*time.Minute, "torrent.files[0].blob().then((b) => b.arrayBuffer()).then((b) => crypto.subtle.digest('SHA-256', b)).then(hex)", &sum)
	return map[string]string{"one.bin": sum}
}

// Where the disk is full, what is read goes on, and says so; with room, all of it is kept.
func TestATabWhoseStorageIsFull(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 100<<20, 71)
	n := rig.Share(t, file)
	tab := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), n)
	tab.Quota(24 << 20)
	tab.Add(n.Link)
	tab.WaitFor(60*time.Second, "torrent.storage?.full")
	tab.WaitFor(5*time.Second, "torrent.storage.message.includes('no space left') && torrent.storage.kind === 'opfs'")
	rig.SameSums(t, file, readAll(t, tab))
	var s struct {
		Done   bool
		Failed string
		State  string
	}
	tab.Eval(10*time.Second, "({ done: torrent.done, failed: window.failed ?? '', state: torrent.stats.state })", &s)
	if s.Done || s.Failed != "" || s.State != "downloading" {
		t.Errorf("a torrent without room: %+v", s)
	}
	var why string
	tab.Eval(10*time.Second, "torrent.retry().then(() => '', (e) => e.message)", &why)
	if !strings.Contains(why, "no space left") {
		t.Errorf("a second try without more room: %q", why)
	}
	tab.Quota(1 << 30)
	tab.Eval(10*time.Second, "torrent.retry()", nil)
	tab.WaitFor(10*time.Second, "!torrent.storage.full")
	tab.WaitDone(90 * time.Second)
	tab.Same(file)
}

// Without a disk a tab keeps what fits, and only what is read of what does not.
func TestATabThatKeepsThingsInMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 100<<20, 72)
	n := rig.Share(t, file)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	tab := rig.OpenTabWith(b, n, "{ storage: 'memory', maxMemory: 48 * 2 ** 20 }")
	tab.Add(n.Link)
	tab.WaitFor(60*time.Second, "torrent.storage?.full")
	tab.WaitFor(5*time.Second, "torrent.storage.message.includes('larger than the 48 MB') && torrent.storage.kind === 'memory'")
	rig.SameSums(t, file, readAll(t, tab))
	var have int64
	tab.Eval(10*time.Second, "torrent.files[0].have", &have)
	if have > 70<<20 {
		t.Errorf("%d MB are held, though 64 may be", have>>20)
	}
	small := filepath.Join(t.TempDir(), "small.bin")
	rig.Payload(t, small, 20<<20, 73)
	m := rig.Share(t, small)
	other := rig.OpenTabWith(b, m, "{ storage: 'memory', maxMemory: 48 * 2 ** 20 }")
	other.Add(m.Link)
	other.WaitDone(90 * time.Second)
	other.WaitFor(5*time.Second, "torrent.storage.kind === 'memory' && !torrent.storage.full")
	other.Same(small)
}

// Two engines cannot keep one torrent in one place: the second says where it has it.
func TestASecondEngineSaysWhereItKeepsATorrent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 5<<20, 74)
	n := rig.Share(t, file)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	first, second := rig.OpenTab(b, n), rig.OpenTab(b, n)
	first.Add(n.Link)
	first.WaitFor(60*time.Second, "torrent.storage?.kind === 'opfs'")
	second.Add(n.Link)
	second.WaitFor(60*time.Second, "torrent.storage?.kind === 'memory'")
	second.WaitDone(60 * time.Second)
}

// What is kept is listed and can be removed, but not what is open.
func TestWhatIsKeptIsListed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.bin")
	rig.Payload(t, file, 16<<20, 75)
	n := rig.Share(t, file)
	tab := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), n)
	tab.Add(n.Link)
	tab.WaitDone(60 * time.Second)
	want := func(wanted string) {
		t.Helper()
		var got string
		tab.Eval(10*time.Second, "shoal.kept().then((l) => l.map((k) => k.name + (k.open ? ' open ' : ' ') + (k.stored >> 20)).join())", &got)
		if got != wanted {
			t.Errorf("kept is %q, not %q", got, wanted)
		}
	}
	want("a.bin open 16")
	var why string
	tab.Eval(10*time.Second, "shoal.forget(torrent.id).then(() => '', (e) => e.message)", &why)
	if !strings.Contains(why, "open in this tab") {
		t.Errorf("what is open was forgotten: %q", why)
	}
	tab.Eval(10*time.Second, "torrent.remove()", nil)
	want("a.bin 16")
	tab.Eval(10*time.Second, "shoal.forget(torrent.id)", nil)
	want("")
}

// Where the disk is full, what was not used for the longest time makes room for what is
// wanted now, but nothing that is open does.
func TestWhatWasUsedLongestAgoMakesRoom(t *testing.T) {
	var files []string
	var nodes []*rig.Node
	for k, name := range []string{"a.bin", "b.bin", "c.bin", "d.bin"} {
		files = append(files, filepath.Join(t.TempDir(), name))
		rig.Payload(t, files[k], 16<<20, uint64(80+k))
		nodes = append(nodes, rig.Share(t, files[k]))
	}
	tab := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), nodes[0])
	tab.Quota(40 << 20)
	kept := func(want string) {
		t.Helper()
		var got string
		tab.Eval(10*time.Second, "shoal.kept().then((l) => l.map((k) => k.name).sort().join())", &got)
		if got != want {
			t.Errorf("kept is %q, not %q", got, want)
		}
	}
	get := func(k int) {
		t.Helper()
		tab.Add(nodes[k].Link)
		tab.WaitDone(60 * time.Second)
		tab.Same(files[k])
	}
	leave := func() { tab.Eval(10*time.Second, "torrent.remove()", nil) }
	get(0)
	leave()
	get(1)
	leave()
	get(0) // used again
	leave()
	get(2)
	kept("a.bin,c.bin")
	get(3) // beside c.bin, which is open
	kept("c.bin,d.bin")
	tab.Add(nodes[1].Link) // there is nothing left that may go
	tab.WaitFor(60*time.Second, "torrent.storage?.full")
	kept("b.bin,c.bin,d.bin")
}

// Who comes back in the middle of a download has what was there before, and only what was on
// its way is fetched twice.
func TestADownloadGoesOnAfterTheTabWasClosed(t *testing.T) {
	const size = 96 << 20
	file := filepath.Join(t.TempDir(), "film.bin")
	rig.Payload(t, file, size, 90)
	n := rig.Share(t, file)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	tab := rig.OpenTab(b, n)
	tab.Add(n.Link)
	tab.WaitFor(90*time.Second, "torrent.stats.progress > 0.3")
	var there, piece int64
	tab.Eval(10*time.Second, "torrent.files[0].have", &there)
	tab.Eval(10*time.Second, "torrent.pieceLength", &piece)
	tab.Close()
	tab = rig.OpenTab(b, n)
	tab.Add(n.Link)
	tab.WaitDone(90 * time.Second)
	tab.Same(file)
	var fetched int64
	tab.Eval(10*time.Second, "torrent.stats.downloaded", &fetched)
	if most := size - there + 16*piece; fetched > most {
		t.Errorf("%d MB were fetched though %d of %d were there", fetched>>20, there>>20, size>>20)
	}
}

// What lies in the browser may be damaged between two visits: no wrong byte comes of it.
func TestWhatIsKeptMayBeDamaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "film.bin")
	rig.Payload(t, file, 12<<20, 91)
	n := rig.Share(t, file)
	tab := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), n)
	damage := func(how string) {
		t.Helper()
		tab.Add(n.Link)
		tab.WaitDone(60 * time.Second)
		tab.Same(file)
		tab.Eval(10*time.Second, "torrent.remove()", nil)
		tab.Eval(10*time.Second, `(async () => {
		  const dir = await (await navigator.storage.getDirectory()).getDirectoryHandle('shoal');
		  const kept = await dir.getDirectoryHandle(torrent.id);
		  const w = await (await kept.getFileHandle('0')).createWritable({ keepExistingData: true });
		  `+how+`;
		  await w.close();
		})()`, nil)
		tab.Add(n.Link)
		tab.WaitFor(30*time.Second, "torrent.files.length")
	}
	damage("await w.truncate(3_000_000)") // cut off: fetched again
	tab.WaitDone(60 * time.Second)
	tab.Same(file)
	tab.Eval(10*time.Second, "torrent.remove()", nil)
	damage("await w.write({ type: 'write', position: 5_000_000, data: new Uint8Array(70_000) })")
	// Of what is damaged no byte is given out: it is fetched again, all of it at once.
	var sum string
	tab.Eval(60*time.Second, `(async () => {
	  return hex(await crypto.subtle.digest('SHA-256', await torrent.files[0].arrayBuffer()));
	})()`, &sum)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(whole); sum != hex.EncodeToString(want[:]) {
		t.Errorf("a damaged film is %s, not %x", sum, want)
	}
}

// Files that are shared are read where they lie: nothing of them is copied into the browser.
// They give the torrent that the command makes of them.
func TestSharedFilesAreNotCopied(t *testing.T) {
	file := filepath.Join(t.TempDir(), "film.bin")
	rig.Payload(t, file, 80<<20+12345, 92)
	n := rig.Share(t, file)
	tab := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), n)
	tab.Eval(10*time.Second, "void (document.body ?? document.documentElement).append(Object.assign(document.createElement('input'), { type: 'file', id: 'file' }))", nil)
	tab.Files("#file", file)
	var r struct {
		ID           string
		Used, Events int64
		Ended        string
	}
	tab.Eval(90*time.Second, `(async () => {
	  const files = document.getElementById('file').files;
	  let events = 0;
	  shoal.on('hashing', () => { events++; });
	  const abort = new AbortController();
	  const first = shoal.seed(files, { signal: abort.signal });
	  shoal.on('hashing', () => abort.abort());
	  const ended = await first.then(() => '', (e) => e.message);
	  const torrent = await shoal.seed(files);
	  await torrent.ready;
	  return { id: torrent.id, used: (await navigator.storage.estimate()).usage, events, ended };
	})()`, &r)
	if r.ID != n.InfoHash || r.Events < 3 {
		t.Errorf("%+v, but the command makes %s", r, n.InfoHash)
	}
	if r.Ended == "" {
		t.Error("the reading went on though it was ended")
	}
	if r.Used > 1<<20 {
		t.Errorf("%d bytes of the browser's storage are taken", r.Used)
	}
}
