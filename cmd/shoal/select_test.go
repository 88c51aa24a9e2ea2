package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestSelection(t *testing.T) {
	files := []string{"a.mp4", "b.txt", "cover/front.jpg", "cover/back.jpg", "[Group] One, two & 3 [1080p].mkv", "[x.srt"}
	for _, c := range []struct {
		list   []string
		want   string // the numbers of the files
		missed string
	}{
		{[]string{"1"}, "1", ""},
		{[]string{"2-3"}, "23", ""},
		{[]string{"2-9"}, "23456", ""},
		{[]string{"*.mp4"}, "1", ""},
		{[]string{"*.jpg"}, "34", ""},
		{[]string{"cover/*"}, "34", ""},
		{[]string{"cover/front.jpg"}, "3", ""},
		{[]string{"front.jpg"}, "3", ""},
		{[]string{"b.txt", "4"}, "24", ""},
		{[]string{"1,b.txt,3-4"}, "1234", ""},
		{[]string{"?.*"}, "12", ""},
		{[]string{"[Group] One, two & 3 [1080p].mkv"}, "5", ""},
		{[]string{`*One\, two*,1`}, "15", ""},
		{[]string{"*One, two*"}, "", "*One"},
		{[]string{"[x.srt"}, "6", ""},
		{[]string{"1,[x.srt"}, "16", ""},
		{[]string{"[y.srt"}, "", "[y.srt"},
		{[]string{"1,9"}, "1", "9"},
	} {
		s, err := parseSelection(c.list)
		if err != nil {
			t.Errorf("%v: %v", c.list, err)
			continue
		}
		got := ""
		for i, name := range files {
			if s.selects(i+1, name) {
				got += string(rune('1' + i))
			}
		}
		if got != c.want || s.missed() != c.missed {
			t.Errorf("%v selects %s, want %s; misses %q, want %q", c.list, got, c.want, s.missed(), c.missed)
		}
	}
	for _, wrong := range []string{"", "0", "3-2", "0-4", "1,,2", "1,"} {
		_, err := parseSelection([]string{wrong})
		if _, ok := errors.AsType[errUsage](err); !ok {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, err := parseSelection([]string{"-"}); err != nil {
		t.Errorf("a file may be named -: %v", err)
	}
}

// The command line hands arguments on whole, with commas and backslashes.
func TestSelectByANameWithACommaInIt(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "f/x, y.bin", "content")
	put(t, dir, "f/z.bin", "more")
	torrent := filepath.Join(dir, "f.torrent")
	get := func(name string) (code int, stderr string) {
		_, stderr = printed(t, func() {
			if code = run([]string{"create", filepath.Join(dir, "f"), "-o", torrent}); code == 0 {
				code = run([]string{"get", "--select", name, "-o", dir, "--no-dht", "--no-lsd", "--stun", "none", torrent})
			}
		})
		return code, stderr
	}
	for _, name := range []string{"x, y.bin", `x\, *`, `1,x\, y.bin`} {
		if code, stderr := get(name); code != 0 {
			t.Errorf("--select %q: exit %d, %s", name, code, stderr)
		}
	}
	if code, stderr := get(`a\,b,`); code != 2 || !strings.Contains(stderr, "--select: a part is empty") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}
