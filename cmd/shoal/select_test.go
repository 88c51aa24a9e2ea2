package main

import (
	"errors"
	"testing"
)

func TestSelection(t *testing.T) {
	files := []string{"a.mp4", "b.txt", "cover/front.jpg", "cover/back.jpg"}
	for _, c := range []struct {
		list []string
		want string // the numbers of the files
	}{
		{[]string{"1"}, "1"},
		{[]string{"2-3"}, "23"},
		{[]string{"2-9"}, "234"},
		{[]string{"*.mp4"}, "1"},
		{[]string{"*.jpg"}, "34"},
		{[]string{"cover/*"}, "34"},
		{[]string{"cover/front.jpg"}, "3"},
		{[]string{"b.txt", "4"}, "24"},
		{[]string{"?.*"}, "12"},
	} {
		s, err := parseSelection(c.list)
		if err != nil {
			t.Errorf("%v: %v", c.list, err)
			continue
		}
		got := ""
		for i, name := range files {
			for k := range s.want {
				if s.want[k].matches(i+1, name) {
					got += string(rune('1' + i))
				}
			}
		}
		if got != c.want {
			t.Errorf("%v selects %s, want %s", c.list, got, c.want)
		}
	}
	for _, wrong := range []string{"", "0", "3-2", "0-4", "[a", "-"} {
		_, err := parseSelection([]string{wrong})
		var u errUsage
		if wrong == "-" {
			if err != nil {
				t.Errorf("a file may be named -: %v", err)
			}
		} else if !errors.As(err, &u) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
