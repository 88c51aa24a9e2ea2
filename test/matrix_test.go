//go:build unix

package test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// Every client that people have, in both directions, found through our tracker: what it can
// do, it does with us as we are by ourselves, and also when we require encryption.
func TestMatrix(t *testing.T) {
	for k, c := range rig.Clients {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			host := "127.0.0.1"
			if c.Name == "Transmission" {
				host = rig.HostAddress(t) // it takes no loopback address from a tracker
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "größe 1.bin")
			rig.Payload(t, file, 3_000_000, uint64(50+k))
			tree := rig.PayloadTree(t, dir, "tree", uint64(50+k))
			var except []string
			if c.NoEmptyFiles {
				except = []string{"empty.txt"}
			}
			try := func(path, format, level, ours string) {
				kind := map[string]string{file: "file", tree: "folder"}[path]
				t.Run("downloads "+kind+" "+format+" "+level+" from "+ours, func(t *testing.T) {
					args := []string{"--encryption", ours}
					if format != "hybrid" {
						args = append(args, "--"+format)
					}
					at := net.JoinHostPort(host, "0")
					n := rig.ShareOn(t, path, append(args, "--listen", at, "--peer-listen", at, "--no-dht", "--no-lsd", "--json")...)
					to := t.TempDir()
					c.Start(t, rig.Task{Torrent: n.Torrent(), Dir: to, Encryption: level, Host: host})(120 * time.Second)
					rig.Same(t, path, filepath.Join(to, filepath.Base(path)), except...)
				})
				t.Run("seeds "+kind+" "+format+" "+level+" to "+ours, func(t *testing.T) {
					_, addr := startTracker(t, "--listen", net.JoinHostPort(host, "0"))
					torrent := filepath.Join(t.TempDir(), "x.torrent")
					info := rig.LibtorrentCreate(t, path, torrent, format, "--tracker", "http://"+addr+"/announce")
					c.Start(t, rig.Task{Torrent: torrent, Dir: dir, Has: true, Encryption: level, Host: host})
					rig.WaitSwarm(t, addr, infoHash(t, (info.HashV1 + info.HashV2)[:40]), 1, 0)
					to := t.TempDir()
					rig.Got(t, rig.Get(t, torrent, to, "--encryption", ours, "--transport", "tcp"), 120*time.Second)
					rig.Same(t, path, filepath.Join(to, filepath.Base(path)))
				})
			}
			for _, format := range c.Formats {
				try(file, format, c.Levels[0], "allowed")
				if format == "v1" || !c.Padding {
					try(tree, format, c.Levels[0], "allowed")
				}
			}
			for _, level := range c.Levels[1:] {
				try(tree, c.Formats[0], level, "allowed")
			}
			for _, level := range c.Levels {
				if level != "off" {
					try(file, c.Formats[0], level, "required")
				}
			}
		})
	}
}
