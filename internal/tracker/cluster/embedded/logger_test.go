package embedded

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Nodes that start one after another say nothing of it; a wrong secret is one line, and says what to do.
func TestLoggerSaysOnce(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1e9, 0)
	l := newLogger(slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return now })
	lines := func() []string {
		defer out.Reset()
		return strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' })
	}
	for range 20 {
		l.Errorf("Error trying to connect to route (attempt %d): %s", 1, "connection refused")
		now = now.Add(time.Second)
	}
	if got := lines(); len(got) != 0 {
		t.Errorf("while the others start: %q", got)
	}
	for range 20 {
		l.Errorf("%s - Route Error '%s'", "10.0.0.1:6222", "Authorization Violation")
		l.Errorf("%s - authentication error - User \"shoal\"", "10.0.0.1:39660")
		l.Errorf("%s - Error flushing: broken pipe", "10.0.0.1:6222")
		now = now.Add(time.Second)
	}
	if got := lines(); len(got) != 1 || !strings.Contains(got[0], "--cluster-secret-file") || !strings.Contains(got[0], "10.0.0.1") {
		t.Errorf("a wrong secret: %q", got)
	}
	for range 20 {
		l.Errorf("Error trying to connect to route (attempt %d): %s", 60, "connection refused")
		now = now.Add(5 * time.Second)
	}
	if got := lines(); len(got) != 1 || !strings.Contains(got[0], "--cluster-route") {
		t.Errorf("a node that stays away: %q", got)
	}
	now = now.Add(sayAgain)
	l.Errorf("%s - Route Error '%s'", "10.0.0.1:6222", "Authorization Violation")
	l.Errorf("something else")
	l.Errorf("something else")
	if got := lines(); len(got) != 3 {
		t.Errorf("later: %q", got)
	}
}
