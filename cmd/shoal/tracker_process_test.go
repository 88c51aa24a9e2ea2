//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// As shoal, when asked to, this test binary runs the program itself.
const asShoal = "SHOAL_TEST_RUN_AS_SHOAL"

func TestMain(m *testing.M) {
	if os.Getenv(asShoal) != "" {
		main()
	}
	os.Exit(m.Run())
}

func shoalCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asShoal+"=1")
	return cmd
}

// A process is a `shoal tracker` on its own.
type process struct {
	cmd    *exec.Cmd
	addr   string
	stderr lockedText
	ended  chan error
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: shoalCommand(t, append([]string{"tracker", "--listen", "127.0.0.1:0"}, args...)...), ended: make(chan error, 1)}
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v\n%s", err, &p.stderr)
	}
	p.addr = strings.Fields(line)[3]
	go func() {
		rest, _ := lines.ReadString(0)
		err := p.cmd.Wait()
		if rest != "" {
			err = errors.New("it prints more than one line: " + rest)
		}
		p.ended <- err
	}()
	return p
}

func (p *process) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		t.Fatal("it does not end")
		return nil
	}
}

func poll(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A mistake is one line on stderr and exit code 2.
func TestMistakesEndTheProgram(t *testing.T) {
	file := write(t, "t.yaml", "interval: soon\n")
	for _, c := range []struct{ args, want string }{
		{"tracker --interval soon", "shoal: --interval: "},
		{"tracker --config " + file, "shoal: " + file + ":1: interval: "},
		{"tracker --no-such-flag", "shoal: unknown flag --no-such-flag"},
		{"tracker token", "shoal: missing flags: --secret-file=FILE"},
		{"tracker health", "shoal: expected \"<url>\""},
		{"tracker --listen 127.0.0.1:0 token", "shoal: "},
	} {
		cmd := shoalCommand(t, strings.Fields(c.args)...)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != 2 || !strings.HasPrefix(errs.String(), c.want) || strings.Count(errs.String(), "\n") != 1 || out.Len() > 0 {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", c.args, code, out.String(), errs.String())
		}
	}
}

func TestHangUpReloads(t *testing.T) {
	list := write(t, "hashes", "")
	p := startProcess(t, "--hash-allow", list)
	if reason := announceHTTP(t, p.addr, film, ""); reason == "" {
		t.Fatal("an empty list allows the film")
	}
	os.WriteFile(list, []byte("f101020300000000000000000000000000000000 # the film\n"), 0o600)
	p.cmd.Process.Signal(syscall.SIGHUP)
	poll(t, "the film to be allowed", func() bool { return announceHTTP(t, p.addr, film, "") == "" })
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.wait(t); err != nil {
		t.Error(err)
	}
	if text := p.stderr.String(); !strings.Contains(text, "reloaded") || strings.Contains(text, "127.0.0.1") {
		t.Errorf("the log is\n%s", text)
	}
}

// SIGTERM sends clients away, takes no new ones, and ends well before its time when all have gone.
func TestTerminateDrains(t *testing.T) {
	p := startProcess(t, "--drain", "3s")
	var gone []chan error
	for range 5 {
		ws, _, text := dialWS(t, p.addr, "", "")
		if ws == nil {
			t.Fatal(text)
		}
		if reason := announceWS(t, ws, film); reason != "" {
			t.Fatal(reason)
		}
		ended := make(chan error, 1)
		gone = append(gone, ended)
		go func() {
			_, _, err := ws.Read(context.Background())
			ended <- err
		}()
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	for _, ended := range gone {
		select {
		case err := <-ended:
			if websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("a client was sent away by %v, want 1001", err)
			}
		case <-time.After(patience):
			t.Fatal("a client was not sent away")
		}
	}
	if err := p.wait(t); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if c, err := net.Dial("tcp", p.addr); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

// While a load balancer finds out, nobody is refused.
func TestDrainDelay(t *testing.T) {
	p := startProcess(t, "--drain-delay", "2s", "--drain", "0s")
	if status, _ := get(t, http.DefaultClient, "http://"+p.addr+"/health"); status != http.StatusOK {
		t.Fatalf("/health says %d", status)
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	poll(t, "/health to say 503", func() bool {
		status, _ := get(t, http.DefaultClient, "http://"+p.addr+"/health")
		return status == http.StatusServiceUnavailable
	})
	if reason := announceHTTP(t, p.addr, film, ""); reason != "" {
		t.Errorf("HTTP: %s", reason)
	}
	ws, _, text := dialWS(t, p.addr, "", "")
	if ws == nil {
		t.Fatalf("a WebSocket is refused: %s", text)
	}
	if reason := announceWS(t, ws, film); reason != "" {
		t.Errorf("WebSocket: %s", reason)
	}
	if err := p.wait(t); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", p.addr); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := startProcess(t, "--drain", "1h")
	ws, _, text := dialWS(t, p.addr, "", "")
	if ws == nil {
		t.Fatal(text)
	}
	defer ws.CloseNow() // the collector would close it otherwise, and the drain be over
	p.cmd.Process.Signal(syscall.SIGTERM)
	poll(t, "the drain", func() bool { return strings.Contains(p.stderr.String(), "draining") })
	// It restores the default of a signal a moment after it has got the first.
	poll(t, "the end", func() bool {
		p.cmd.Process.Signal(syscall.SIGTERM)
		return len(p.ended) > 0
	})
	if err := p.wait(t); err == nil {
		t.Error("it ended as if it had drained")
	}
}

func TestHealthCommand(t *testing.T) {
	p := startProcess(t, "--drain", "0s")
	health := func(url string, more ...string) int {
		cmd := shoalCommand(t, append([]string{"tracker", "health", url}, more...)...)
		var errs strings.Builder
		cmd.Stderr = &errs
		cmd.Run()
		if code := cmd.ProcessState.ExitCode(); (code == 0) != (errs.Len() == 0) || strings.Count(errs.String(), "\n") > 1 {
			t.Errorf("health %s: exit %d, %q", url, code, errs.String())
		}
		return cmd.ProcessState.ExitCode()
	}
	for _, url := range []string{p.addr, "http://" + p.addr, "http://" + p.addr + "/", "http://" + p.addr + "/health"} {
		if code := health(url); code != 0 {
			t.Errorf("health %s exits with %d", url, code)
		}
	}
	cert, key := selfSigned(t, "localhost")
	secure := startTracker(t, "--tls-cert", cert, "--tls-key", key).addr(t, "wss, https, udp")
	if code := health("https://" + secure); code != 1 {
		t.Errorf("a certificate of nobody: exit %d", code)
	}
	if code := health("https://"+secure, "--tls-insecure"); code != 0 {
		t.Errorf("any certificate will do: exit %d", code)
	}
	if code := health("http://" + p.addr + "/nothing"); code != 1 {
		t.Errorf("a page that is not there: exit %d", code)
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.wait(t)
	if code := health(p.addr); code != 1 {
		t.Errorf("nobody listens: exit %d", code)
	}
	if code := health("http://a b"); code != 2 {
		t.Errorf("no URL: exit %d", code)
	}
}

func TestTokenCommandMakesGoodTokens(t *testing.T) {
	secrets := write(t, "secrets", "the secret of this test\n")
	p := startProcess(t, "--token-secret-file", secrets)
	for _, c := range []struct {
		args string
		want bool
	}{
		{"", true},
		{"--expires 10m --info-hash f101020300000000000000000000000000000000 --net 127.0.0.0/8", true},
		{"--info-hash 0101020300000000000000000000000000000000", false},
		{"--net 192.0.2.0/24", false},
	} {
		out, err := shoalCommand(t, append([]string{"tracker", "token", "--secret-file", secrets}, strings.Fields(c.args)...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		if reason := announceHTTP(t, p.addr, film, "token="+strings.TrimSpace(string(out))); (reason == "") != c.want {
			t.Errorf("token %s: %q", c.args, reason)
		}
	}
	if status, _ := get(t, http.DefaultClient, "http://"+p.addr+"/health"); status != http.StatusOK {
		t.Errorf("/health needs a token: %d", status)
	}
}

func TestVersionIsAFlagToo(t *testing.T) {
	word, err := shoalCommand(t, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	flag, err := shoalCommand(t, "--version").Output()
	if err != nil || string(flag) != string(word) || !strings.HasPrefix(string(flag), "shoal ") {
		t.Errorf("%q, %v; want %q", flag, err, word)
	}
}
