//go:build unix

package main

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed equivalent.txt
var equivalentText string

// parseEquivalents reads the list of mutants that behave as the original does,
// so that no test can notice them. An entry is the key of a mutant on a line,
// and below it, indented, why. Lines that begin with # are comments.
func parseEquivalents(text string) (map[string]string, error) {
	all := map[string]string{}
	last := ""
	for n, line := range strings.Split(text, "\n") {
		switch {
		case strings.TrimSpace(line) == "" || line[0] == '#':
		case line[0] == '\t' || line[0] == ' ':
			if last == "" {
				return nil, fmt.Errorf("line %d: a reason without a mutant", n+1)
			}
			all[last] = strings.TrimSpace(all[last] + " " + strings.TrimSpace(line))
		default:
			last = strings.TrimSpace(line)
			if _, twice := all[last]; twice {
				return nil, fmt.Errorf("line %d: twice in the list: %s", n+1, last)
			}
			all[last] = ""
		}
	}
	for key, why := range all {
		if why == "" {
			return nil, fmt.Errorf("no reason is given for %s", key)
		}
	}
	return all, nil
}
