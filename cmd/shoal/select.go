package main

import (
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/shoal-p2p/shoal"
)

// selection is what --select names: files by number, as shoal info lists them, or
// by pattern.
type selection struct {
	mu   sync.Mutex
	want []selector
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
		sel := selector{text: text}
		from, to, isRange := strings.Cut(text, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.ParseUint(from, 10, 31)
		b, err2 := strconv.ParseUint(to, 10, 31)
		switch {
		case err1 == nil && err2 == nil && (a == 0 || a > b):
			return nil, usagef("--select %s: files are numbered from 1, and a range goes upwards", text)
		case err1 == nil && err2 == nil:
			sel.first, sel.last = int(a), int(b)
		default:
			if _, err := path.Match(text, ""); err != nil || text == "" {
				return nil, usagef("--select %s: neither a number, a range such as 2-5 nor a pattern such as '*.mp4'", text)
			}
			sel.pattern = text
		}
		s.want = append(s.want, sel)
	}
	return s, nil
}

// priority is that of a file, for shoal.AddOptions.
func (s *selection) priority(f *shoal.File) shoal.Priority {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := shoal.Skip
	for i := range s.want {
		if s.want[i].matches(f.Index()+1, f.Path()) {
			s.want[i].met = true
			p = shoal.Normal
		}
	}
	return p
}

func (s *selector) matches(number int, name string) bool {
	if s.pattern == "" {
		return s.first <= number && number <= s.last
	}
	if !strings.Contains(s.pattern, "/") {
		name = path.Base(name)
	}
	ok, _ := path.Match(s.pattern, name)
	return ok
}

// missed is the first of the user's words that named no file, "" if all did.
func (s *selection) missed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.want {
		if !s.want[i].met {
			return s.want[i].text
		}
	}
	return ""
}
