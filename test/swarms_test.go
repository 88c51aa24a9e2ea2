//go:build unix

package test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/test/rig"
)

// A tab that shares a second swarm with a peer that it has met needs no second connection,
// and nobody else to tell it of the peer.
func TestTwoSwarmsOnOneConnection(t *testing.T) {
	dir := t.TempDir()
	var files []string
	var metas []*metainfo.Torrent
	for k, name := range []string{"first.bin", "second.bin"} {
		files = append(files, filepath.Join(dir, name))
		rig.Payload(t, files[k], 6_000_000, uint64(58+k))
		meta, err := shoal.Create(t.Context(), files[k:k+1], shoal.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		metas = append(metas, meta)
	}
	// Another torrent: it only serves the page, its tracker, and the bytes that a tab seeds.
	page := rig.Share(t, dir)
	tracker := "ws://" + page.HTTP + "/announce"
	peers := map[string]func(t *testing.T){
		"a tab": func(t *testing.T) {
			tab := rig.OpenTab(rig.StartBrowser(t, rig.BrowserConfig{}), page)
			for k, path := range files {
				name := filepath.Base(path)
				if _, hash := tab.Seed(page.StreamURL(name), name); hash != metas[k].Info.HashV1.String() {
					t.Fatalf("a tab makes another torrent of %s", name)
				}
			}
		},
		"a process": func(t *testing.T) {
			client, err := shoal.New(shoal.Config{PeerListen: "127.0.0.1:0", Local: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			for _, meta := range metas {
				o := shoal.AddOptions{Dir: dir, Seed: true, Trackers: []string{tracker}}
				if _, err := client.Add(t.Context(), shoal.FromTorrent(meta), o); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
	for name, start := range peers {
		t.Run(name, func(t *testing.T) {
			start(t)
			tab := rig.OpenTabWith(rig.StartBrowser(t, rig.BrowserConfig{}), page, "{ trackers: [] }")
			tab.Throttle(2 << 20) // seeds of one swarm part, and the first must last until the other is there
			tab.Eval(time.Minute, `(() => {
			  window.connections = 0;
			  const plain = RTCPeerConnection;
			  window.RTCPeerConnection = class extends plain {
			    constructor(config) {
			      super(config);
			      this.addEventListener('connectionstatechange', () => { if (this.connectionState === 'connected') connections++; });
			    }
			  };
			})()`, nil)
			tab.Eval(time.Minute, "shoal.add('"+metas[0].Info.HashV1.String()+"', { trackers: ['"+tracker+"'] }).then((t) => { watch(t); })", nil)
			tab.WaitFor(time.Minute, "torrent.stats.progress > 0")
			tab.AddTorrent(metas[1].Marshal())
			tab.WaitDone(90 * time.Second)
			tab.Same(files[1])
			var connections int
			if tab.Eval(time.Minute, "connections", &connections); connections != 1 {
				t.Errorf("%d connections carried two swarms of the same two peers", connections)
			}
		})
	}
}
