//go:build unix

package storage

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// killEnv makes this test binary a downloader that works in the folder it names
// until it is killed.
const killEnv = "SHOAL_TEST_DOWNLOAD_INTO"

func killSample(t testing.TB) *sample {
	return makeSample(t, true, true, "a.bin:3000000", "b/c.bin:1000000", "b/d:17", "e.bin:2000000")
}

// TestDownloaderChild is the child of TestKill. It says "have N" once piece N
// is recorded.
func TestDownloaderChild(t *testing.T) {
	dir := os.Getenv(killEnv)
	if dir == "" {
		return // not a child
	}
	s := killSample(t)
	x := begin(t, dir, s)
	x.syncEach = 0 // checkpoints all the time
	good, err := VerifyPieces(context.Background(), x.f, s.Info, s.Layers(), x.doubtful, nil)
	if err != nil {
		t.Fatal(err)
	}
	var todo []int
	for i := range s.Info.NumPieces() {
		if good.Has(i) {
			if err := x.MarkHave(i); err != nil {
				t.Fatal(err)
			}
		} else if !x.have.Has(i) {
			todo = append(todo, i)
		}
	}
	rand.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	fmt.Println("start", x.have.Count())
	var out sync.Mutex
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for k := w; k < len(todo); k += 2 {
				x.download(t, s, todo[k])
				out.Lock()
				fmt.Println("have", todo[k])
				out.Unlock()
			}
		})
	}
	wg.Wait()
	fmt.Println("end", 0)
	time.Sleep(time.Minute) // killed before
}

// TestKill kills a download again and again and expects that nothing that was
// recorded is lost or wrong, and that it ends complete.
func TestKill(t *testing.T) {
	s := killSample(t)
	n := s.Info.NumPieces()
	dir := t.TempDir()
	said := NewBits(n)
	for run := 0; ; run++ {
		if run == 30 {
			t.Fatal("never complete")
		}
		ended := runAndKill(t, dir, said, 1+rand.IntN(n/3))
		x := begin(t, dir, s)
		if x.Note() != "" {
			t.Errorf("run %d: %s", run, x.Note())
		}
		for i := range n {
			if said.Has(i) && !x.have.Has(i) {
				t.Errorf("run %d: piece %d was recorded and is lost", run, i)
			}
		}
		// Two writers: each kill costs at most two pieces that were written
		// and not yet recorded.
		good, err := Verify(context.Background(), x.f, s.Info, s.Layers(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if x.have.Has(i) && !good.Has(i) {
				t.Errorf("run %d: piece %d is claimed and is not there", run, i)
			}
		}
		if lost := good.Count() - x.have.Count(); lost > 2*(run+1) {
			t.Errorf("%d good pieces are not claimed after %d kills", lost, run+1)
		}
		if ended {
			wantBits(t, "at the end", x.have, full(n))
			if err := x.f.Finish(); err != nil {
				t.Error(err)
			}
			if err := x.Remove(); err != nil {
				t.Error(err)
			}
			s.wantSpace(t, x.f)
			return
		}
		x.die() // not in good order either
	}
}

// runAndKill starts a child, notes in said what it says it has, and kills it
// after it has said so for some pieces.
func runAndKill(t *testing.T, dir string, said *Bits, some int) (ended bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDownloaderChild$", "-test.v")
	cmd.Env = append(os.Environ(), killEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for some > 0 && !ended && lines.Scan() {
		var word, arg string
		fmt.Sscan(lines.Text(), &word, &arg)
		switch word {
		case "have":
			i, _ := strconv.Atoi(arg)
			said.Set(i)
			some--
		case "end":
			ended = true
		case "FAIL", "---":
			t.Error(lines.Text())
		}
	}
	if _, err := OpenResume(dir, killSample(t).Info.Key()); err == nil {
		t.Error("a second download could start beside the first")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	for lines.Scan() { // what it said before it died
		var i int
		if k, _ := fmt.Sscanf(lines.Text(), "have %d", &i); k == 1 {
			said.Set(i)
		}
	}
	_ = cmd.Wait() // killed, as wanted
	return ended
}
