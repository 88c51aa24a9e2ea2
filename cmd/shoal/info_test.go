package main

import (
	"strings"
	"testing"
)

// What a torrent makes besides files, executables and symbolic links, is shown.
func TestInfoShowsLinksAndExecutables(t *testing.T) {
	file := put(t, t.TempDir(), "x.torrent", "d4:infod5:filesl"+
		"d4:attr1:x6:lengthi3e4:pathl3:runee"+
		"d4:attr1:l6:lengthi0e4:pathl4:linke12:symlink pathl3:runee"+
		"e4:name3:dir12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee")
	var code int
	stdout, stderr := printed(t, func() { code = run([]string{"info", file}) })
	if want := "symlink       link -> run\n"; code != 0 || !strings.Contains(stdout, want) {
		t.Errorf("exit %d, %q, %q, want %q", code, stdout, stderr, want)
	}
	stdout, stderr = printed(t, func() { code = run([]string{"info", "--json", file}) })
	for _, want := range []string{
		`"files":[{"path":"run","length":3,"executable":true}]`, `"symlinks":[{"path":"link","target":"run"}]`,
	} {
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, %q, %q, want %q", code, stdout, stderr, want)
		}
	}
}
