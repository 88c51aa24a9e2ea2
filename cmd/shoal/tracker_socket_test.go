//go:build unix

package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTrackerOnAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tracker.sock")
	start := func(args ...string) *runningTracker {
		t.Helper()
		return startTracker(t, append([]string{"--listen", "unix:" + path}, args...)...)
	}
	tr := start()
	if want := "unix:" + path + " (ws, http)"; !strings.Contains(tr.ready, want) {
		t.Errorf("%q, want %q", tr.ready, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}
	if err := (&trackerHealthCmd{URL: "unix:" + path}).Run(t.Context()); err != nil {
		t.Error(err)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, "http://t/announce?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&port=1&left=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "192.0.2.7")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 1000)
	n, _ := resp.Body.Read(body)
	resp.Body.Close()
	if !strings.Contains(string(body[:n]), "11:external ip4:\xc0\x00\x02\x07") {
		t.Errorf("%q", body[:n])
	}

	// As long as somebody listens there, nobody else does.
	s, _, err := given{args: []string{"--listen", "unix:" + path}}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.plan(os.Stdout, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.open(); err == nil || !strings.Contains(err.Error(), "another process does") || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a second one: %v", err)
	}
	if err := (&trackerHealthCmd{URL: "unix:" + path}).Run(t.Context()); err != nil {
		t.Errorf("the first one after that: %v", err)
	}
	tr.stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}

	// A process that was killed leaves its socket.
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	start("--unix-mode", "0666").stop()

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.open(); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("in place of a file: %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "precious" {
		t.Error("the file is gone")
	}
	p.listen = []string{"unix:" + filepath.Join(t.TempDir(), "none", "sock")}
	if _, err := p.open(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("in no folder: %v", err)
	}
}

func TestUnixSocketSettings(t *testing.T) {
	for args, want := range map[string]string{
		"--listen unix:tracker.sock":                       "no absolute path",
		"--listen unix:":                                   "no absolute path",
		"--listen unix:@abstract":                          "no absolute path",
		"--listen unix:/" + strings.Repeat("x", 200):       "at most",
		"--listen unix:/run/x.sock --unix-mode rw":         "no permissions",
		"--listen unix:/run/x.sock --unix-mode 1777":       "no permissions",
		"--listen unix:/run/x.sock --unix-mode 888":        "no permissions",
		"--listen unix:/run/x.sock --proxy-protocol=true":  "",
		"--listen 127.0.0.1:0 --proxy-protocol=true":       "nobody is trusted",
		"--listen unix:/run/x.sock --unix-mode 0600":       "",
		"--listen unix:/run/x.sock,127.0.0.1:0 --udp same": "",
	} {
		s, _, err := given{args: strings.Fields(args)}.load(t)
		if err == nil {
			_, err = s.plan(os.Stdout, os.Stderr)
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
