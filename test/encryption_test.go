//go:build unix

package test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// Each level of ours meets each of libtorrent's, whichever of the two connects.
func TestEncryptionWithLibtorrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "one.bin")
	rig.Payload(t, file, 3_000_000, 40)
	torrent := filepath.Join(dir, "x.torrent")
	rig.LibtorrentCreate(t, file, torrent, "v1")
	for _, c := range []struct{ ours, theirs, in, out string }{ // what becomes of it where they connect, and where we do
		{"off", "off", "none", "none"}, {"off", "allowed", "none", "none"}, {"off", "preferred", "none", "none"},
		{"allowed", "off", "none", "none"}, {"allowed", "allowed", "plain", "none"}, {"allowed", "preferred", "plain", "none"}, {"allowed", "required", "rc4", "rc4"},
		{"preferred", "off", "none", "none"}, {"preferred", "allowed", "rc4", "plain"}, {"preferred", "preferred", "rc4", "rc4"}, {"preferred", "required", "rc4", "rc4"},
		{"required", "allowed", "rc4", "rc4"}, {"required", "preferred", "rc4", "rc4"}, {"required", "required", "rc4", "rc4"},
	} {
		t.Run(c.ours+" with "+c.theirs, func(t *testing.T) {
			peer := func(p *rig.Proc, want string) {
				t.Helper()
				if got := p.Event("peer", 30*time.Second).Str("encryption"); got != want {
					t.Errorf("libtorrent says %q of the connection, want %q", got, want)
				}
			}
			n := rig.Seed(t, torrent, dir, "--encryption", c.ours)
			to := t.TempDir()
			get := rig.LibtorrentGet(t, torrent, to, "--encryption", c.theirs, "--connect", n.Peer)
			get.Event("done", 60*time.Second)
			peer(get.Proc, c.in)
			rig.Same(t, file, filepath.Join(to, "one.bin"))

			seed := rig.LibtorrentSeed(t, torrent, dir, "--encryption", c.theirs)
			to = t.TempDir()
			rig.Got(t, rig.Get(t, torrent, to, "--peer", seed.Addr, "--transport", "tcp", "--encryption", c.ours), 60*time.Second)
			peer(seed.Proc, c.out)
			rig.Same(t, file, filepath.Join(to, "one.bin"))
		})
	}
}
