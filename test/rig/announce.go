//go:build unix

package rig

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
)

// Announcer is a Node process with clients of bittorrent-tracker in it. What
// they say to the tracker is real, their WebRTC ends with the answer.
type Announcer struct{ *Proc }

// StartAnnouncer starts one without clients.
func StartAnnouncer(t T) Announcer {
	t.Helper()
	if _, err := os.Stat(Path("test", "node_modules", "bittorrent-tracker")); err != nil {
		t.Fatalf("the Node packages are missing, `make setup` brings them: %v", err)
	}
	p := Start(t, Command{Path: "node", Args: []string{Path("test", "interop", "announce.mjs")}})
	p.Event("ready", 30*time.Second)
	return Announcer{p}
}

// AnnounceClient is one client of an Announcer.
type AnnounceClient struct {
	a    Announcer
	name string
}

// Client makes a client of one torrent. Its peer id is made from the port, a number
// that should differ from client to client; HTTP and UDP trackers hand it out.
func (a Announcer) Client(infoHash, url string, port int) AnnounceClient {
	a.t.Helper()
	name := strconv.Itoa(port)
	id := "2d5757303330302d" + ("000000000000000000000000" + name)[len(name):]
	if err := a.Send(map[string]any{"new": name, "infoHash": infoHash, "peerId": id, "announce": url, "port": port}); err != nil {
		a.t.Fatalf("bittorrent-tracker's client: %v", err)
	}
	return AnnounceClient{a, name}
}

// Call calls a method of the client: start, update, complete or stop, with how
// many bytes are left.
func (c AnnounceClient) Call(method string, left int) {
	c.a.t.Helper()
	c.send(map[string]any{"on": c.name, "call": method, "with": map[string]any{"left": left}})
}

// Scrape asks for the counts of the client's torrent.
func (c AnnounceClient) Scrape() {
	c.a.t.Helper()
	c.send(map[string]any{"on": c.name, "call": "scrape"})
}

func (c AnnounceClient) send(order map[string]any) {
	c.a.t.Helper()
	if err := c.a.Send(order); err != nil {
		c.a.t.Fatalf("bittorrent-tracker's client: %v", err)
	}
}

// Update waits for the answer to an announce that says so many seeders and leechers.
func (c AnnounceClient) Update(seeders, leechers int) Event {
	c.a.t.Helper()
	return c.Wait("answer of the tracker with "+strconv.Itoa(seeders)+" seeders and "+strconv.Itoa(leechers)+" leechers", func(e Event) bool {
		return e.Str("event") == "update" && e.Num("complete") == float64(seeders) && e.Num("incomplete") == float64(leechers)
	})
}

// Wait waits for an event of this client.
func (c AnnounceClient) Wait(what string, match func(Event) bool) Event {
	c.a.t.Helper()
	return c.a.Wait(what, 20*time.Second, func(e Event) bool { return e.Str("client") == c.name && match(e) })
}

// Aria2 downloads a .torrent into dir with aria2c, by what its trackers say, and ends.
// Further arguments come last.
func Aria2(t T, torrent, dir string, args ...string) *Proc {
	t.Helper()
	home := t.TempDir()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	udp.Close()
	return Start(t, Command{Path: "aria2c", Env: []string{"HOME=" + home}, Args: append([]string{
		torrent, "--no-conf", "--dir=" + dir, "--seed-time=0", "--file-allocation=none", "--summary-interval=0", "--show-console-readout=false",
		"--interface=127.0.0.1", "--disable-ipv6=true", "--listen-port=" + strconv.Itoa(FreePort(t)),
		"--bt-enable-lpd=false", "--enable-peer-exchange=false", "--enable-dht6=false",
		// Its UDP trackers depend on the DHT being on. It has no entry point, and so nobody to talk to.
		"--enable-dht=true", "--dht-file-path=" + filepath.Join(home, "dht.dat"), "--dht-listen-port=" + strconv.Itoa(udp.LocalAddr().(*net.UDPAddr).Port),
	}, args...)})
}

var anacrolix struct {
	once sync.Once
	path string
	err  string
}

// Anacrolix runs a peer of anacrolix/torrent that announces to url alone; the files
// are in dir, or come there.
func Anacrolix(t T, source, dir, url string, args ...string) *Proc {
	t.Helper()
	anacrolix.once.Do(func() {
		path := Path("test", "out", "anacrolix")
		cmd := exec.Command("go", "build", "-o", path, ".")
		cmd.Dir = Path("test", "interop", "anacrolix")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
		if out, err := cmd.CombinedOutput(); err != nil {
			anacrolix.err = err.Error() + "\n" + string(out)
			return
		}
		anacrolix.path = path
	})
	if anacrolix.path == "" {
		t.Fatalf("the peer of anacrolix/torrent does not build: %s", anacrolix.err)
	}
	return Start(t, Command{Path: anacrolix.path, Args: append(args, "-tracker", url, source, dir)})
}

// Scrape asks the tracker at addr by HTTP for the counts of a torrent.
func Scrape(t T, addr string, infoHash [20]byte) httpwire.ScrapeFile {
	t.Helper()
	body := Fetch(t, "http://"+addr+"/scrape?"+string(httpwire.AppendScrapeQuery(nil, infoHash)))
	files, failure, err := httpwire.ParseScrapeReply(body)
	if err != nil || failure != "" || len(files) != 1 || files[0].InfoHash != infoHash {
		t.Fatalf("scrape of %x at %s: %+v, failure %q, %v", infoHash, addr, files, failure, err)
	}
	return files[0]
}

// WaitSwarm waits until the tracker at addr counts so many seeders and leechers.
func WaitSwarm(t T, addr string, infoHash [20]byte, seeders, leechers int64) {
	t.Helper()
	Poll(t, strconv.FormatInt(seeders, 10)+" seeders and "+strconv.FormatInt(leechers, 10)+" leechers at "+addr, 30*time.Second, func() bool {
		s := Scrape(t, addr, infoHash)
		return s.Complete == seeders && s.Incomplete == leechers
	})
}
