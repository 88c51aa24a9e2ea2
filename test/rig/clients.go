//go:build unix

package rig

import (
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A Task is what a foreign client is to do: it seeds the torrent from Dir if it Has it, or
// else downloads it there. It finds others by the trackers in the torrent alone.
type Task struct {
	Torrent, Dir string
	Has          bool
	// Encryption is one of the Levels of the client.
	Encryption string
	// Host is the address that it listens on and connects from.
	Host string
}

// A Client is a foreign program with one torrent at a time.
type Client struct {
	Name string
	// Formats are the versions of torrents that it reads.
	Formats []string
	// Padding says that it takes padding for files: it writes them, and as a seed it lacks
	// the pieces that padding is in. So a folder has to be of one version.
	Padding bool
	// Levels are how it can be told to encrypt; the first is how it is by itself.
	Levels []string
	// NoEmptyFiles says that it makes none.
	NoEmptyFiles bool
	// Start gives it a task, and returns what waits for the complete download.
	Start func(t T, task Task) (wait func(limit time.Duration))
}

// Clients are all that the tests know and that take peers from trackers.
var Clients = []Client{
	{Name: "libtorrent", Formats: []string{"v1", "v2", "hybrid"}, Levels: []string{"allowed", "off", "preferred", "required"}, Start: startLibtorrent},
	{Name: "qBittorrent", Formats: []string{"v1", "v2", "hybrid"}, Levels: []string{"preferred", "off", "required"}, Start: startQBittorrent},
	{Name: "Deluge", Formats: []string{"v1", "v2", "hybrid"}, Levels: []string{"preferred", "off", "required"}, Start: startDeluge},
	{Name: "rtorrent", Formats: []string{"v1", "hybrid"}, Padding: true, Levels: []string{"off", "preferred", "required"}, Start: startRtorrent},
	{Name: "Transmission", Formats: []string{"v1"}, Levels: []string{"preferred", "off", "required"}, NoEmptyFiles: true, Start: startTransmission},
	{Name: "aria2", Formats: []string{"v1"}, Levels: []string{"allowed", "required"}, Start: startAria2},
	{Name: "webtorrent.js in Node", Formats: []string{"v1", "hybrid"}, Padding: true, Levels: []string{"allowed", "off", "required"}, NoEmptyFiles: true, Start: startWebTorrentNode},
}

func startLibtorrent(t T, task Task) func(time.Duration) {
	args := []string{"peer", task.Torrent, task.Dir, "--trackers", "--host", task.Host, "--encryption", task.Encryption}
	if task.Has {
		args = append(args, "--seed")
	}
	p := libtorrentPeer(t, args)
	return func(limit time.Duration) { p.Event("done", limit) }
}

func startTransmission(t T, task Task) func(time.Duration) {
	c := StartTransmission(t, task.Torrent, task.Dir, task.Host, map[string]string{"off": "-et", "preferred": "-ep", "required": "-er"}[task.Encryption])
	return c.WaitDone
}

func startAria2(t T, task Task) func(time.Duration) {
	args := []string{"--interface=" + task.Host}
	if task.Encryption == "required" {
		args = append(args, "--bt-force-encryption=true")
	}
	if task.Has {
		args = append(args, "--check-integrity=true", "--seed-time=10", "--seed-ratio=0")
	}
	p := Aria2(t, task.Torrent, task.Dir, args...)
	return func(limit time.Duration) {
		if code := p.Exit(limit); code != 0 {
			t.Fatalf("aria2c exits with %d", code)
		}
	}
}

// startWebTorrentNode runs webtorrent.js in Node, where it encrypts unless it is told not to.
func startWebTorrentNode(t T, task Task) func(time.Duration) {
	secure := map[string]string{"off": "0", "allowed": "1", "required": "2"}[task.Encryption]
	p := Start(t, Command{Path: "node", Args: []string{
		Path("test", "interop", "webtorrent.mjs"), task.Torrent, task.Dir, `{"secure":` + secure + `}`,
	}})
	return func(limit time.Duration) { p.Event("done", limit) }
}

// startRtorrent runs rtorrent without its screen.
func startRtorrent(t T, task Task) func(time.Duration) {
	home := t.TempDir()
	finished := filepath.Join(home, "finished")
	encryption := map[string]string{
		"off": "none", "preferred": "allow_incoming,try_outgoing,enable_retry,prefer_plaintext", "required": "allow_incoming,try_outgoing,require,require_RC4",
	}[task.Encryption]
	port := strconv.Itoa(FreePort(t))
	settings := `system.daemon.set = true
directory.default.set = "` + task.Dir + `"
session.path.set = "` + home + `"
network.bind_address.set = ` + task.Host + `
network.port_range.set = ` + port + `-` + port + `
network.port_random.set = no
dht.mode.set = disable
protocol.pex.set = no
trackers.use_udp.set = no
protocol.encryption.set = ` + encryption + `
method.set_key = event.download.finished, touch, "execute.nothrow=touch,` + finished + `"
schedule2 = load, 0, 0, "load.start=` + task.Torrent + `"
`
	rc := filepath.Join(home, "rtorrent.rc")
	if err := os.WriteFile(rc, []byte(settings), 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	p := Start(t, Command{Path: "rtorrent", Args: []string{"-n", "-o", "import=" + rc}, Env: []string{"HOME=" + home, "TERM=dumb"}})
	return func(limit time.Duration) {
		Poll(t, "rtorrent's complete download", limit, func() bool {
			if !p.Running() {
				t.Fatalf("rtorrent ended")
			}
			_, err := os.Stat(finished)
			return err == nil
		})
	}
}
