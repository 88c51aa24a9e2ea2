package secret

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecretsOfAFile(t *testing.T) {
	path := file(t, "# ours\n\n  the newest of them all  \r\nthe one before # it\n")
	got, err := List(path)
	if want := []string{"the newest of them all", "the one before # it"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if all, err := Lines(path); err != nil || all[0] != "the newest of them all" {
		t.Errorf("%q, %v", all, err)
	}
	if all, err := Lines(file(t, "me:hunter2\nyou:x\n")); err != nil || !slices.Equal(all, []string{"me:hunter2", "you:x"}) {
		t.Errorf("%q, %v", all, err)
	}
}

func TestFilesThatWillNotDo(t *testing.T) {
	for text, want := range map[string]string{
		"":                                ": there is no secret in it; write one of 16 bytes or more",
		"# comment\n\n":                   ": there is no secret in it",
		"\nhunter2hunte":                  ":2: the secret has 12 bytes, it needs 16 or more",
		"the newest of them all\nhunter2": ":2: the secret has 7 bytes",
	} {
		path := file(t, text)
		if _, err := List(path); err == nil || !strings.HasPrefix(err.Error(), path+want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Lines(file(t, "#\n")); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing in it: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := List(missing); !errors.Is(err, os.ErrNotExist) || strings.Count(err.Error(), missing) != 1 {
		t.Errorf("no file: %v", err)
	}
}
