package admin

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestHookIsShown(t *testing.T) {
	h := open(t, Config{Tracker: busy(), Hook: func() Hook {
		return Hook{Allowed: 1, Denied: 2, Failed: 3, Cached: 4, Away: 5, Full: 6, Waiting: 7, Entries: 8, Down: true, LastError: "refused"}
	}})
	body := text(t, ask(h, "GET", "/metrics"))
	for _, want := range []string{
		`requests_total{answer="allowed"} 1`, `requests_total{answer="denied"} 2`, `requests_total{answer="failed"} 3`,
		`announces_total{by="cache"} 4`, `announces_total{by="away"} 5`, `announces_total{by="full"} 6`, `waiting 7`, `entries 8`, `up 0`,
	} {
		if !strings.Contains(body, "\nshoal_tracker_hook_"+want+"\n") {
			t.Errorf("no line %q", want)
		}
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	for _, p := range problems {
		if err != nil || strings.HasPrefix(p.Metric, "shoal_") {
			t.Errorf("%s: %s, %v", p.Metric, p.Text, err)
		}
	}
	got := decode[map[string]any](t, ask(h, "GET", "/stats.json"))["hook"].(map[string]any)
	if got["denied"] != 2.0 || got["waiting"] != 7.0 || got["down"] != true || got["last_error"] != "refused" || len(got) != 10 {
		t.Errorf("%v", got)
	}
	alone := open(t, Config{Tracker: busy()})
	if strings.Contains(text(t, ask(alone, "GET", "/metrics")), "_hook_up") || decode[map[string]any](t, ask(alone, "GET", "/stats.json"))["hook"] != nil {
		t.Error("a hook without one")
	}
}
