package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A service is a tracker as systemd runs it.
type service struct {
	cmd    *exec.Cmd
	stderr lockedText
	told   func() string // what it tells next
}

func startService(t *testing.T, names string, sockets []*os.File, args ...string) *service {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s := &service{cmd: shoalCommand(t, append([]string{"tracker", "--drain", "2s"}, args...)...)}
	// The shell knows the process's number before it becomes the tracker.
	script := fmt.Sprintf(`LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES=%s exec "$0" "$@"`, len(sockets), names)
	s.cmd.Args = append([]string{"sh", "-c", script, s.cmd.Path}, s.cmd.Args[1:]...)
	if s.cmd.Path, err = exec.LookPath("sh"); err != nil {
		t.Fatal(err)
	}
	s.cmd.Env = append(s.cmd.Env, "NOTIFY_SOCKET="+path)
	s.cmd.ExtraFiles = sockets
	s.cmd.Stderr = &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill() })
	s.told = func() string {
		t.Helper()
		b := make([]byte, 4096)
		c.SetReadDeadline(time.Now().Add(patience))
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("it tells nothing: %v\n%s", err, &s.stderr)
		}
		return string(b[:n])
	}
	return s
}

func TestTrackerTellsSystemd(t *testing.T) {
	s := startService(t, "", nil, "--listen", "127.0.0.1:0")
	for _, c := range []struct {
		after syscall.Signal
		want  string
	}{{0, "READY=1"}, {syscall.SIGHUP, "RELOADING=1\nMONOTONIC_USEC="}, {0, "READY=1"}, {syscall.SIGTERM, "STOPPING=1"}} {
		if c.after != 0 {
			s.cmd.Process.Signal(c.after)
		}
		if got := s.told(); !strings.HasPrefix(got, c.want) {
			t.Fatalf("told %q, want %q", got, c.want)
		}
	}
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// A unit with WatchdogSec= hears that the loops turn, until the end.
func TestTrackerTellsSystemdThatItTurns(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "1000000")
	s := startService(t, "", nil, "--listen", "127.0.0.1:0")
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := s.told(); got != want {
			t.Fatalf("told %q, want %q", got, want)
		}
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// While the tracker starts again, its sockets stay: nobody is refused.
func TestTrackerWithSocketsOfSystemd(t *testing.T) {
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	defer udp.Close()
	var files []*os.File
	for _, s := range []interface{ File() (*os.File, error) }{web.(*net.TCPListener), udp.(*net.UDPConn)} {
		f, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	addr := web.Addr().String()
	// The settings name other addresses, which are not opened.
	start := func() *service {
		return startService(t, "shoal-tracker.socket:shoal-tracker.socket", files, "--listen", "192.0.2.1:1")
	}
	first := start()
	if got := first.told(); got != "READY=1" {
		t.Fatal(got)
	}
	if reason := announceHTTP(t, addr, film, ""); reason != "" {
		t.Error(reason)
	}
	if reason := announceUDP(t, udp.LocalAddr().String(), film, ""); reason != "" {
		t.Error(reason)
	}
	first.cmd.Process.Signal(syscall.SIGTERM)
	if err := first.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	// Nobody is there now.
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("refused while it starts again: %v", err)
	}
	defer c.Close()
	io.WriteString(c, "GET /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
	second := start()
	c.SetDeadline(time.Now().Add(patience))
	if text, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 200 OK") {
		t.Errorf("who came meanwhile got %q, %v", text, err)
	}
	if status, _ := get(t, http.DefaultClient, "http://"+addr+"/health"); status != http.StatusOK {
		t.Error(status)
	}
	second.cmd.Process.Signal(syscall.SIGTERM)
	second.cmd.Wait()
}

func TestPlainSocketOfSystemdNeedsTLS(t *testing.T) {
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	f, err := web.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := startService(t, "plain-listen", []*os.File{f})
	s.cmd.Wait()
	if code := s.cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(s.stderr.String(), "name it listen") {
		t.Errorf("exit %d, %s", code, &s.stderr)
	}
}
