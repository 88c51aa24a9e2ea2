//go:build unix

package rig

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// python is Debian's own: the libtorrent module belongs to it.
const python = "/usr/bin/python3"

// Libtorrent is what the foreign client reads in a torrent.
type Libtorrent struct {
	HashV1      string `json:"info_hash_v1"`
	HashV2      string `json:"info_hash_v2"`
	Name        string
	Bytes       int64
	PieceLength int64 `json:"piece_length"`
	Pieces      int
	Private     bool
	Files       []struct {
		Path   string
		Length int64
	}
	Trackers []string
	WebSeeds []string `json:"web_seeds"`
	Comment  string
}

func libtorrent(t T, args ...string) *Proc {
	t.Helper()
	return Start(t, Command{Path: python, Args: append([]string{Path("test", "interop", "libtorrent_peer.py")}, args...)})
}

// LibtorrentCreate has libtorrent make a .torrent of path; format is v1, v2 or
// hybrid, more are arguments such as --tracker URL or --piece-length N.
func LibtorrentCreate(t T, path, output, format string, more ...string) Libtorrent {
	t.Helper()
	args := append([]string{"create", path, "-o", output, "--format", format}, more...)
	return described(t, libtorrent(t, args...), "created")
}

// LibtorrentInfo has libtorrent read a .torrent.
func LibtorrentInfo(t T, torrent string) Libtorrent {
	t.Helper()
	return described(t, libtorrent(t, "info", torrent), "info")
}

func described(t T, p *Proc, event string) Libtorrent {
	t.Helper()
	var l Libtorrent
	if err := p.Event(event, 60*time.Second).Into(&l); err != nil {
		t.Fatalf("libtorrent: %v", err)
	}
	return l
}

// LibtorrentPeer is a libtorrent session with one torrent.
type LibtorrentPeer struct {
	*Proc
	Addr string // where it listens
}

// LibtorrentSeed seeds the files in dir.
func LibtorrentSeed(t T, torrent, dir string, args ...string) LibtorrentPeer {
	t.Helper()
	return libtorrentPeer(t, append([]string{"peer", torrent, dir, "--seed"}, args...))
}

// LibtorrentGet downloads a .torrent or a magnet link into dir from the given
// peers, and from those its trackers name with the argument --trackers.
func LibtorrentGet(t T, torrent, dir string, args ...string) LibtorrentPeer {
	t.Helper()
	return libtorrentPeer(t, append([]string{"peer", torrent, dir}, args...))
}

func libtorrentPeer(t T, args []string) LibtorrentPeer {
	t.Helper()
	p := libtorrent(t, args...)
	e := p.Event("listening", 30*time.Second)
	return LibtorrentPeer{p, "127.0.0.1:" + strconv.Itoa(int(e.Num("port")))}
}

// Tracker runs bittorrent-tracker, the tracker of the JavaScript world, and
// returns host:port; it answers WebSocket and HTTP at /announce.
func Tracker(t T) string {
	t.Helper()
	p := Start(t, Command{Path: "node", Args: []string{Path("test", "interop", "tracker.mjs")}})
	return "127.0.0.1:" + strconv.Itoa(int(p.Event("ready", 30*time.Second).Num("port")))
}

// FreePort is a TCP port that nobody listened on a moment ago, for programs
// that cannot take port 0.
func FreePort(t T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Transmission is a transmission-cli with one torrent.
type Transmission struct {
	*Proc
	Addr string // where it listens
	Done string // a file that appears when the download is complete
}

// StartTransmission runs transmission-cli on a .torrent. It downloads into dir
// what is not there yet, and seeds from then on. bind is its IPv4 address. Further
// arguments come last; -et, to tolerate encryption, is there already.
//
// Transmission takes no loopback address from a tracker; bound to another
// address of this machine it does, and the packets still never leave it.
func StartTransmission(t T, torrent, dir, bind string, args ...string) Transmission {
	t.Helper()
	config := t.TempDir()
	settings, err := json.Marshal(map[string]any{
		"dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
		"port-forwarding-enabled": false, "bind-address-ipv4": bind, "bind-address-ipv6": "::1",
		"encryption": 0, "peer-port-random-on-start": false, "incomplete-dir-enabled": false,
		"rename-partial-files": false, "preallocation": 0, "speed-limit-down-enabled": false, "speed-limit-up-enabled": false,
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(config, "settings.json"), settings, 0o644)
	}
	done := filepath.Join(config, "done")
	script := filepath.Join(config, "finished.sh")
	if err == nil {
		err = os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\n: >'%s'\n", done), 0o755)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	port := FreePort(t)
	p := Start(t, Command{Path: "transmission-cli", Args: append([]string{
		torrent, "-g", config, "-w", dir, "-p", strconv.Itoa(port), "-et", "-M", "-D", "-U", "-B", "-f", script,
	}, args...), Env: []string{"HOME=" + config}})
	return Transmission{p, net.JoinHostPort(bind, strconv.Itoa(port)), done}
}

// WaitDone waits for the complete download.
func (c Transmission) WaitDone(limit time.Duration) {
	c.t.Helper()
	Poll(c.t, "transmission-cli's complete download", limit, func() bool {
		if !c.Running() {
			c.t.Fatalf("transmission-cli ended")
		}
		_, err := os.Stat(c.Done)
		return err == nil
	})
}

// WaitListening waits until the peer port accepts.
func (c Transmission) WaitListening(limit time.Duration) {
	c.t.Helper()
	WaitListening(c.t, c.Addr, limit)
}

// WaitListening waits until somebody accepts connections at addr.
func WaitListening(t T, addr string, limit time.Duration) {
	t.Helper()
	Poll(t, "somebody to listen at "+addr, limit, func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Poll waits until ok says so, for things that announce themselves nowhere.
func Poll(t T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// HostAddress is an IPv4 address of this machine that is not in 127/8. Packets
// from the machine to itself stay inside it, whatever the address. Where there
// is none, root gives the loopback interface one more for the test's time.
func HostAddress(t T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && ip.IP.IsGlobalUnicast() {
			return ip.IP.String()
		}
	}
	const extra = "198.18.71.1"
	if out, err := exec.Command("ip", "address", "add", extra+"/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("this machine has no IPv4 address outside 127/8, which Transmission needs for its peers, and it cannot be given one: %v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "address", "del", extra+"/32", "dev", "lo").Run() })
	return extra
}
