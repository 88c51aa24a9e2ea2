//go:build unix

package test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// A page that wants nothing of a torrent at first, as one that lists files for its visitor to
// choose from, gets what is chosen later: though nobody had a use for the connection until then.
func TestAFileChosenLaterArrives(t *testing.T) {
	file := filepath.Join(t.TempDir(), "later.bin")
	sum := rig.Payload(t, file, 2<<20, 77)
	page := rig.Share(t, file)
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	tab := rig.OpenTabWith(b, page, fmt.Sprintf("{ trackers: ['ws://%s/announce'] }", page.HTTP))
	tab.Eval(time.Minute, `(async () => {
	  window.torrent = await shoal.add('`+page.InfoHash+`', { deselect: true });
	  await torrent.ready;
	  await new Promise((resolve) => setTimeout(resolve, 8000));
	})()`, nil)
	var have int
	tab.Eval(time.Minute, "torrent.stats.have", &have)
	if have != 0 {
		t.Fatalf("%d pieces came though nothing is wanted", have)
	}
	var got string
	tab.Eval(2*time.Minute, `(async () => {
	  const done = new Promise((resolve) => torrent.on('done', resolve));
	  await torrent.files[0].select();
	  await done;
	  const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', await torrent.files[0].arrayBuffer()));
	  return [...sum].map((b) => b.toString(16).padStart(2, '0')).join('');
	})()`, &got)
	if got != sum {
		t.Fatalf("the file is %s, not %s", got, sum)
	}
}
