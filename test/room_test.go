//go:build unix

package test

import (
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
	first, second := rig.OpenTab(b, n), rig.OpenTabWith(b, n, "{ shareEngine: false }")
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
