//go:build unix

package test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// A peer of each door, and a tab: every one of them counts for all the others.
func TestThreeDoorsSeeOneSwarm(t *testing.T) {
	t.Parallel()
	_, addr := startTracker(t)
	site := rig.StartSite(t)
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 500_000, 90)
	tab := site.OpenWebTorrent(rig.StartBrowser(t, rig.BrowserConfig{})).Seed(site, file, "ws://"+addr)
	hash := infoHash(t, tab.InfoHash)
	rig.WaitSwarm(t, addr, hash, 1, 0)

	others, gone := rig.StartAnnouncer(t), rig.StartAnnouncer(t)
	overHTTP := others.Client(tab.InfoHash, "http://"+addr+"/announce", 6301)
	overUDP := others.Client(tab.InfoHash, "udp://"+addr, 6302)
	overWS := gone.Client(tab.InfoHash, "ws://"+addr+"/announce", 6303)
	overHTTP.Call("start", 10)
	overHTTP.Update(1, 1)
	overUDP.Call("start", 0)
	overUDP.Update(2, 1)
	overWS.Call("start", 10)
	overWS.Update(2, 2)
	for _, c := range []rig.AnnounceClient{overHTTP, overUDP, overWS} {
		c.Scrape()
		c.Wait("scrape of the whole swarm", func(e rig.Event) bool {
			return e.Str("event") == "scrape" && e.Num("complete") == 2 && e.Num("incomplete") == 2
		})
	}
	// Peers are only given to those who can reach them.
	overHTTP.Call("update", 10)
	overHTTP.Wait("the UDP client's address", func(e rig.Event) bool { return e.Str("address") == "127.0.0.1:6302" })
	for _, e := range others.Events("peer") {
		if a := e.Str("address"); a != "127.0.0.1:6301" && a != "127.0.0.1:6302" {
			t.Errorf("a TCP client was given the peer %q", a)
		}
	}
	gone.Kill()
	rig.WaitSwarm(t, addr, hash, 2, 1)
	overUDP.Call("stop", 0)
	rig.WaitSwarm(t, addr, hash, 1, 1)
}

// Peers who reach the tracker over IPv4 and over IPv6 are in one WebRTC swarm.
func TestTrackerOnBothFamilies(t *testing.T) {
	t.Parallel()
	p, four := startTracker(t, "--listen", "127.0.0.1:0", "--listen", "[::1]:0")
	six := regexp.MustCompile(`\[::1\]:[0-9]+`).FindString(p.Stdout())
	if six == "" {
		t.Fatalf("the ready line names no IPv6 address: %s", p.Stdout())
	}
	const hash = "ffeeddccbbaa99887766554433221100ffeeddcc"
	a, b := rig.StartAnnouncer(t), rig.StartAnnouncer(t)
	up := a.Client(hash, "ws://"+four+"/announce", 6401)
	down := b.Client(hash, "ws://"+six+"/announce", 6402)
	up.Call("start", 0)
	up.Update(1, 0)
	down.Call("start", 1)
	down.Update(1, 1)
	down.Wait("connection", func(e rig.Event) bool { return e.Str("event") == "connected" })
	// Addresses of TCP peers go to who can use them.
	over4 := a.Client(hash, "http://"+four+"/announce", 6403)
	over6 := b.Client(hash, "http://"+six+"/announce", 6404)
	over4.Call("start", 1)
	over4.Update(1, 2)
	over6.Call("start", 1)
	over6.Update(1, 3)
	other := b.Client(hash, "http://"+six+"/announce", 6405)
	other.Call("start", 1)
	other.Wait("the IPv6 peer's address", func(e rig.Event) bool { return e.Str("address") == "[::1]:6404" })
}

// A tab whose tracker goes away finds its swarm again at another process behind the same address.
func TestTabLeavesDrainingTracker(t *testing.T) {
	t.Parallel()
	first, addr := startTracker(t, "--drain", "2s")
	_, next := startTracker(t)
	balancer := rig.StartProxy(t, addr, 0)
	site := rig.StartSite(t)
	file := filepath.Join(t.TempDir(), "one.bin")
	rig.Payload(t, file, 1_000_000, 91)
	tab := site.OpenWebTorrent(rig.StartBrowser(t, rig.BrowserConfig{}))
	up := tab.Seed(site, file, "ws://"+balancer.Addr)
	hash := infoHash(t, up.InfoHash)
	rig.WaitSwarm(t, addr, hash, 1, 0)
	// The client comes back after 10 s and a random part of 5 min.
	tab.Eval(10*time.Second, "(() => { const random = Math.random; Math.random = () => random() / 1000; })()", nil)
	balancer.Retarget(next)
	first.Signal(syscall.SIGTERM)
	if code := first.Exit(15 * time.Second); code != 0 {
		t.Errorf("the draining tracker exits with %d", code)
	}
	rig.WaitSwarm(t, next, hash, 1, 0)
	down := site.OpenWebTorrent(rig.StartBrowser(t, rig.BrowserConfig{}))
	down.Add(up.Magnet)
	down.WaitDone(60 * time.Second)
	down.Same(file)
}

// While it drains, it takes no new connection, says so where load balancers ask, and
// a second signal ends it at once.
func TestTrackerDrains(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	admin := ln.Addr().String()
	ln.Close()
	p, addr := startTracker(t, "--drain", "5m", "--admin", admin)
	if r := rig.Run(t, "tracker", "health", addr); r.Code != 0 {
		t.Errorf("health of a running tracker: %+v", r)
	}
	// A drain closes some connections each moment, so a few would be gone too soon to see it.
	const upgrade = "GET /announce HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	var conns []net.Conn
	for range 400 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(c, upgrade); err != nil {
			t.Fatal(err)
		}
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("upgrade: %v, %v", res, err)
		}
		conns = append(conns, c)
	}
	p.Signal(syscall.SIGTERM)
	rig.Poll(t, "/health to say that it drains", 10*time.Second, func() bool {
		res, err := http.Get("http://" + admin + "/health")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable
	})
	if r := rig.Run(t, "tracker", "health", admin); r.Code != 1 || !strings.Contains(r.Stderr, admin) {
		t.Errorf("health of a draining tracker: %+v", r)
	}
	if conn, err := net.DialTimeout("tcp", addr, 5*time.Second); err == nil {
		conn.Close()
		t.Error("a draining tracker takes a new connection")
	}
	// Who is sent away is told why: close code 1001, "going away".
	frame := make([]byte, 4)
	if _, err := io.ReadFull(conns[0], frame); err != nil || frame[0] != 0x88 || frame[2] != 1001>>8 || frame[3] != 1001&0xff {
		t.Errorf("the end of a connection is %x, %v", frame, err)
	}
	if !p.Running() {
		t.Fatal("the tracker ended before its drain time, with clients connected")
	}
	p.Signal(syscall.SIGTERM)
	p.Exit(5 * time.Second)
}
