package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// A service decides for all doors of a running tracker; its secret changes while that runs, and the log says once
// that it is away and once that it is back.
func TestHook(t *testing.T) {
	var status atomic.Int64
	var secret atomic.Value
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret.Store(r.Header.Get("Authorization"))
		w.WriteHeader(int(status.Load()))
		io.WriteString(w, `{"reason": "only with a ticket", "ttl": 1}`)
	}))
	defer service.Close()
	path := write(t, "secret", "the first secret of this test\n")
	r := startTracker(t, "--hook", service.URL, "--hook-secret-file", path, "--hook-timeout", "20s", "--admin", "127.0.0.1:0", "--log-addresses")
	addr := r.addr(t, "ws, http, udp")
	ws, _, _ := dialWS(t, addr, "", "")
	all := func(want string) {
		t.Helper()
		for door, reason := range map[string]string{
			"http": announceHTTP(t, addr, film, ""), "udp": announceUDP(t, addr, film, ""), "ws": announceWS(t, ws, film),
		} {
			if reason != want {
				t.Errorf("by %s: %q, want %q", door, reason, want)
			}
		}
	}
	status.Store(403)
	all("only with a ticket")
	if got := secret.Load(); got != "Bearer the first secret of this test" {
		t.Errorf("the service gets %q", got)
	}
	os.WriteFile(path, []byte("the other secret of this test\n"), 0o600)
	r.plan.files.check(time.Now(), true)
	status.Store(200)
	waitFor(t, "they are let in", func() bool { return announceHTTP(t, addr, film, "") == "" })
	if got := secret.Load(); got != "Bearer the other secret of this test" {
		t.Errorf("the service gets %q", got)
	}
	waitFor(t, "the others, too", func() bool { return announceUDP(t, addr, film, "") == "" && announceWS(t, ws, film) == "" })
	_, admin, _ := strings.Cut(r.log.String(), "address=127.0.0.1:")
	_, metrics := get(t, http.DefaultClient, "http://127.0.0.1:"+strings.Fields(admin)[0]+"/metrics")
	if !strings.Contains(metrics, `shoal_tracker_hook_requests_total{answer="denied"} 3`) || !strings.Contains(metrics, `reason="hook_denied"}`) {
		t.Errorf("the metrics are\n%s", metrics)
	}

	status.Store(500)
	waitFor(t, "it is away", func() bool {
		return announceHTTP(t, addr, film, "") != "" && strings.Contains(r.log.String(), "service of --hook is away")
	})
	all(limit.HookAway.Error())
	status.Store(200)
	waitFor(t, "it is back", func() bool { return announceHTTP(t, addr, film, "") == "" })
	waitFor(t, "it is told", func() bool { return strings.Contains(r.log.String(), "service of --hook is back") })
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	log := r.log.String()
	if strings.Count(log, "is away") != 1 || strings.Count(log, "is back") != 1 || !strings.Contains(log, "500 Internal Server Error") {
		t.Errorf("the log is\n%s", log)
	}
	if !strings.Contains(log, "msg=limited client=127.0.0.1 reason=hook_denied count=") || !strings.Contains(log, "msg=limited reason=hook_away count=") {
		t.Errorf("who was refused: the log is\n%s", log)
	}
	if strings.Contains(log, "secret of this test") || strings.Contains(log, "plain text") {
		t.Errorf("the log is\n%s", log)
	}
}

// Plain text is for this machine.
func TestHookInPlainText(t *testing.T) {
	for url, want := range map[string]bool{
		"http://127.0.0.1:8080/x": false, "http://[::1]/": false, "http://localhost/": false, "https://example.org/": false,
		"http://example.org/": true, "http://192.0.2.1:8080/": true,
	} {
		if plainAbroad(url) != want {
			t.Errorf("%s: %v", url, !want)
		}
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
