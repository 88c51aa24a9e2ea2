//go:build unix

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/tracker/load"
)

func TestBenchTracker(t *testing.T) {
	p := startProcess(t)
	cmd := shoalCommand(t, "bench", "tracker", "--url", "ws://"+p.addr+"/announce", "--profile", "idle", "--conns", "10", "--duration", "100ms", "--json")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	var r load.Report
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if r.Profile != "idle" || r.Conns != 10 || r.Delivered != 5 || r.AnswersDelivered != 5 || len(r.Errors) != 0 {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(errs.String(), "10 connections opened") {
		t.Errorf("it said %q", errs.String())
	}
}

func TestBenchTrackerMistakes(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--url ws://192.0.2.1:80/announce", "--beyond-loopback"},
		{"--url http://127.0.0.1:1/announce", "profile heavy needs one of ws://"},
		{"--profile nothing", "nothing"},
		{"--rate-scale=-1", "rate scale -1 is negative"},
	} {
		cmd := shoalCommand(t, append([]string{"bench", "tracker"}, strings.Fields(c.args)...)...)
		var errs strings.Builder
		cmd.Stderr = &errs
		cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(errs.String(), c.want) || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%s: exit %d, %q", c.args, code, errs.String())
		}
	}
}
