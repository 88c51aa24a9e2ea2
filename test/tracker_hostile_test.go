//go:build unix

package test

import (
	"encoding/json"
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
// attack reaches the limits and not the memory. `make bench` runs them in full.
func TestTrackerUnderAttack(t *testing.T) {
	for _, profile := range []string{"slowloris", "bigframes", "hashes", "badjson", "udpspoof", "storm"} {
		t.Run(profile, func(t *testing.T) {
			p, addr := startTracker(t, "--limits-exempt", "none", "--max-swarms", "20000", "--max-buffers", "64MiB",
				"--announce-rate-per-addr", "200/s:2000", "--max-conns-per-prefix", "0", "--announce-rate-per-prefix", "off")
			r := rig.Run(t, "bench", "tracker", "--profile", profile, "--url", "ws://"+addr+"/announce", "--pid", strconv.Itoa(p.PID()),
				"--conns", "60", "--attack-conns", "200", "--attack-rate", "1000", "--warmup", "1s", "--duration", "4s", "--json")
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
			if got.RSSPeak > 200 {
				t.Errorf("the tracker took %.0f MiB", got.RSSPeak)
			}
			if strings.Contains(p.Stderr(), "127.0.") {
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
