//go:build unix

package test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

func trackerGuide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(rig.Path("docs", "tracker.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var fence = regexp.MustCompile("(?ms)^( *)```([a-z]+)\n(.*?)^ *```$")

// fenced returns the pieces of code of that language in the guide, without their indentation.
func fenced(t *testing.T, language string) (all []string) {
	t.Helper()
	for _, m := range fence.FindAllStringSubmatch(trackerGuide(t), -1) {
		if m[2] == language {
			all = append(all, regexp.MustCompile("(?m)^"+m[1]).ReplaceAllString(m[3], ""))
		}
	}
	if len(all) == 0 {
		t.Fatalf("docs/tracker.md has no %s", language)
	}
	return all
}

// The guide names settings, commands and counters that exist.
func TestTrackerGuide(t *testing.T) {
	t.Parallel()
	guide := trackerGuide(t)
	known := trackerSettings(t)
	wantSettings(t, "docs/tracker.md", guide)
	for _, block := range fenced(t, "yaml") {
		if strings.HasPrefix(block, "scrape_configs:") {
			continue // of Prometheus
		}
		for _, m := range regexp.MustCompile(`(?m)^#?([a-z0-9-]+):`).FindAllStringSubmatch(block, -1) {
			if !slices.Contains(known, m[1]) {
				t.Errorf("a file in docs/tracker.md has the key %s, which is no setting", m[1])
			}
		}
	}
	// Keys in the text: `name`, `name: value`, `--name`, and nothing else that looks like one.
	other := strings.Fields("wmem-max tracker-md source-hash shoal-data")
	for _, m := range regexp.MustCompile("`(?:--)?([a-z]+(?:-[a-z0-9]+)+)(?:: [^`]+)?`").FindAllStringSubmatch(guide, -1) {
		if !slices.Contains(known, m[1]) && !slices.Contains(other, m[1]) && m[1] != "beyond-loopback" && m[1] != "health-cmd" {
			t.Errorf("docs/tracker.md names `%s`, which is no setting", m[1])
		}
	}
	for _, block := range fenced(t, "sh") {
		for _, m := range regexp.MustCompile(`(?m)^shoal (tracker|bench tracker)(?: (token|health))?(.*)$`).FindAllStringSubmatch(block, -1) {
			help := rig.Run(t, append(strings.Fields(m[1]+" "+m[2]), "--help")...)
			for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(m[3], -1) {
				if !strings.Contains(help.Stdout, flag) && flag != "--help" {
					t.Errorf("docs/tracker.md: %s: there is no %s", m[0], flag)
				}
			}
		}
	}
	for _, m := range regexp.MustCompile(`\]\(#([a-z-]+)\)`).FindAllStringSubmatch(guide, -1) {
		if !regexp.MustCompile(`(?mi)^## ` + strings.ReplaceAll(m[1], "-", " ") + `$`).MatchString(guide) {
			t.Errorf("docs/tracker.md links to #%s, which is no heading", m[1])
		}
	}
	// Messages that it explains are those of the program.
	var sources strings.Builder
	for _, pattern := range []string{"tracker/*.go", "internal/tracker/limit/*.go", "cmd/shoal/tracker*.go"} {
		files, err := filepath.Glob(rig.Path(filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(text)
		}
	}
	for _, m := range regexp.MustCompile("`(t(?:oo|racker) [^`]+)`").FindAllStringSubmatch(guide, -1) {
		if !strings.Contains(sources.String(), m[1]) && m[1] != "tracker ready on …" {
			t.Errorf("docs/tracker.md explains %q, which the tracker never says", m[1])
		}
	}
	example, err := os.ReadFile(rig.Path("tracker", "example_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(fenced(t, "go")[0]) {
		if !strings.Contains(string(example), strings.TrimSpace(line)) {
			t.Errorf("tracker/example_test.go lacks the guide's line %q", line)
		}
	}

	// The counters it builds alerts on, with everything switched on.
	_, cluster, _ := strings.Cut(freeAddr(t), ":")
	admin := freeAddr(t)
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, addr := startTracker(t, "--admin", admin, "--turn", freeAddr(t), "--cluster", "embedded", "--cluster-listen", "127.0.0.1:"+cluster, "--hash-deny", list,
		"--hook", "http://127.0.0.1:1/", "--hook-away", "allow")
	rig.StartAnnouncer(t).Client("00112233445566778899aabbccddeeff00112255", "http://"+addr+"/announce", 6601).Call("start", 0)
	metrics := string(rig.Fetch(t, "http://"+admin+"/metrics"))
	for _, name := range regexp.MustCompile(`(?:shoal|process)_[a-z_]+`).FindAllString(guide, -1) {
		// These need certificates and a file of countries; the page's own tests have them.
		other := name == "shoal_tracker_certificate_end_timestamp_seconds" || name == "shoal_tracker_country_connections"
		if !other && !strings.Contains(metrics, "\n"+name) {
			t.Errorf("docs/tracker.md names %s, which /metrics has not", name)
		}
	}
}

// freeAddr is an address of loopback where nobody listened a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	return "127.0.0.1:" + itoa(rig.FreePort(t))
}

// A token lets its holder in over every door, to its own torrent only, and nobody else.
func TestTokensOpenEveryDoor(t *testing.T) {
	t.Parallel()
	const hash = "00112233445566778899aabbccddeeff00112266"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("a secret of the site, and of nobody else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, addr := startTracker(t, "--token-secret-file", file)
	token := func(args ...string) string {
		t.Helper()
		r := rig.Run(t, append([]string{"tracker", "token", "--secret-file", file}, args...)...)
		if r.Code != 0 {
			t.Fatalf("tracker token: %+v", r)
		}
		return strings.TrimSpace(r.Stdout)
	}
	clients := rig.StartAnnouncer(t)
	one := token("--info-hash", hash)
	for i, scheme := range []string{"ws", "http"} {
		c := clients.Client(hash, scheme+"://"+addr+"/announce?token="+one, 6701+i)
		c.Call("start", 0)
		c.Wait("answer over "+scheme, func(e rig.Event) bool { return e.Str("event") == "update" })
	}
	for i, c := range []struct{ hash, query, says string }{
		{strings.Repeat("ff", 20), "?token=" + one, "another torrent"},
		{hash, "", "needs a token"},
	} {
		refused := clients.Client(c.hash, "http://"+addr+"/announce"+c.query, 6711+i)
		refused.Call("start", 0)
		refused.Wait("refusal that says "+c.says, func(e rig.Event) bool {
			return e.Str("event") == "warning" && strings.Contains(e.Str("message"), c.says)
		})
	}
	// Over UDP libtorrent sends what stands behind the port (BEP 41).
	payload, torrent, _ := oneFile(t, 95, "udp://"+addr+"/announce?token="+token())
	rig.LibtorrentSeed(t, torrent, filepath.Dir(payload), "--trackers").Event("tracker", 30*time.Second)
	payload, torrent, _ = oneFile(t, 96, "udp://"+addr+"/announce")
	// It shows no reason that a UDP tracker gives.
	rig.LibtorrentSeed(t, torrent, filepath.Dir(payload), "--trackers").Event("tracker_error", 30*time.Second)
}
