package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Downloads are counted on after a restart, and the operator sees them.
func TestHistoryOverRestarts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.db")
	hash := url.QueryEscape(string(film[:]))
	start := func() (r *runningTracker, base string) {
		r = startTracker(t, "--history", file, "--admin", "127.0.0.1:0")
		return r, "http://" + r.addr(t, "ws, http, udp")
	}
	download := func(base, peer string) {
		t.Helper()
		for _, more := range []string{"left=1&event=started", "left=0&event=completed"} {
			id := fmt.Sprintf("%-20s", peer)
			if status, body := get(t, http.DefaultClient, base+"/announce?info_hash="+hash+"&peer_id="+url.QueryEscape(id)+fmt.Sprintf("&port=%d&", peer[0])+more); status != 200 || strings.Contains(body, "failure") {
				t.Fatal(status, body)
			}
		}
	}
	downloads := func(base string, want int) {
		t.Helper()
		if _, body := get(t, http.DefaultClient, base+"/scrape?info_hash="+hash); !strings.Contains(body, fmt.Sprintf("10:downloadedi%de", want)) {
			t.Errorf("scrape says %q, want %d downloads", body, want)
		}
	}
	r, base := start()
	download(base, "a")
	download(base, "b")
	downloads(base, 2)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	r, base = start()
	downloads(base, 2)
	download(base, "c")
	downloads(base, 3)
	var past struct {
		Hours, Days []struct{ Downloads int }
		Top         []struct {
			InfoHash  string `json:"info_hash"`
			Downloads int
			Peak      int
			Seen      time.Time
		}
	}
	_, body := get(t, http.DefaultClient, "http://"+adminAddr(t, r)+"/past.json")
	if err := json.Unmarshal([]byte(body), &past); err != nil {
		t.Fatal(err, body)
	}
	all := 0
	for _, h := range past.Hours { // two, if the hour has just ended
		all += h.Downloads
	}
	if all != 3 || len(past.Days) == 0 || len(past.Top) != 1 || past.Top[0].Downloads != 3 || past.Top[0].Peak != 2 || past.Top[0].InfoHash != fmt.Sprintf("%x", film) || time.Since(past.Top[0].Seen) > time.Hour {
		t.Errorf("%s", body)
	}
}

// adminAddr is where the operator's pages are, by the log.
func adminAddr(t *testing.T, r *runningTracker) string {
	t.Helper()
	m := regexp.MustCompile(`operator's pages" address=(\S+)`).FindStringSubmatch(r.log.String())
	if m == nil {
		t.Fatalf("the log does not say where:\n%s", r.log)
	}
	return m[1]
}

// What cannot be kept is no reason not to serve.
func TestHistoryThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	r := startTracker(t, "--history", dir)
	if reason := announceHTTP(t, r.addr(t, "ws, http, udp"), film, ""); reason != "" {
		t.Error(reason)
	}
	if log := r.log.String(); !strings.Contains(log, "nothing is kept over restarts") || !strings.Contains(log, dir) {
		t.Errorf("the log does not say so:\n%s", log)
	}
}
