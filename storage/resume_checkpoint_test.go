//go:build unix

package storage

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// beginOnFaults is begin over a faulty disk.
func beginOnFaults(t *testing.T, dir string, s *sample) (*session, *faults) {
	t.Helper()
	r, err := OpenResume(dir, s.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetInfo(s.Info); err != nil {
		t.Fatal(err)
	}
	f, d := onFaults(t, dir, s, FileOptions{})
	x := &session{Resume: r, f: f}
	if x.have, x.doubtful, err = r.Attach(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return x, d
}

func logOf(t *testing.T, dir string, s *sample) resumeLog {
	t.Helper()
	b, err := os.ReadFile(resumePath(dir, s))
	if err != nil {
		t.Fatal(err)
	}
	log, err := parseResumeLog(bytes.NewReader(b), int64(len(b)), s.Info.Key())
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// A piece that is recorded while the disk is being forced to write may come too
// late for it.
func TestACheckpointVouchesForNothingRecordedMeanwhile(t *testing.T) {
	s := mixed(t, true, true)
	dir := t.TempDir()
	x, d := beginOnFaults(t, dir, s)
	x.download(t, s, 0, 1)
	once := false
	d.fail = func(op, name string) error {
		if op == "sync" && !once {
			once = true
			if err := x.MarkHave(6); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	x.checkpoint()
	if !once {
		t.Fatal("nothing was forced to the disk")
	}
	log := logOf(t, dir, s)
	if len(log.unsafe) != 1 || log.unsafe[0].piece != 6 {
		t.Errorf("the checkpoint leaves %v in doubt, want piece 6 alone", log.unsafe)
	}
	x.checkpoint()
	if log := logOf(t, dir, s); len(log.unsafe) != 0 {
		t.Errorf("the next one leaves %v in doubt", log.unsafe)
	}
}

// A disk takes seconds to write what it holds back; the download goes on meanwhile.
func TestRecordingDoesNotWaitForTheDisk(t *testing.T) {
	for _, what := range []string{"files", "log"} {
		t.Run(what, func(t *testing.T) {
			s := mixed(t, true, true)
			x, d := beginOnFaults(t, t.TempDir(), s)
			s.fill(t, x.f, 0)
			begun, release := make(chan bool, 100), make(chan bool)
			slow := func() error {
				begun <- true
				<-release
				return nil
			}
			if what == "log" {
				x.force = slow
			} else {
				d.fail = func(op, name string) error {
					if op == "sync" {
						return slow()
					}
					return nil
				}
			}
			x.syncEach = 0
			if err := x.MarkHave(0); err != nil {
				t.Fatal(err)
			}
			<-begun
			recorded := make(chan error)
			go func() { recorded <- x.MarkHave(1) }()
			select {
			case err := <-recorded:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Error("recording a piece waits for the disk")
			}
			close(release)
			x.wg.Wait()
		})
	}
}

func TestACheckpointThatFailsIsTold(t *testing.T) {
	s := mixed(t, true, true)
	dir := t.TempDir()
	x, d := beginOnFaults(t, dir, s)
	d.fail = func(op, name string) error {
		if op == "sync" {
			return syscall.EIO
		}
		return nil
	}
	x.download(t, s, 0)
	x.checkpoint()
	if !strings.Contains(x.Note(), "input/output error") || !strings.Contains(x.Note(), "checked again") {
		t.Errorf("note: %q", x.Note())
	}
	if log := logOf(t, dir, s); len(log.unsafe) != 1 {
		t.Errorf("the pieces in doubt are %v", log.unsafe)
	}
	d.fail = nil
}
