package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// What could not be read is tried again by itself, less and less often, and says when.
func TestAFailedReloadIsTriedAgain(t *testing.T) {
	var log lockedText
	r := &reloader{log: slog.New(slog.NewTextHandler(&log, nil))}
	path := write(t, "list", "one")
	bad, loads := errors.New("half a file"), 0
	r.add("the list", func() error { loads++; return bad }, path)
	start := time.Now()
	if next := r.check(start, false); loads != 0 || next != start.Add(time.Minute) {
		t.Fatalf("nothing has changed: %d loads, next after %v", loads, next.Sub(start))
	}
	os.WriteFile(path, []byte("half of tw"), 0o600)
	now := start
	var waits []string
	for range 12 {
		next := r.check(now, false)
		if again := r.items[0].again; again.Before(next) {
			t.Fatal("it is looked at too late")
		}
		for next.Before(r.items[0].again) { // the looks of each minute load nothing
			before := loads
			next = r.check(next, false)
			if loads != before {
				break
			}
		}
		waits = append(waits, r.items[0].wait.String())
		now = r.items[0].again
	}
	if got := strings.Join(waits[:6], " "); got != "1s 2s 4s 8s 16s 32s" || waits[11] != "5m0s" {
		t.Errorf("it waits %v", waits)
	}
	if last := r.last.Load(); !slices.Equal(last.Failed, []string{"the list"}) || last.At.Before(start) {
		t.Errorf("the operator is told %+v", last)
	}
	if !strings.Contains(log.String(), "tried_again_in=4s") {
		t.Errorf("the log is\n%s", log.String())
	}
	bad = nil
	r.check(now, false)
	if !strings.Contains(log.String(), "msg=reloaded") {
		t.Errorf("the file became good, and was not read: %s", log.String())
	}
	before := loads
	if r.check(now.Add(time.Hour), false); loads != before {
		t.Error("it is read again though nothing has changed")
	}
	if last := r.last.Load(); last.Failed == nil || len(last.Failed) > 0 || !last.At.Equal(now) {
		t.Errorf("all is well, and the operator is told %+v", last)
	}
}

// Every file that holds a secret, a certificate or a list is read again.
func TestAllFilesAreReloaded(t *testing.T) {
	cert, key := selfSigned(t, "localhost")
	secrets := write(t, "secrets", "a secret of sixteen bytes\n")
	logins := write(t, "logins", "me:hunter2\n")
	list := write(t, "list", "")
	common := []string{"--tls-cert", cert, "--tls-key", key, "--tls-ticket-secret-file", secrets, "--token-secret-file", secrets, "--hook", "http://127.0.0.1:1/", "--hook-secret-file", secrets,
		"--hash-deny", list, "--hash-allow", list, "--client-allow", list, "--client-deny", list, "--address-allow", list, "--address-deny", list,
		"--admin", "127.0.0.1:0", "--admin-auth-file", logins, "--turn", "127.0.0.1:0", "--turn-secret-file", secrets}
	for what, more := range map[string][]string{
		"embedded": {"--cluster", "embedded", "--cluster-secret-file", secrets, "--cluster-cert", cert, "--cluster-key", key, "--cluster-ca", cert},
		"outside":  {"--cluster", "tls://127.0.0.1:4222", "--cluster-cert", cert, "--cluster-key", key, "--cluster-ca", cert},
	} {
		args := append(slices.Clone(common), more...)
		s, _, err := given{args: args}.load(t)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.plan(io.Discard, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		want, got := 0, 0
		for _, arg := range args {
			if strings.HasPrefix(arg, "/") {
				want++
			}
		}
		for _, it := range p.files.items {
			got += len(it.paths)
		}
		if got != want {
			t.Errorf("%s: %d files are watched, %d were named", what, got, want)
		}
	}
}

// The password of the operator's pages and TURN's secret change while the tracker runs; an
// embedded cluster takes a new secret.
func TestSecretsChangeWhileItRuns(t *testing.T) {
	logins := write(t, "logins", "me:old-password\n")
	secrets := write(t, "secrets", "the old secret of this test\n")
	r := startTracker(t, "--admin", "127.0.0.1:0", "--admin-auth-file", logins,
		"--turn", "127.0.0.1:0", "--turn-host", "turn.test", "--turn-secret-file", secrets, "--turn-allow-peer", "127.0.0.0/8",
		"--cluster", "embedded", "--cluster-listen", "127.0.0.1:0", "--cluster-secret-file", secrets)
	_, admin, _ := strings.Cut(r.log.String(), "address=127.0.0.1:")
	admin = "http://127.0.0.1:" + strings.Fields(admin)[0] + "/stats.json"
	asks := func(password string) int {
		req, _ := http.NewRequest("GET", admin, nil)
		req.SetBasicAuth("me", password)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	name := func() string {
		user, _ := r.plan.turnServer.Credentials()
		return user[strings.LastIndexByte(user, '.'):]
	}
	before := name()
	if asks("old-password") != 200 || asks("new-password") != 401 {
		t.Fatal("the password is not asked for")
	}
	os.WriteFile(logins, []byte("me:new-password\nme:old-password\n"), 0o600)
	os.WriteFile(secrets, []byte("the new secret of this test\nthe old secret of this test\n"), 0o600)
	r.plan.files.check(time.Now(), true)
	if asks("old-password") != 200 || asks("new-password") != 200 {
		t.Error("both passwords should be good")
	}
	if name() == before {
		t.Error("TURN makes credentials with the old secret")
	}
	os.WriteFile(logins, []byte("me:new-password\n"), 0o600)
	r.plan.files.check(time.Now(), false)
	if asks("old-password") != 401 || asks("new-password") != 200 {
		t.Error("the old password should be good no more")
	}
	if log := r.log.String(); strings.Contains(log, "reload failed") || strings.Contains(log, "secret of this test") {
		t.Errorf("the log is\n%s", log)
	}
}
