package main

import (
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/shoal-p2p/shoal"
)

// selection is what --select names: files by number, as shoal info lists them, by
// name or by pattern.
type selection struct {
	mu   sync.Mutex
	want []selectArgument
}

// selectArgument is one --select. As a whole it may be the name of a file, which may
// have commas and brackets in it; else it is a list.
type selectArgument struct {
	text string
	list []selector
	met  bool // a file has this name
}

type selector struct {
	text        string
	first, last int    // numbers from 1; 0 for a pattern
	pattern     string // of path.Match, over the path or, without a slash, over its last part
	met         bool   // some file matched
}

func parseSelection(list []string) (*selection, error) {
	s := &selection{}
	for _, text := range list {
		arg := selectArgument{text: text}
		for _, part := range splitList(text) {
			sel, err := parseSelector(part)
			if err != nil {
				return nil, err
			}
			arg.list = append(arg.list, sel)
		}
		s.want = append(s.want, arg)
	}
	return s, nil
}

// splitList cuts at commas that no backslash precedes. The backslashes stay: in a
// pattern they mean the same.
func splitList(text string) (parts []string) {
	from := 0
	for k := 0; k < len(text); k++ {
		switch text[k] {
		case '\\':
			k++
		case ',':
			parts = append(parts, text[from:k])
			from = k + 1
		}
	}
	return append(parts, text[from:])
}

func parseSelector(text string) (sel selector, err error) {
	sel.text = text
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	a, err1 := strconv.ParseUint(from, 10, 31)
	b, err2 := strconv.ParseUint(to, 10, 31)
	switch {
	case err1 == nil && err2 == nil && (a == 0 || a > b):
		return sel, usagef("--select %s: files are numbered from 1, and a range goes upwards", text)
	case err1 == nil && err2 == nil:
		sel.first, sel.last = int(a), int(b)
	case text == "":
		return sel, usagef("--select: a part is empty; give a number, a range such as 2-5, a name or a pattern such as '*.mp4'")
	default:
		sel.pattern = text
	}
	return sel, nil
}

// priority is that of a file, for shoal.AddOptions.
func (s *selection) priority(f *shoal.File) shoal.Priority {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.selects(f.Index()+1, f.Path()) {
		return shoal.Normal
	}
	return shoal.Skip
}

func (s *selection) selects(number int, name string) (wanted bool) {
	for i := range s.want {
		arg := &s.want[i]
		if called(name, arg.text) {
			arg.met, wanted = true, true
		}
		for k := range arg.list {
			if arg.list[k].matches(number, name) {
				arg.list[k].met, wanted = true, true
			}
		}
	}
	return wanted
}

func (s *selector) matches(number int, name string) bool {
	if s.pattern == "" {
		return s.first <= number && number <= s.last
	}
	if called(name, s.pattern) {
		return true
	}
	if !strings.Contains(s.pattern, "/") {
		name = path.Base(name)
	}
	ok, _ := path.Match(s.pattern, name) // what is no pattern may still be a name
	return ok
}

// called reports whether text is the path of a file or its last part, letter by letter.
func called(file, text string) bool { return text == file || text == path.Base(file) }

// missed is the first of the user's words that named no file, "" if all did.
func (s *selection) missed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, arg := range s.want {
		if arg.met {
			continue
		}
		for _, sel := range arg.list {
			if !sel.met {
				return sel.text
			}
		}
	}
	return ""
}
