//go:build unix

package test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

var formats = []string{"v1", "v2", "hybrid"}

// payloads makes what the transfers carry: one file and one folder.
func payloads(t *testing.T, dir string, seed uint64) map[string]string {
	t.Helper()
	file := filepath.Join(dir, "one file.bin")
	rig.Payload(t, file, 12<<20+4321, seed)
	return map[string]string{"file": file, "folder": rig.PayloadTree(t, dir, "tree", seed)}
}

func TestLibtorrentDownloadsFromShare(t *testing.T) {
	t.Parallel()
	for kind, path := range payloads(t, t.TempDir(), 10) {
		for _, format := range formats {
			t.Run(kind+" "+format, func(t *testing.T) {
				var args []string
				if format != "hybrid" {
					args = append(args, "--"+format)
				}
				n := rig.Share(t, path, args...)
				to := t.TempDir()
				rig.LibtorrentGet(t, n.Torrent(), to, "--connect", n.Peer).Event("done", 60*time.Second)
				rig.Same(t, path, filepath.Join(to, filepath.Base(path)))
			})
		}
	}
}

func TestGetFromLibtorrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for kind, path := range payloads(t, dir, 11) {
		for _, format := range formats {
			t.Run(kind+" "+format, func(t *testing.T) {
				torrent := filepath.Join(t.TempDir(), "x.torrent")
				rig.LibtorrentCreate(t, path, torrent, format)
				seed := rig.LibtorrentSeed(t, torrent, dir)
				to := t.TempDir()
				done := rig.Got(t, rig.Get(t, torrent, to, "--peer", seed.Addr, "--transport", "tcp"), 60*time.Second)
				rig.Same(t, path, filepath.Join(to, filepath.Base(path)))
				if done.Num("seconds") <= 0 || done.Num("bytes") < 9e6 {
					t.Errorf("done event: %v", done)
				}
			})
		}
	}
}

// A magnet link carries no metadata: it comes from the peer (BEP 9), for v2 with hash messages (BEP 52).
func TestMagnetAcrossClients(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree := rig.PayloadTree(t, dir, "tree", 12)
	for _, format := range formats {
		t.Run("get by magnet from libtorrent "+format, func(t *testing.T) {
			torrent := filepath.Join(t.TempDir(), "x.torrent")
			info := rig.LibtorrentCreate(t, tree, torrent, format)
			magnet := "magnet:?dn=tree"
			if info.HashV1 != "" {
				magnet += "&xt=urn:btih:" + info.HashV1
			}
			if info.HashV2 != "" {
				magnet += "&xt=urn:btmh:1220" + info.HashV2
			}
			seed := rig.LibtorrentSeed(t, torrent, dir)
			to := t.TempDir()
			rig.Got(t, rig.Get(t, magnet, to, "--peer", seed.Addr, "--transport", "tcp"), 60*time.Second)
			rig.Same(t, tree, filepath.Join(to, "tree"))
		})
		t.Run("libtorrent by magnet from share "+format, func(t *testing.T) {
			var args []string
			if format != "hybrid" {
				args = append(args, "--"+format)
			}
			n := rig.Share(t, tree, args...)
			to := t.TempDir()
			rig.LibtorrentGet(t, n.Magnet, to, "--connect", n.Peer).Event("done", 60*time.Second)
			rig.Same(t, tree, filepath.Join(to, "tree"))
		})
	}
}

// Nobody names a peer: the HTTP announces of the share's own tracker bring the two together.
func TestLibtorrentFindsShareByItsTracker(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 3_000_000, 13)
	n := rig.Share(t, file)
	to := t.TempDir()
	rig.LibtorrentGet(t, n.Torrent(), to, "--trackers").Event("done", 60*time.Second)
	rig.Same(t, file, filepath.Join(to, "one.bin"))
}

// People leave their client's settings alone: it tries encryption first.
func TestLibtorrentWithItsDefaultEncryption(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "one.bin")
	rig.Payload(t, file, 3_000_000, 14)
	n := rig.Share(t, file)
	to := t.TempDir()
	rig.LibtorrentGet(t, n.Torrent(), to, "--encryption", "allowed", "--connect", n.Peer).Event("done", 60*time.Second)
	rig.Same(t, file, filepath.Join(to, "one.bin"))

	seed := rig.LibtorrentSeed(t, n.Torrent(), dir, "--encryption", "allowed")
	to = t.TempDir()
	rig.Got(t, rig.Get(t, n.Torrent(), to, "--peer", seed.Addr, "--transport", "tcp"), 60*time.Second)
	rig.Same(t, file, filepath.Join(to, "one.bin"))
}

func TestTransmissionDownloadsFromShare(t *testing.T) {
	t.Parallel()
	host := rig.HostAddress(t)
	tree := rig.PayloadTree(t, t.TempDir(), "tree", 15)
	// It takes peers of a tracker only beyond loopback: so both meet at another
	// address of this machine. Debian's 3.00 reads no torrent with a v2 part.
	n := rig.ShareOn(t, tree, "--v1", "--listen", host+":0", "--peer-listen", host+":0", "--no-dht", "--no-lsd", "--json")
	to := t.TempDir()
	rig.StartTransmission(t, n.Torrent(), to, host).WaitDone(120 * time.Second)
	rig.Same(t, tree, filepath.Join(to, "tree"), "empty.txt") // it makes no empty files
}

func TestGetFromTransmission(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for kind, path := range payloads(t, dir, 16) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			torrent := filepath.Join(t.TempDir(), "x.torrent")
			rig.LibtorrentCreate(t, path, torrent, "v1")
			up := rig.StartTransmission(t, torrent, dir, "127.0.0.1")
			up.WaitListening(30 * time.Second)
			to := t.TempDir()
			rig.Got(t, rig.Get(t, torrent, to, "--peer", up.Addr, "--transport", "tcp"), 120*time.Second)
			rig.Same(t, path, filepath.Join(to, filepath.Base(path)))
		})
	}
}

// Every form of source that get takes, between two nodes of ours, over either transport.
func TestGetSources(t *testing.T) {
	t.Parallel()
	tree := rig.PayloadTree(t, t.TempDir(), "tree", 17)
	n := rig.Share(t, tree)
	for name, source := range map[string]string{"link": n.Link, "magnet": n.Magnet, "address": n.TorrentURL, "file": n.Torrent()} {
		for _, transport := range []string{"tcp", "webrtc", "tcp,webrtc"} {
			t.Run(name+" over "+transport, func(t *testing.T) {
				to := t.TempDir()
				get := rig.Get(t, source, to, "--transport", transport)
				done := rig.Got(t, get, 60*time.Second)
				rig.Same(t, tree, filepath.Join(to, "tree"))
				if len(get.Events("metadata")) != 1 || len(get.Events("done")) != 1 {
					t.Errorf("%d metadata and %d done events", len(get.Events("metadata")), len(get.Events("done")))
				}
				if max := int(done.Num("seconds")*4) + 3; len(get.Events("progress")) > max {
					t.Errorf("%d progress events in %v s; at most 4 a second are promised", len(get.Events("progress")), done.Num("seconds"))
				}
			})
		}
	}
}

func TestGetKeepsSeeding(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 3_000_000, 18)
	tracker := rig.Tracker(t)
	n := rig.Share(t, file, "--tracker", "http://"+tracker+"/announce")
	magnet := "magnet:?xt=urn:btih:" + n.InfoHash + "&tr=http%3A%2F%2F" + tracker + "%2Fannounce"
	first := rig.Get(t, magnet, t.TempDir(), "--seed", "--transport", "tcp")
	first.Event("done", 60*time.Second)
	n.Kill()
	to := t.TempDir()
	rig.Got(t, rig.Get(t, magnet, to, "--transport", "tcp"), 60*time.Second)
	rig.Same(t, file, filepath.Join(to, "one.bin"))
	if !first.Running() {
		t.Error("get --seed ended by itself")
	}
}

func TestSeedVerifiesFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree := rig.PayloadTree(t, dir, "tree", 19)
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			torrent := filepath.Join(t.TempDir(), "x.torrent")
			info := rig.LibtorrentCreate(t, tree, torrent, format)
			n := rig.Seed(t, torrent, dir)
			if want := info.HashV1 + info.HashV2; want[:40] != n.InfoHash {
				t.Errorf("ready says %s, want %s", n.InfoHash, want[:40])
			}
			to := t.TempDir()
			rig.LibtorrentGet(t, torrent, to, "--connect", n.Peer).Event("done", 60*time.Second)
			rig.Same(t, tree, filepath.Join(to, "tree"))
		})
	}
}
