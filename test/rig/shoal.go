//go:build unix

package rig

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

var product struct {
	once sync.Once
	path string
	err  string
}

// Binary is the product, built once from the sources as they are.
func Binary(t T) string {
	t.Helper()
	product.once.Do(func() {
		run := func(args ...string) bool {
			cmd := exec.Command("go", args...)
			cmd.Dir = Root()
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			out, err := cmd.CombinedOutput()
			if err != nil {
				product.err = "go " + strings.Join(args, " ") + ": " + err.Error() + "\n" + string(out)
			}
			return err == nil
		}
		// Without its web page the product says so where it is asked for it.
		if _, err := os.Stat(Path("web", "dist", "shoal.wasm")); err != nil && !run("run", "./internal/dev/webbuild") {
			t.Logf("%s", product.err)
		}
		path := Path("test", "out", "shoal")
		if run("build", "-buildvcs=false", "-o", path, "./cmd/shoal") {
			product.path = path
		}
	})
	if product.path == "" {
		t.Fatalf("the product does not build: %s", product.err)
	}
	return product.path
}

// Result is a command that ran to its end.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Run runs the product to its end.
func Run(t T, args ...string) Result {
	t.Helper()
	p := Shoal(t, args...)
	code := p.Exit(60 * time.Second)
	return Result{code, p.Stdout(), p.Stderr()}
}

// Shoal starts the product in an empty folder that is its home as well.
func Shoal(t T, args ...string) *Proc {
	t.Helper()
	home := t.TempDir()
	return Start(t, Command{
		Path: Binary(t), Args: args, Dir: home, Env: homeEnv(home),
	})
}

// homeEnv has a program keep all that is its user's in a folder.
func homeEnv(home string) []string {
	return []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_CACHE_HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_STATE_HOME=" + home}
}

// Node is a running `shoal share` or `shoal seed`.
type Node struct {
	*Proc
	InfoHash   string `json:"info_hash"`
	InfoHashV2 string `json:"info_hash_v2"`
	Link       string
	Magnet     string
	TorrentURL string `json:"torrent_url"`
	HTTP       string // host:port of the web side
	Peer       string // host:port of the TCP peer side
}

var onlyHere = []string{"--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--no-dht", "--no-lsd", "--json"}

// Share shares a file or folder on loopback.
func Share(t T, path string, args ...string) *Node {
	t.Helper()
	return ShareOn(t, path, append(append([]string{}, onlyHere...), args...)...)
}

// ShareOn shares a file or folder with exactly these arguments besides --no-nat.
func ShareOn(t T, path string, args ...string) *Node {
	t.Helper()
	return ready(t, Shoal(t, append([]string{"share", path, "--no-nat"}, args...)...))
}

// Seed seeds what dir has of a torrent on loopback.
func Seed(t T, torrent, dir string, args ...string) *Node {
	t.Helper()
	return ready(t, Shoal(t, append(append([]string{"seed", torrent, "-d", dir}, onlyHere...), args...)...))
}

func ready(t T, p *Proc) *Node {
	t.Helper()
	n := &Node{Proc: p}
	if err := p.Event("ready", 60*time.Second).Into(n); err != nil {
		t.Fatalf("ready event: %v", err)
	}
	return n
}

// Torrent fetches the node's .torrent into a file.
func (n *Node) Torrent() string {
	n.t.Helper()
	path := filepath.Join(n.t.TempDir(), "x.torrent")
	if err := os.WriteFile(path, Fetch(n.t, n.TorrentURL), 0o644); err != nil {
		n.t.Fatalf("%v", err)
	}
	return path
}

// StreamURL is where the node serves a file of its torrent; path is escaped already.
func (n *Node) StreamURL(path string) string {
	return "http://" + n.HTTP + "/stream/" + n.InfoHash + "/" + path
}

// Fetch gets an address and wants 200.
func Fetch(t T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", url, res.Status, err)
	}
	return body
}

// Get starts a download that looks for peers nowhere but where args say.
func Get(t T, source, dir string, args ...string) *Proc {
	t.Helper()
	return Shoal(t, append([]string{"get", source, "-o", dir, "--no-dht", "--no-lsd", "--json"}, args...)...)
}

// Got waits until a Get has ended well.
func Got(t T, p *Proc, limit time.Duration) Event {
	t.Helper()
	done := p.Event("done", limit)
	if code := p.Exit(20 * time.Second); code != 0 {
		t.Fatalf("get said done and exited with %d", code)
	}
	return done
}
