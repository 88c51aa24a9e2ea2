package test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// What a tab takes must not grow with what has gone through it: what it downloads is on
// the disk.
func TestATabsMemoryStaysFlat(t *testing.T) {
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 320<<20, 56)
	n := rig.Share(t, file, "--v1")
	b := rig.StartBrowser(t, rig.BrowserConfig{})
	tab := rig.OpenTab(b, n)
	tab.Add(n.Link)
	tab.WaitFor(90*time.Second, "torrent.stats.progress > 0.15")
	early, most := b.RendererMemory(), int64(0)
	for !tab.State().Done {
		most = max(most, b.RendererMemory())
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%d MB at first, then %d MB at most", early>>20, most>>20)
	// Buffers on their way and the collector's rhythm take some; a copy of what comes
	// would take 270 MB.
	if most > early+90<<20 {
		t.Errorf("the tab takes %d MB at first and %d MB later", early>>20, most>>20)
	}
}
