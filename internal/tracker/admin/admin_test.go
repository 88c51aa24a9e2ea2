package admin

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/tracker"
)

// A fake has the counts a test gives it.
type fake struct {
	mu    sync.Mutex
	stats tracker.Stats
	asked int
}

func (f *fake) Stats() tracker.Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.stats
}

func (f *fake) set(change func(s *tracker.Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.stats)
}

func busy() *fake {
	return &fake{stats: tracker.Stats{
		Swarms: 7, WebRTCPeers: 9, TCPPeers: 4, Seeders: 3, Conns: 8, HTTPConns: 2, Buffers: 4096, TLSFailures: 16,
		Announces: [3]uint64{100, 20, 3}, Scrapes: [3]uint64{1, 2, 3}, Refused: [3]uint64{4, 5, 6},
		Offers: 200, Answers: 150, Unplaced: 11, Dropped: 12, Limited: 13, Accepted: 14, Malformed: 15,
		Reasons:    [limit.NumReasons]uint64{limit.NoRoute: 12, limit.Buffers: 13, limit.ClientDenied: 4},
		MessagesIn: 1000, MessagesOut: 1100, BytesIn: 5000, BytesOut: 6000,
		Countries: map[string]int{"DE": 5, "NZ": 2, "<b>": 1},
	}}
}

func open(t *testing.T, cfg Config) *Handler {
	t.Helper()
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func ask(h http.Handler, method, target string, prepare ...func(r *http.Request)) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for _, f := range prepare {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// browser makes a request look as a browser's.
func browser(r *http.Request) { r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8") }

func packageComment(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("admin.go")
	if err != nil {
		t.Fatal(err)
	}
	comment, _, _ := strings.Cut(string(b), "\npackage admin")
	return comment
}

func decode[T any](t *testing.T, r *http.Response) (v T) {
	t.Helper()
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s, %s", r.Status, r.Header.Get("Content-Type"))
	}
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestConfigThatMakesNoSense(t *testing.T) {
	for want, cfg := range map[string]Config{
		"Config.Tracker is missing": {},
		"not USER:PASSWORD":         {Tracker: busy(), Logins: []string{"me:secret", "me"}},
		"login is not":              {Tracker: busy(), Logins: []string{":secret"}},
		"a login is not":            {Tracker: busy(), Logins: []string{"me:"}},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestHealth(t *testing.T) {
	f := busy()
	h := open(t, Config{Tracker: f, Logins: []string{"me:secret"}})
	if r := ask(h, "GET", "/health"); r.StatusCode != 200 || text(t, r) != "ok\n" {
		t.Errorf("healthy: %s", r.Status)
	}
	f.set(func(s *tracker.Stats) { s.Draining = true })
	if r := ask(h, "GET", "/health"); r.StatusCode != 503 || text(t, r) != "draining\n" {
		t.Errorf("draining: %s", r.Status)
	}
}

func TestPassword(t *testing.T) {
	h := open(t, Config{Tracker: busy(), Logins: []string{"me:se:cret"}})
	login := func(user, password string) func(r *http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	for _, path := range []string{"/", "/stats.json", "/history.json", "/metrics"} {
		if r := ask(h, "GET", path); r.StatusCode != 401 || !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s without a password: %s", path, r.Status)
		}
		for _, wrong := range [][2]string{{"me", "wrong"}, {"you", "se:cret"}, {"", ""}} {
			if r := ask(h, "GET", path, login(wrong[0], wrong[1])); r.StatusCode != 401 {
				t.Errorf("%s with %q: %s", path, wrong, r.Status)
			}
		}
		if r := ask(h, "GET", path, login("me", "se:cret")); r.StatusCode != 200 {
			t.Errorf("%s with the password: %s", path, r.Status)
		}
	}
}

// A password is changed without a moment in which nobody gets in.
func TestLoginsRotate(t *testing.T) {
	h := open(t, Config{Tracker: busy(), Logins: []string{"me:old"}})
	lets := func(password string) bool {
		return ask(h, "GET", "/", func(r *http.Request) { r.SetBasicAuth("me", password) }).StatusCode == 200
	}
	for _, step := range []struct {
		logins   []string
		old, new bool
	}{
		{[]string{"me:new", "me:old"}, true, true},
		{[]string{"me:new"}, false, true},
		{[]string{"nonsense"}, false, true}, // refused: it stays as it was
		{nil, false, true},
	} {
		h.SetLogins(step.logins)
		if lets("old") != step.old || lets("new") != step.new {
			t.Errorf("%q: old %v, new %v", step.logins, lets("old"), lets("new"))
		}
	}
}

func TestNothingElseIsServed(t *testing.T) {
	h := open(t, Config{Tracker: busy()})
	for path, want := range map[string]int{"/index.html": 404, "/stats": 404, "/ui/dashboard.js": 404, "/debug/pprof/": 404} {
		if r := ask(h, "GET", path); r.StatusCode != want {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
	if r := ask(h, "POST", "/stats.json"); r.StatusCode != 405 {
		t.Errorf("POST: %s", r.Status)
	}
}

// The names are promised to whoever reads them, so they stand here again.
func TestStatsJSON(t *testing.T) {
	ends := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	h := open(t, Config{
		Tracker: busy(), Version: "1.2.3",
		Cluster:      func() Cluster { return Cluster{Connected: true, Nodes: 3, Directory: 44, OffersIn: 5, AnswersOut: 6} },
		Relay:        func() Relay { return Relay{Sessions: 2, Opened: 5, Bytes: 99, Refused: 1} },
		Certificates: func() []Certificate { return []Certificate{{"a.example", ends}} },
		Reload:       func() Reload { return Reload{ends, []string{"info hashes x"}} },
		Largest:      func(int) []tracker.Swarm { return nil },
	})
	got := decode[map[string]any](t, ask(h, "GET", "/stats.json"))
	if _, err := time.Parse(time.RFC3339, got["started"].(string)); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]any{
		"version": "1.2.3", "uptime_seconds": 0.0, "draining": false,
		"swarms": 7.0, "peers": 13.0, "webrtc_peers": 9.0, "tcp_peers": 4.0, "seeders": 3.0, "connections": 8.0, "http_connections": 2.0, "buffers_bytes": 4096.0,
		"success_rate": nil, "success_rate_total": 0.75, "cpu_cores": 0.0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
	for _, name := range []string{"memory_bytes", "goroutines"} {
		if v, _ := got[name].(float64); v <= 0 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	totals, rates := got["totals"].(map[string]any), got["per_second"].(map[string]any)
	want := map[string]float64{
		"announces_ws": 100, "announces_http": 20, "announces_udp": 3, "scrapes_ws": 1, "scrapes_http": 2, "scrapes_udp": 3,
		"refused_ws": 4, "refused_http": 5, "refused_udp": 6, "offers": 200, "answers": 150, "unplaced": 11, "dropped": 12,
		"limited": 13, "accepted": 14, "malformed": 15, "tls_failures": 16, "messages_in": 1000, "messages_out": 1100, "bytes_in": 5000, "bytes_out": 6000,
	}
	for name, n := range want {
		if totals[name] != n {
			t.Errorf("totals.%s is %v, want %v", name, totals[name], n)
		}
		if _, ok := rates[name]; !ok {
			t.Errorf("per_second.%s is missing", name)
		}
	}
	if len(totals) != len(want) || len(rates) != len(want) {
		t.Errorf("%d totals, %d rates, want %d: is one not documented?", len(totals), len(rates), len(want))
	}
	countries := got["countries"].(map[string]any)
	if countries["DE"] != 5.0 || countries["NZ"] != 2.0 || countries["unknown"] != 1.0 || len(countries) != 3 {
		t.Errorf("countries: %v", countries)
	}
	if c := got["cluster"].(map[string]any); c["connected"] != true || c["nodes"] != 3.0 || c["directory"] != 44.0 || c["offers_in"] != 5.0 || c["answers_out"] != 6.0 || len(c) != 13 {
		t.Errorf("cluster: %v", c)
	}
	if r := got["relay"].(map[string]any); r["sessions"] != 2.0 || r["opened"] != 5.0 || r["bytes"] != 99.0 || r["refused"] != 1.0 {
		t.Errorf("relay: %v", r)
	}
	if c := got["certificates"].([]any)[0].(map[string]any); c["name"] != "a.example" || c["end"] != "2027-01-02T03:04:05Z" || len(c) != 2 {
		t.Errorf("certificates: %v", c)
	}
	if r := got["reload"].(map[string]any); r["at"] != "2027-01-02T03:04:05Z" || r["failed"].([]any)[0] != "info hashes x" || len(r) != 2 {
		t.Errorf("reload: %v", r)
	}
	if p := got["pages"].([]any); len(p) != 1 || p[0] != "swarms.json" {
		t.Errorf("pages: %v", p)
	}
	alone := decode[map[string]any](t, ask(open(t, Config{Tracker: busy()}), "GET", "/stats.json"))
	for _, name := range []string{"cluster", "relay", "certificates", "reload"} {
		if _, there := alone[name]; there {
			t.Errorf("%s is there without one", name)
		}
	}
	comment := packageComment(t)
	for name := range got {
		if !regexp.MustCompile(`(?m)^//\t(?:\w+, )*` + name + `\b`).MatchString(comment) {
			t.Errorf("the package comment does not tell what %s is", name)
		}
	}
}

func TestRatesAreOfTheLastMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		h := open(t, Config{Tracker: f})
		// Ten minutes of 10 announces a second, half of the offers answered, then one of 20
		// with all answered.
		minutes := func(n int, announces, offers, answers uint64) {
			for range n * 60 {
				time.Sleep(time.Second / 2) // never at the moment of a sample
				f.set(func(s *tracker.Stats) {
					s.Announces[tracker.UDP] += announces
					s.Offers += offers
					s.Answers += answers
				})
				time.Sleep(time.Second / 2)
			}
			synctest.Wait()
		}
		minutes(10, 10, 40, 20)
		s := h.stats()
		if s.PerSecond["announces_udp"] != 10 || s.PerSecond["offers"] != 40 || *s.Success != 0.5 || s.Uptime != 600 {
			t.Errorf("%+v", s)
		}
		minutes(1, 20, 40, 40)
		s = h.stats()
		if s.PerSecond["announces_udp"] != 20 || *s.Success != 1 || *s.SuccessTotal < 0.54 || *s.SuccessTotal > 0.55 {
			t.Errorf("%+v", s)
		}
		minutes(2, 0, 0, 0)
		if s = h.stats(); s.PerSecond["announces_udp"] != 0 || s.Success != nil {
			t.Errorf("%+v", s)
		}
	})
}

func TestHistoryKeepsAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		h := open(t, Config{Tracker: f})
		for range 3 * sampleCount {
			time.Sleep(sampleEvery / 2)
			f.set(func(s *tracker.Stats) {
				s.Swarms++
				s.Offers += 10
				s.Countries = map[string]int{"DE": s.Swarms}
			})
			time.Sleep(sampleEvery / 2)
		}
		synctest.Wait()
		got := decode[historyJSON](t, ask(h, "GET", "/history.json"))
		if len(got.Times) != sampleCount || got.Interval != 5000 || got.Started != h.started.UnixMilli() {
			t.Fatalf("%d samples each %d ms", len(got.Times), got.Interval)
		}
		if last := time.Now().UnixMilli(); got.Times[sampleCount-1] != last || got.Times[0] != last-int64(sampleCount-1)*5000 {
			t.Errorf("from %d to %d, now is %d", got.Times[0], got.Times[sampleCount-1], last)
		}
		for i := range got.Times {
			if want := float64(2*sampleCount + i + 1); got.Series["swarms"][i] != want || got.Series["offers"][i] != 2 {
				t.Fatalf("sample %d: %v swarms, want %v; %v offers a second, want 2", i, got.Series["swarms"][i], want, got.Series["offers"][i])
			}
		}
		for name, values := range got.Series {
			if len(values) != sampleCount {
				t.Errorf("%s has %d values", name, len(values))
			}
		}
		if len(h.history.ring) != sampleCount+1 {
			t.Errorf("the ring has grown to %d", len(h.history.ring))
		}
		if slices.ContainsFunc(h.history.ring, func(s sample) bool { return s.stats.Countries != nil }) {
			t.Error("the history keeps countries")
		}

		// Whoever has some asks for the rest.
		rest := decode[historyJSON](t, ask(h, "GET", "/history.json?since="+strconv.FormatInt(got.Times[sampleCount-4], 10)))
		if !slices.Equal(rest.Times, got.Times[sampleCount-3:]) || len(rest.Series["offers"]) != 3 {
			t.Errorf("since the fourth last: %v", rest.Times)
		}
		none := decode[historyJSON](t, ask(h, "GET", "/history.json?since="+strconv.FormatInt(got.Times[sampleCount-1], 10)))
		if len(none.Times) != 0 || none.Times == nil {
			t.Errorf("since the last: %v", none.Times)
		}
		if r := ask(h, "GET", "/history.json?since=yesterday"); r.StatusCode != 400 {
			t.Errorf("since=yesterday: %s", r.Status)
		}
	})
}

// A counter that was set back starts again from zero instead of from 2^64.
func TestCountersThatWereSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := busy()
		h := open(t, Config{Tracker: f})
		f.set(func(s *tracker.Stats) { *s = tracker.Stats{Offers: 10} })
		time.Sleep(sampleEvery)
		synctest.Wait()
		s := h.stats()
		if s.PerSecond["offers"] != 2 || s.PerSecond["bytes_in"] != 0 || s.Success != nil {
			t.Errorf("%+v", s)
		}
	})
}

func TestCloseEndsTheSampling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := busy()
		h := open(t, Config{Tracker: f})
		h.Close()
		h.Close()
		before := f.asked
		time.Sleep(time.Minute)
		if f.asked != before {
			t.Error("it still asks")
		}
	})
}

func TestMetrics(t *testing.T) {
	f := busy()
	f.stats.Draining = true
	h := open(t, Config{
		Tracker: f, Version: "1.2.3",
		Cluster: func() Cluster {
			return Cluster{Connected: true, Nodes: 3, MessagesIn: 5, BytesOut: 6, OffersOut: 8, Undelivered: 9}
		},
		Relay:  func() Relay { return Relay{Sessions: 2, Opened: 5, Bytes: 99} },
		Limits: &tracker.Limits{Conns: 1000, Swarms: 2000, Peers: 3000, Buffers: 1 << 20},
		Certificates: func() []Certificate {
			return []Certificate{{"a.example", time.Unix(1800000001, 0)}, {"b.example", time.Unix(1800000002, 0)}, {"a.example", time.Unix(1800000000, 0)}}
		},
		Reload: func() Reload { return Reload{time.Unix(1700000000, 0), []string{"it"}} },
	})
	r := ask(h, "GET", "/metrics")
	body := text(t, r)
	if r.StatusCode != 200 {
		t.Fatalf("%s\n%s", r.Status, body)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "shoal_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, want := range []string{
		`shoal_tracker_swarms 7`, `shoal_tracker_peers{kind="webrtc"} 9`, `shoal_tracker_peers{kind="tcp"} 4`,
		`shoal_tracker_seeders 3`, `shoal_tracker_connections 8`, `shoal_tracker_draining 1`,
		`shoal_tracker_announces_total{door="ws"} 100`, `shoal_tracker_announces_total{door="http"} 20`, `shoal_tracker_announces_total{door="udp"} 3`,
		`shoal_tracker_scrapes_total{door="udp"} 3`, `shoal_tracker_refused_total{door="http"} 5`,
		`shoal_tracker_offers_total 200`, `shoal_tracker_answers_total 150`, `shoal_tracker_offers_unplaced_total 11`,
		`shoal_tracker_dropped_total{reason="no_route"} 12`, `shoal_tracker_limited_total{reason="buffers"} 13`,
		`shoal_tracker_limited_total{reason="connections"} 0`, `shoal_tracker_refused_reasons_total{reason="client_denied"} 4`, `shoal_tracker_malformed_total 15`,
		`shoal_tracker_connections_accepted_total 14`, `shoal_tracker_messages_total{direction="out"} 1100`, `shoal_tracker_bytes_total{direction="in"} 5000`,
		`shoal_tracker_country_connections{country="DE"} 5`, `shoal_tracker_country_connections{country="unknown"} 1`,
		`shoal_tracker_build_info{version="1.2.3"} 1`,
		`shoal_tracker_cluster_connected 1`, `shoal_tracker_cluster_nodes 3`, `shoal_tracker_cluster_messages_total{direction="in"} 5`, `shoal_tracker_cluster_bytes_total{direction="out"} 6`,
		`shoal_tracker_cluster_offers_total{direction="out"} 8`, `shoal_tracker_cluster_undelivered_total 9`,
		`shoal_tracker_http_connections 2`, `shoal_tracker_buffers_bytes 4096`, `shoal_tracker_tls_handshake_failures_total 16`,
		`shoal_tracker_connections_limit 1000`, `shoal_tracker_swarms_limit 2000`, `shoal_tracker_peers_limit 3000`, `shoal_tracker_buffers_limit_bytes 1.048576e+06`,
		`shoal_tracker_certificate_end_timestamp_seconds{name="a.example"} 1.8e+09`, `shoal_tracker_certificate_end_timestamp_seconds{name="b.example"} 1.800000002e+09`,
		`shoal_tracker_last_reload_timestamp_seconds 1.7e+09`, `shoal_tracker_last_reload_successful 0`,
		`shoal_tracker_relay_sessions 2`, `shoal_tracker_relay_opened_total 5`, `shoal_tracker_relay_bytes_total 99`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("no line %q", want)
		}
	}
	if !strings.Contains(body, "\ngo_goroutines ") {
		t.Error("nothing of the Go runtime")
	}
	// Countries come and go between two scrapes.
	f.set(func(s *tracker.Stats) { s.Countries = nil })
	if r := ask(h, "GET", "/metrics"); r.StatusCode != 200 || strings.Contains(text(t, r), "country_connections") {
		t.Errorf("without countries: %s", r.Status)
	}
	guide, err := os.ReadFile("../../../docs/tracker.md")
	if err != nil {
		t.Fatal(err)
	}
	// The table of metrics in the operator's guide: name, type, labels.
	documented := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `(shoal_tracker_\\w+)` \\| (\\w+) \\| ?([^|]*?) ?\\|").FindAllStringSubmatch(string(guide), -1) {
		documented[m[1]] = m[2] + " " + strings.Join(strings.Fields(strings.NewReplacer("`", "", ",", " ").Replace(m[3])), " ")
	}
	exported := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (shoal_tracker_\w+) (\w+)\n\w+(?:\{(.*)\})? `).FindAllStringSubmatch(body, -1) {
		labels := regexp.MustCompile(`(\w+)="[^"]*"`).FindAllStringSubmatch(m[3], -1)
		exported[m[1]] = m[2] + " "
		for i, l := range labels {
			if i > 0 {
				exported[m[1]] += " "
			}
			exported[m[1]] += l[1]
		}
		if !strings.Contains(body, "# HELP "+m[1]+" ") {
			t.Errorf("%s has no help", m[1])
		}
	}
	for name, is := range exported {
		if documented[name] != is {
			t.Errorf("docs/tracker.md says of %s %q, it is %q", name, documented[name], is)
		}
	}
	for name := range documented {
		if exported[name] == "" {
			t.Errorf("docs/tracker.md has %s, which /metrics has not", name)
		}
	}
	alone := text(t, ask(open(t, Config{Tracker: busy()}), "GET", "/metrics"))
	if strings.Contains(alone, "_cluster_") || strings.Contains(alone, "_relay_") {
		t.Error("a cluster or a relay without one")
	}
}

var address = regexp.MustCompile(`\b(?:https?|wss?):|//[a-z]|@import|url\(`)

// A page asks nobody but its own server for anything, and is nobody else's frame.
func TestPagesAreSelfContained(t *testing.T) {
	for name, r := range map[string]*http.Response{
		"dashboard": ask(open(t, Config{Tracker: busy()}), "GET", "/"),
		"landing":   ask(Landing(LandingConfig{}), "GET", "http://tracker.test/", browser),
	} {
		body := text(t, r)
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%s: %s %s", name, r.Status, r.Header.Get("Content-Type"))
		}
		for _, own := range []string{"http://www.w3.org/2000/svg", "ws://tracker.test/", "http://tracker.test/", "ws%3A%2F%2Ftracker.test"} {
			body = strings.ReplaceAll(body, own, "")
		}
		for _, line := range strings.Split(body, "\n") {
			if at := address.FindString(line); at != "" && !strings.HasPrefix(strings.TrimSpace(line), "//") {
				t.Errorf("%s has %q in %q", name, at, line)
			}
		}
		if strings.Contains(body, "<style></style>") || strings.Contains(body, "<script></script>") || strings.Contains(body, " style=") {
			t.Errorf("%s: its parts are not in it, or not by the policy", name)
		}
		policy := r.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "style-src 'sha256-"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: no %s in the policy %s", name, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, r.Header)
		}
	}
}
