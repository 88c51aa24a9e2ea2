//go:build unix

package native

import (
	"bufio"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/leak"
	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/metainfo"
)

var (
	idleTorrents = flag.Int("idle.torrents", 300, "torrents of TestIdleSeeds")
	idleProfile  = flag.String("idle.profile", "", "file for the profile of the heap while all are idle")
	idleFor      = flag.Duration("idle.for", 200*time.Millisecond, "how long they are watched")
)

// trackerEnv has this test binary be a tracker instead, so that its goroutines,
// memory and time are not ours.
const trackerEnv = "SHOAL_TEST_IDLE_TRACKER"

func TestMain(m *testing.M) {
	if os.Getenv(trackerEnv) != "" {
		serveTracker()
		return
	}
	os.Exit(m.Run())
}

// serveTracker counts announces by HTTP and UDP, and prints the count for each line
// that it reads.
func serveTracker() {
	var announces atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		announces.Add(1)
		io.WriteString(w, "d8:completei1e10:incompletei0e8:intervali1800e5:peers0:e")
	}))
	go func() {
		in := make([]byte, 2048)
		for {
			n, from, err := u.ReadFrom(in)
			if err != nil || n < 16 {
				continue
			}
			out := make([]byte, 20)
			copy(out[4:8], in[12:16])
			if in[11] == 1 { // announce: interval, leechers, seeders
				announces.Add(1)
				binary.BigEndian.PutUint32(out, 1)
				binary.BigEndian.PutUint32(out[8:], 1800)
				binary.BigEndian.PutUint32(out[16:], 1)
			} else {
				out = out[:16] // connect
			}
			u.WriteTo(out, from)
		}
	}()
	fmt.Println(l.Addr(), u.LocalAddr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(announces.Load())
	}
}

// idleTracker is that tracker, seen from here.
type idleTracker struct {
	http, udp string
	in        io.Writer
	out       *bufio.Scanner
}

func startIdleTracker(t testing.TB) *idleTracker {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), trackerEnv+"=1")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	tr := &idleTracker{in: in, out: bufio.NewScanner(out)}
	if !tr.out.Scan() {
		t.Fatal("the tracker did not start")
	}
	a, b, _ := strings.Cut(tr.out.Text(), " ")
	tr.http, tr.udp = "http://"+a+"/announce", "udp://"+b+"/announce"
	return tr
}

func (tr *idleTracker) announces() (n int) {
	fmt.Fprintln(tr.in)
	tr.out.Scan()
	fmt.Sscan(tr.out.Text(), &n)
	return n
}

// idleTorrentsOf makes .torrents of 1,000 pieces with made-up hashes, each in memory of
// its exact size, as if read from a file.
func idleTorrentsOf(t testing.TB, name string) func() *metainfo.Torrent {
	const pieces = 1000
	rng := rand.NewChaCha8([32]byte{7})
	head := fmt.Sprintf("d4:infod6:lengthi%de4:name%d:%s12:piece lengthi16384e6:pieces%d:", pieces<<14, len(name), name, 20*pieces)
	return func() *metainfo.Torrent {
		b := make([]byte, len(head)+20*pieces+2)
		copy(b, head)
		rng.Read(b[len(head):])
		copy(b[len(b)-2:], "ee")
		tor, err := metainfo.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		return tor
	}
}

func descriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list) - 1 // the one of the folder itself
}

func resident() (mb float64) {
	b, _ := os.ReadFile("/proc/self/statm")
	var size, pages int64
	fmt.Sscan(string(b), &size, &pages)
	return float64(pages) * float64(os.Getpagesize()) / 1e6
}

func cpu() time.Duration {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// Torrents that nobody asks for cost the memory of their hashes, and next to nothing
// else. The figures of the issue are those of
//
//	go test ./internal/driver/native -run TestIdleSeeds -v -idle.torrents 10000 -idle.for 3m
func TestIdleSeeds(t *testing.T) {
	leak.Check(t)
	n := *idleTorrents
	tr := startIdleTracker(t)
	name := filepath.Join(t.TempDir(), "film.mkv")
	if err := os.WriteFile(name, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 1000<<14); err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{PeerListen: "127.0.0.1:0", Local: true, TCP: true, Session: driver.Config{Quiet: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	goroutines, fds, began := runtime.NumGoroutine(), descriptors(), time.Now()
	next := idleTorrentsOf(t, "film.mkv")
	var list []*Torrent
	for i := range n {
		urls := [][]string{{tr.http}, {tr.udp}}[i%2 : i%2+1]
		to, err := c.Add(context.Background(), Options{
			Torrent: next(), Trackers: urls, Content: Sources([]string{name}),
		})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, to)
	}
	for end := time.Now().Add(5 * time.Minute); tr.announces() < n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d torrents are announced", tr.announces(), n)
		}
	}
	started := time.Since(began)
	for _, to := range list {
		eventually(t, "a parked torrent", to.Parked)
	}
	// What was kept for the announces is let go within seconds.
	eventually(t, "nothing but what the client itself needs", func() bool {
		return runtime.NumGoroutine() <= goroutines+4 && descriptors() <= fds+2
	})
	spent := cpu()
	time.Sleep(*idleFor)
	spent = cpu() - spent
	rss := resident()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if *idleProfile != "" {
		f, err := os.Create(*idleProfile)
		if err != nil {
			t.Fatal(err)
		}
		pprof.Lookup("heap").WriteTo(f, 0)
		f.Close()
	}
	heap := int64(after.HeapAlloc-before.HeapAlloc) / int64(n)
	t.Logf("figure: resident-memory %.0f MB <= 300", rss)
	t.Logf("figure: processor %.2f %% <= 2", 100*float64(spent)/float64(*idleFor))
	t.Logf("figure: descriptors %d descriptors <= 200", descriptors())
	t.Logf("figure: goroutines %d goroutines <= 200", runtime.NumGoroutine())
	t.Logf("%d torrents, announced in %v: %.0f MB resident, %d bytes of heap each, %d goroutines, %d descriptors, %.2f %% of a core",
		n, started.Round(time.Millisecond), rss, heap, runtime.NumGoroutine(), descriptors(), 100*float64(spent)/float64(*idleFor))
	if heap > 28<<10 {
		t.Errorf("a torrent whose hashes are 20,000 bytes takes %d", heap)
	}
	runtime.KeepAlive(list)
}
