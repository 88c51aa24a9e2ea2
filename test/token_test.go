//go:build unix

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/token"
	"github.com/shoal-p2p/shoal/test/rig"
)

// The programs in docs/tokens.md make tokens that are good, for a day.
func TestDocumentedTokenMakers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(rig.Path("docs", "tokens.md"))
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)<!-- (\\w+) -->\n```\\w+\n(.*?)```").FindAllSubmatch(text, -1) {
		programs[string(m[1])] = string(m[2])
	}
	// PHP is documented and not a tool of these tests.
	for _, run := range [][]string{{"node", "-e"}, {"python", "/usr/bin/python3", "-c"}, {"sh", "-c"}} {
		name := run[0]
		if name == "python" {
			run = run[1:]
		}
		program := programs[name]
		if program == "" {
			t.Errorf("docs/tokens.md has no program for %s", name)
			continue
		}
		dir := t.TempDir()
		secret := filepath.Join(dir, "token-secret")
		if err := os.WriteFile(secret, []byte("c2VjcmV0IG9mIHRoaXMgdGVzdA+/==\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := token.LoadKeys(secret)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(run[0], append(run[1:], program)...)
		cmd.Dir = dir
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, stderr.String())
			continue
		}
		claims, err := keys.Verify(strings.TrimSpace(string(out)))
		left := time.Until(claims.Expires)
		if err != nil || left < 23*time.Hour || left > 25*time.Hour {
			t.Errorf("%s makes %s: good for %v, %v", name, out, left, err)
		}
	}
}
