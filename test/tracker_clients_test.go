//go:build unix

package test

import (
	"encoding/hex"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// Foreign clients find each other through `shoal tracker` alone: DHT, local discovery
// and port mapping are off in all of them.

func TestTrackerServesBittorrentTrackerClient(t *testing.T) {
	t.Parallel()
	for i, scheme := range []string{"ws", "http", "udp"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			_, addr := startTracker(t)
			url := scheme + "://" + addr + "/announce"
			const hash = "00112233445566778899aabbccddeeff00112233"
			first, second := rig.StartAnnouncer(t), rig.StartAnnouncer(t)
			seeder := first.Client(hash, url, 6001+10*i)
			leecher := second.Client(hash, url, 6002+10*i)

			seeder.Call("start", 0)
			// Of a UDP reply the client passes the interval on to nobody.
			if e := seeder.Update(1, 0); scheme != "udp" && e.Num("interval") < 30 {
				t.Errorf("the seeder shall announce again after %v s", e.Num("interval"))
			}
			leecher.Call("start", 1000)
			leecher.Update(1, 1)
			if scheme == "ws" {
				// Its five offers go to the seeder, who answers; every SDP carries its own checksum.
				leecher.Wait("connection to the seeder", func(e rig.Event) bool {
					return e.Str("event") == "connected" && e["offered"] == true
				})
				seeder.Wait("connection to the leecher", func(e rig.Event) bool {
					return e.Str("event") == "connected" && e["offered"] == false
				})
			} else {
				leecher.Wait("the seeder's address", func(e rig.Event) bool { return e.Str("address") == fmt.Sprintf("127.0.0.1:%d", 6001+10*i) })
			}
			scraped := func(complete, incomplete, downloaded float64) {
				t.Helper()
				leecher.Scrape()
				leecher.Wait("scrape", func(e rig.Event) bool {
					return e.Str("event") == "scrape" && e.Num("complete") == complete && e.Num("incomplete") == incomplete && e.Num("downloaded") == downloaded
				})
			}
			scraped(1, 1, 0)
			leecher.Call("complete", 0)
			leecher.Update(2, 0)
			scraped(2, 0, 1)
			seeder.Call("stop", 0)
			rig.WaitSwarm(t, addr, infoHash(t, hash), 1, 0)
			leecher.Call("update", 0)
			leecher.Update(1, 0)
			for _, a := range []rig.Announcer{first, second} {
				for _, e := range a.Events("warning") {
					t.Errorf("the client was warned: %v", e)
				}
			}
		})
	}
}

// As in a page with many torrents: all of them share one WebSocket.
func TestTrackerServesManyTorrentsOnOneSocket(t *testing.T) {
	t.Parallel()
	_, addr := startTracker(t)
	a, b := rig.StartAnnouncer(t), rig.StartAnnouncer(t)
	for i := range 8 {
		hash := strings.Repeat("0"+string(rune('1'+i)), 20)
		up := a.Client(hash, "ws://"+addr, 6100+i)
		down := b.Client(hash, "ws://"+addr, 6200+i)
		up.Call("start", 0)
		up.Update(1, 0)
		down.Call("start", 5)
		down.Wait("connection", func(e rig.Event) bool { return e.Str("event") == "connected" })
	}
	if len(a.Events("warning"))+len(b.Events("warning")) > 0 {
		t.Errorf("warnings: %v %v", a.Events("warning"), b.Events("warning"))
	}
	a.Kill()
	for i := range 8 {
		rig.WaitSwarm(t, addr, infoHash(t, strings.Repeat("0"+string(rune('1'+i)), 20)), 0, 1)
	}
}

func TestTrackerServesLibtorrent(t *testing.T) {
	t.Parallel()
	for i, c := range []struct{ listen, host, scheme string }{
		{"127.0.0.1:0", "127.0.0.1", "http"},
		{"127.0.0.1:0", "127.0.0.1", "udp"},
		{"[::1]:0", "::1", "http"},
		{"[::1]:0", "::1", "udp"},
	} {
		t.Run(c.scheme+" on "+c.host, func(t *testing.T) {
			t.Parallel()
			_, addr := startTracker(t, "--listen", c.listen)
			file, torrent, hash := oneFile(t, 70+uint64(i), c.scheme+"://"+addr+"/announce")
			seed := rig.LibtorrentSeed(t, torrent, filepath.Dir(file), "--trackers", "--host", c.host)
			seed.Event("tracker", 30*time.Second)
			rig.WaitSwarm(t, addr, hash, 1, 0)
			to := t.TempDir()
			get := rig.LibtorrentGet(t, torrent, to, "--trackers", "--host", c.host)
			get.Event("done", 60*time.Second)
			rig.Same(t, file, filepath.Join(to, "one.bin"))
			rig.WaitSwarm(t, addr, hash, 2, 0)
			if n := rig.Scrape(t, addr, hash).Downloaded; n != 1 {
				t.Errorf("%d downloads counted, want 1", n)
			}
			if e := append(seed.Events("tracker_error"), get.Events("tracker_error")...); len(e) > 0 {
				t.Errorf("libtorrent complains: %v", e)
			}
			get.Send("pause") // which it tells with event=stopped
			rig.WaitSwarm(t, addr, hash, 1, 0)
		})
	}
}

func TestTrackerServesTransmission(t *testing.T) {
	t.Parallel()
	host := rig.HostAddress(t) // it takes no loopback address from a tracker
	for i, scheme := range []string{"http", "udp"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			_, addr := startTracker(t, "--listen", net.JoinHostPort(host, "0"))
			file, torrent, hash := oneFile(t, 75+uint64(i), scheme+"://"+addr+"/announce")
			rig.StartTransmission(t, torrent, filepath.Dir(file), host)
			rig.WaitSwarm(t, addr, hash, 1, 0)
			to := t.TempDir()
			rig.StartTransmission(t, torrent, to, host).WaitDone(120 * time.Second)
			rig.Same(t, file, filepath.Join(to, "one.bin"))
			rig.WaitSwarm(t, addr, hash, 2, 0)
		})
	}
}

func TestTrackerServesAria2(t *testing.T) {
	t.Parallel()
	for i, scheme := range []string{"http", "udp"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			_, addr := startTracker(t)
			file, torrent, hash := oneFile(t, 77+uint64(i), scheme+"://"+addr+"/announce")
			seed := rig.LibtorrentSeed(t, torrent, filepath.Dir(file), "--trackers")
			seed.Event("tracker", 30*time.Second)
			to := t.TempDir()
			if code := rig.Aria2(t, torrent, to).Exit(90 * time.Second); code != 0 {
				t.Errorf("aria2c exits with %d", code)
			}
			rig.Same(t, file, filepath.Join(to, "one.bin"))
			rig.WaitSwarm(t, addr, hash, 1, 0) // it has announced its departure
		})
	}
}

// Version 1.61 announces with event "<regular>" after its first offer was answered.
func TestTrackerServesAnacrolix(t *testing.T) {
	for i, scheme := range []string{"ws", "http", "udp"} {
		t.Run(scheme, func(t *testing.T) {
			_, addr := startTracker(t)
			url := scheme + "://" + addr + "/announce"
			file, torrent, hash := oneFile(t, 80+uint64(i), url)
			seed := rig.Anacrolix(t, torrent, filepath.Dir(file), url, "-seed")
			rig.WaitSwarm(t, addr, hash, 1, 0)
			to := t.TempDir()
			source := torrent
			if scheme == "ws" { // without the .torrent it announces left=-1
				source = "magnet:?xt=urn:btih:" + hex.EncodeToString(hash[:])
			}
			get := rig.Anacrolix(t, source, to, url)
			get.Event("done", 60*time.Second)
			rig.Same(t, file, filepath.Join(to, "one.bin"))
			if network := get.Event("peer", time.Second).Str("network"); (network == "webrtc") != (scheme == "ws") {
				t.Errorf("they met over %s", network)
			}
			seed.Kill()
			if scheme == "ws" { // a connection's end is the end of its peers
				rig.WaitSwarm(t, addr, hash, 1, 0)
			}
		})
	}
}

func TestAnacrolixDownloadsFromShare(t *testing.T) {
	_, addr := startTracker(t)
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 3_000_000, 84)
	n := rig.Share(t, file, "--v1", "--tracker", "ws://"+addr+"/announce")
	rig.WaitSwarm(t, addr, infoHash(t, n.InfoHash), 1, 0)
	to := t.TempDir()
	rig.Anacrolix(t, n.Torrent(), to, "ws://"+addr+"/announce").Event("done", 90*time.Second)
	rig.Same(t, file, filepath.Join(to, "one.bin"))
}
