//go:build linux

package storage

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shoal-p2p/shoal/metainfo"
)

// fullEnv makes this test binary a process that may write ten bytes to a file.
const fullEnv = "SHOAL_TEST_RESUME_INTO"

// Resume data that cannot be begun is an error at once, not after the download, and
// leaves no file that the next run would stumble over.
func TestResumeThatCannotBeBegun(t *testing.T) {
	key := metainfo.Hash{1, 2, 3}
	if dir := os.Getenv(fullEnv); dir != "" {
		signal.Ignore(unix.SIGXFSZ)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 10, Max: 10}); err != nil {
			t.Fatal(err)
		}
		r, err := OpenResume(dir, key)
		if err == nil {
			t.Fatal("there is no room for its head, and it says nothing")
		}
		var e *Error
		if r != nil || !errors.As(err, &e) || e.Op != "write" {
			t.Errorf("%v", err)
		}
		if list, _ := os.ReadDir(dir); len(list) != 0 {
			t.Errorf("it leaves %v", list)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestResumeThatCannotBeBegun$")
	cmd.Env = append(os.Environ(), fullEnv+"="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
