package npm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An installation is made once for each lock file, and without npm it says what is lacking.
func TestCIRunsOnceForEachLockFile(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	ran := filepath.Join(bin, "ran")
	script := "#!/bin/sh\necho \"$*\" >> " + ran + "\nmkdir -p node_modules\n"
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", bin+string(os.PathListSeparator)+path)
	lock := filepath.Join(dir, "package-lock.json")
	runs := func(content string) int {
		t.Helper()
		if err := os.WriteFile(lock, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := CI(dir, func(string) {}, "--omit=optional"); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(ran)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), "--ignore-scripts") || !strings.Contains(string(b), "--omit=optional") {
			t.Errorf("npm was run with %s", b)
		}
		return strings.Count(string(b), "\n")
	}
	for i, step := range []struct {
		lock string
		want int
	}{{"{}", 1}, {"{}", 1}, {"{ }", 2}} {
		if got := runs(step.lock); got != step.want {
			t.Errorf("step %d: npm ran %d times, want %d", i, got, step.want)
		}
	}

	t.Setenv("PATH", t.TempDir())
	if err := CI(dir, func(string) {}); err != nil {
		t.Errorf("what is installed needs no npm: %v", err)
	}
	if err := os.WriteFile(lock, []byte("{  }"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := CI(dir, func(string) {}); err == nil || !strings.Contains(err.Error(), "Node 20") {
		t.Errorf("without npm: %v", err)
	}
}
