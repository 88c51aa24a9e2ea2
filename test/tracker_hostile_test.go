//go:build unix

package test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// loadReport is what `shoal bench tracker --json` tells of the honest peers and of the attack.
type loadReport struct {
	Failed      int64 `json:"connections_failed"`
	Lost        int64 `json:"connections_lost"`
	Announces   int64
	Replies     int64
	Deliverable int64   `json:"offers_deliverable"`
	Delivered   int64   `json:"offers_delivered"`
	RSSPeak     float64 `json:"rss_peak_mib"`
	Errors      map[string]int
	Attack      struct {
		Conns    int64 `json:"connections"`
		Sent     int64 `json:"messages_sent"`
		Accepted int64
	}
}

// Each hostile profile at a small size, beside honest peers: all of them are served, the
// attack reaches the limits and not the memory, and is counted by its reason. `make bench` runs them in full.
func TestTrackerUnderAttack(t *testing.T) {
	for _, tc := range []struct {
		profile, conns, rate string
		reason               string // "" where a short attack reaches no limit
		args                 []string
	}{
		{"slowloris", "200", "1000", "", nil},
		{"bigframes", "200", "1000", "", nil},
		{"hashes", "200", "1000", "", nil},
		{"badjson", "200", "1000", "malformed", nil},
		{"udpspoof", "200", "1000", "connection_id", nil},
		{"storm", "200", "1000", "", nil},
		{"halfframes", "600", "0", "buffers_address", []string{"--max-buffers", "2MiB"}},
		{"bodies", "200", "0", "request_body", nil},
		{"slowreaders", "40", "4000", "slow_reader", nil},
		{"peerids", "20", "1000", "peer_ids", nil},
		{"flood", "20", "3000", "announces_connection", []string{"--announce-rate-per-conn", "50/s:200"}},
		{"answers", "20", "2000", "no_route", nil},
		{"full", "20", "3000", "full", []string{"--max-swarms", "1000", "--max-peers", "4000"}},
		{"candidates", "20", "500", "candidates", nil},
	} {
		t.Run(tc.profile, func(t *testing.T) {
			admin := "127.0.0.1:" + strconv.Itoa(rig.FreePort(t))
			p, addr := startTracker(t, append([]string{"--limits-exempt", "none", "--max-swarms", "20000", "--max-buffers", "64MiB", "--admin", admin,
				"--announce-rate-per-addr", "20000/s", "--max-conns-per-prefix", "0", "--announce-rate-per-prefix", "off"}, tc.args...)...)
			r := rig.Run(t, "bench", "tracker", "--profile", tc.profile, "--url", "ws://"+addr+"/announce", "--pid", strconv.Itoa(p.PID()),
				"--conns", "60", "--attack-conns", tc.conns, "--attack-rate", tc.rate, "--warmup", "1s", "--duration", "4s", "--json")
			var got loadReport
			if err := json.Unmarshal([]byte(r.Stdout), &got); r.Code != 0 || err != nil {
				t.Fatalf("bench: exit %d, %v, %s", r.Code, err, r.Stderr)
			}
			if got.Failed+got.Lost != 0 || len(got.Errors) != 0 {
				t.Errorf("honest peers: %d connections failed, %d lost, errors %v", got.Failed, got.Lost, got.Errors)
			}
			if got.Announces == 0 || got.Replies != got.Announces || got.Delivered != got.Deliverable {
				t.Errorf("honest peers: %d of %d announces answered, %d of %d offers delivered", got.Replies, got.Announces, got.Delivered, got.Deliverable)
			}
			if got.Attack.Conns+got.Attack.Sent == 0 {
				t.Error("nobody attacked")
			}
			if reason := `reason="` + tc.reason + `"}`; tc.reason != "" {
				if text := fetch(t, "http://"+admin+"/metrics"); !strings.Contains(text, reason) || strings.Contains(text, reason+" 0\n") {
					t.Errorf("%s is not counted", tc.reason)
				}
			}
			if got.RSSPeak > 200 {
				t.Errorf("the tracker took %.0f MiB", got.RSSPeak)
			}
			if strings.Contains(strings.ReplaceAll(p.Stderr(), admin, ""), "127.0.") {
				t.Errorf("an address stands in the log: %s", p.Stderr())
			}
			if !p.Running() {
				t.Fatal("the tracker ended")
			}
			p.Interrupt()
			if code := p.Exit(20 * time.Second); code != 0 {
				t.Errorf("the tracker exits with %d", code)
			}
		})
	}
}

// fetch returns a page.
func fetch(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
