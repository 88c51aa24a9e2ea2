package embedded

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// patience is how long routes may fail without a word: nodes do not start all at once.
	patience = time.Minute
	// sayAgain is how long what was said is not said again. The server tries every second.
	sayAgain = 10 * time.Minute
)

// A logger passes the server's words on. Its notices are for the operator of a NATS, not of
// a tracker, and what it says every second is said once.
type logger struct {
	log   *slog.Logger
	fatal chan string
	now   func() time.Time
	start time.Time

	mu   sync.Mutex
	said map[string]time.Time
}

func newLogger(log *slog.Logger, now func() time.Time) *logger {
	return &logger{log: log, fatal: make(chan string, 1), now: now, start: now(), said: make(map[string]time.Time)}
}

// once warns unless it has lately.
func (l *logger) once(text string, args ...any) {
	now := l.now()
	l.mu.Lock()
	last, ok := l.said[text]
	due := !ok || now.Sub(last) >= sayAgain
	if due {
		l.said[text] = now
	}
	l.mu.Unlock()
	if due {
		l.log.Warn(text, args...)
	}
}

func (l *logger) Noticef(format string, v ...any) {
	l.log.Debug("NATS: " + fmt.Sprintf(format, v...))
}
func (l *logger) Debugf(string, ...any) {}
func (l *logger) Tracef(string, ...any) {}
func (l *logger) Warnf(format string, v ...any) {
	// The clients' password was made a moment ago and never leaves the process.
	if !strings.HasPrefix(format, "Plaintext passwords detected") {
		l.log.Warn("NATS: " + fmt.Sprintf(format, v...))
	}
}

// Errorf warns: what it reports, such as a route that does not answer, is tried again.
func (l *logger) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	switch {
	case strings.Contains(text, "authentication error"), strings.Contains(text, "Authorization Violation"):
		l.once("another node of the cluster has another secret: --cluster-secret-file must say the same on all", "first", text)
	case strings.Contains(text, "trying to connect to route"):
		if l.now().Sub(l.start) > patience {
			l.once("a node of the cluster does not answer: is it running, and is --cluster-route right?", "first", text)
			return
		}
		l.log.Debug("NATS: " + text)
	case strings.Contains(text, "Error flushing"):
		l.log.Debug("NATS: " + text) // the other side has hung up, and says why itself
	default:
		l.log.Warn("NATS: " + text)
	}
}

func (l *logger) Fatalf(format string, v ...any) {
	why := fmt.Sprintf(format, v...)
	l.log.Error("NATS: " + why)
	select {
	case l.fatal <- why:
	default:
	}
}
