package main

import (
	"regexp"
	"strings"
)

var tapLine = regexp.MustCompile(`^(?:# Subtest: .*|(ok|not ok) \d+ - (.*))$`)

// runWeb checks the types of the TypeScript modules, runs their unit tests and tallies what
// node reports, in TAP.
func runWeb(options) tally {
	var t tally
	for _, project := range []string{"web/tsconfig.json", "web/tsconfig.worker.json"} {
		t.add(check("types of "+project, nil, "node", "web/node_modules/typescript/bin/tsc", "-p", project))
	}
	out, err := run([]string{"NODE_OPTIONS=--test-reporter=tap"}, "go", "run", "./internal/dev/webbuild", "test")
	from := 0 // where the text of the current test starts
	lines := strings.Split(out, "\n")
	for i, line := range lines {
		m := tapLine.FindStringSubmatch(line)
		switch {
		case m == nil:
		case m[1] == "":
			from = i
		case m[1] == "ok" && !strings.Contains(m[2], "# SKIP"):
			t.passed++
		default:
			end := i + 1 // the details follow the result
			for end < len(lines) && strings.HasPrefix(lines[end], "  ") {
				end++
			}
			t.fail("web "+m[2], strings.Join(lines[from:end], "\n"))
		}
	}
	if err != nil && !strings.Contains(out, "not ok ") {
		t.fail("web", out+err.Error())
	}
	return t
}
