//go:build unix

package test

import (
	"debug/elf"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// unitFile reads a systemd unit: key -> values, in the order of the file.
func unitFile(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(rig.Path("packaging", "systemd", "shoal-tracker.service"))
	if err != nil {
		t.Fatal(err)
	}
	unit := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			unit[key] = append(unit[key], value)
		}
	}
	return unit
}

// trackerSettings are the names that `shoal tracker --help` tells of.
func trackerSettings(t *testing.T) []string {
	t.Helper()
	r := rig.Run(t, "tracker", "--help")
	var names []string
	for _, m := range regexp.MustCompile(`--([a-z][a-z-]+)`).FindAllStringSubmatch(r.Stdout, -1) {
		names = append(names, m[1])
	}
	if r.Code != 0 || len(names) < 20 {
		t.Fatalf("tracker --help: %+v", r)
	}
	return names
}

var environment = regexp.MustCompile(`SHOAL_TRACKER_([A-Z0-9_]*[A-Z0-9])`)

// wantSettings fails for each setting that text names and the tracker does not have.
func wantSettings(t *testing.T, what, text string) {
	t.Helper()
	known := trackerSettings(t)
	for _, m := range environment.FindAllStringSubmatch(text, -1) {
		if name := strings.ReplaceAll(strings.ToLower(m[1]), "_", "-"); !slices.Contains(known, name) {
			t.Errorf("%s names %s, which is no setting", what, m[0])
		}
	}
}

func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	const file = "packaging/systemd/shoal-tracker.service"
	text, err := os.ReadFile(rig.Path(file))
	if err != nil {
		t.Fatal(err)
	}
	wantSettings(t, file, string(text))

	dir := t.TempDir()
	copied := filepath.Join(dir, "shoal-tracker.service")
	here := strings.ReplaceAll(string(text), "/usr/local/bin/shoal", rig.Binary(t))
	// A systemd before 253 is told another type, as the unit says.
	if version, err := exec.Command("systemd-analyze", "--version").Output(); err != nil {
		t.Fatal(err)
	} else if n, err := strconv.Atoi(strings.Fields(string(version))[1]); err == nil && n < 253 {
		here = strings.ReplaceAll(here, "Type=notify-reload", "Type=notify")
	}
	if err := os.WriteFile(copied, []byte(here), 0o644); err != nil {
		t.Fatal(err)
	}
	verify := []string{"verify", "--man=no", copied}
	sockets := map[string]string{"": "listen", "-plain": "plain-listen", "-udp": "udp"}
	for which, setting := range sockets {
		name := "shoal-tracker" + which + ".socket"
		socket, err := os.ReadFile(rig.Path("packaging", "systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		if text := string(socket); !strings.Contains(text, "\nFileDescriptorName="+setting+"\n") || which != "" && !strings.Contains(text, "\nService=shoal-tracker.service\n") {
			t.Errorf("%s does not say that it is %s of shoal-tracker.service", name, setting)
		}
		verify = append(verify, filepath.Join(dir, name))
		if err := os.WriteFile(filepath.Join(dir, name), socket, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("systemd-analyze", verify...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// Tenths: it exposes less than a service of 2.5 does, where 10 is no protection at all.
	if out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold=25", "--no-pager", copied).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}

	// Its command line runs, reloads and stops as it says.
	unit := unitFile(t)
	if got := unit["LimitNOFILE"]; !slices.Equal(got, []string{"1048576"}) {
		t.Errorf("LimitNOFILE=%v", got)
	}
	if watchdog, err := time.ParseDuration(unit["WatchdogSec"][0]); err != nil || watchdog < 10*time.Second {
		t.Errorf("WatchdogSec=%v, %v: a busy machine needs more", unit["WatchdogSec"], err)
	}
	stop, err := time.ParseDuration(unit["TimeoutStopSec"][0])
	if err != nil || stop < 30*time.Second {
		t.Errorf("TimeoutStopSec=%v, %v: the tracker drains first", unit["TimeoutStopSec"], err)
	}
	// Of this type a reload is SIGHUP, and systemd waits until it is told that it is over.
	if got := unit["Type"]; !slices.Equal(got, []string{"notify-reload"}) || unit["ExecReload"] != nil || unit["ReloadSignal"] != nil {
		t.Errorf("Type=%v, ExecReload=%v", got, unit["ExecReload"])
	}
	if families := unit["RestrictAddressFamilies"][0]; !slices.Contains(strings.Fields(families), "AF_UNIX") {
		t.Errorf("RestrictAddressFamilies=%s: the tracker cannot tell systemd", families)
	}
	args := strings.Fields(unit["ExecStart"][0])
	config := filepath.Join(dir, "tracker.yaml")
	if err := os.WriteFile(config, []byte("listen: [\"127.0.0.1:0\"]\nlimits-exempt: [none]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	i := slices.Index(args, "/etc/shoal/tracker.yaml")
	if args[0] != "/usr/local/bin/shoal" || i < 0 {
		t.Fatalf("ExecStart=%v", args)
	}
	args[i] = config
	p := rig.Shoal(t, args[1:]...)
	rig.Poll(t, "the tracker", 30*time.Second, func() bool { return readyLine.MatchString(p.Stdout()) })
	p.Signal(syscall.SIGHUP)
	addr := readyLine.FindStringSubmatch(p.Stdout())[1]
	if r := rig.Run(t, "tracker", "health", addr); r.Code != 0 {
		t.Errorf("after SIGHUP: %+v", r)
	}
	p.Signal(syscall.SIGTERM)
	if code := p.Exit(stop); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}

	// Wrong settings end in the exit code that keeps systemd from trying again.
	if err := os.WriteFile(config, []byte("no-such-key: 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := rig.Run(t, args[1:]...); r.Code != 2 || unit["RestartPreventExitStatus"][0] != "2" {
		t.Errorf("wrong settings: exit %d, RestartPreventExitStatus=%v", r.Code, unit["RestartPreventExitStatus"])
	}
}

// There is no container engine here: so everything that the Dockerfile relies on is checked by itself.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(rig.Path("packaging", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if word, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && word != "#" {
			lines[word] = append(lines[word], rest)
		}
	}
	exec := func(word string) (args []string) {
		t.Helper()
		list := lines[word][0]
		if err := json.Unmarshal([]byte(list[strings.IndexByte(list, '['):]), &args); err != nil {
			t.Fatalf("%s %s is not in the form [\"…\"], which needs no shell: %v", word, list, err)
		}
		return args
	}

	mod, err := os.ReadFile(rig.Path("go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))[1]
	if !strings.HasPrefix(lines["FROM"][0], "golang:"+version+"-") || lines["FROM"][1] != "scratch" {
		t.Errorf("FROM %q, go.mod wants Go %s", lines["FROM"], version)
	}
	makefile, err := os.ReadFile(rig.Path("Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`make (\w+)`).FindAllStringSubmatch(string(text), -1) {
		if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
			t.Errorf("the Makefile has no target %s", m[1])
		}
	}
	if !strings.Contains(string(makefile), "BINARY := bin/shoal") || !slices.Contains(lines["COPY"], "--from=build /src/bin/shoal /shoal") {
		t.Errorf("make builds another file than is copied: %q", lines["COPY"])
	}
	ignored, err := os.ReadFile(rig.Path("packaging", "Dockerfile.dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	for _, needed := range []string{"Makefile", "cmd", "web", "web/src", "internal", "tracker"} {
		if slices.Contains(strings.Fields(string(ignored)), needed) {
			t.Errorf("%s is kept out of the build", needed)
		}
	}

	// An image from scratch has neither a C library nor a root to fall back to.
	f, err := elf.Open(rig.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary is not static")
		}
	}
	if !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(lines["USER"][0]) {
		t.Errorf("USER %s", lines["USER"][0])
	}

	// What it runs by default runs, on a free port, and is healthy by its own measure.
	args := exec("CMD")
	if entry := exec("ENTRYPOINT"); !slices.Equal(entry, []string{"/shoal"}) {
		t.Errorf("ENTRYPOINT %q", entry)
	}
	i := slices.Index(args, ":8000")
	if i < 1 || args[i-1] != "--listen" || !strings.Contains(lines["EXPOSE"][0], "8000/tcp") || !strings.Contains(lines["EXPOSE"][0], "8000/udp") {
		t.Fatalf("CMD %q, EXPOSE %q", args, lines["EXPOSE"])
	}
	args[i] = "127.0.0.1:0"
	p := rig.Shoal(t, args...)
	rig.Poll(t, "the tracker", 30*time.Second, func() bool { return readyLine.MatchString(p.Stdout()) })
	_, port, err := net.SplitHostPort(readyLine.FindStringSubmatch(p.Stdout())[1])
	if err != nil {
		t.Fatal(err)
	}
	check := exec("HEALTHCHECK")
	if check[0] != "/shoal" {
		t.Fatalf("HEALTHCHECK %q", check)
	}
	for i := range check {
		check[i] = strings.ReplaceAll(check[i], "8000", port)
	}
	if r := rig.Run(t, check[1:]...); r.Code != 0 {
		t.Errorf("the health check fails: %+v", r)
	}
	p.Kill()
	if r := rig.Run(t, check[1:]...); r.Code != 1 {
		t.Errorf("the health check of a dead tracker: %+v", r)
	}
}

func TestSysctlFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(rig.Path("packaging", "sysctl", "90-shoal-tracker.conf"))
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile(rig.Path("docs", "tracker.md"))
	if err != nil {
		t.Fatal(err)
	}
	settings := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		settings++
		key, value, ok := strings.Cut(line, " = ")
		if !ok || !regexp.MustCompile(`^-?net(\.[a-z0-9_]+)+$`).MatchString(key) || !regexp.MustCompile(`^\d+( \d+)*$`).MatchString(value) {
			t.Errorf("%q is not a setting", line)
		}
		name := key[strings.LastIndexByte(key, '.')+1:]
		if !strings.Contains(string(guide), "`"+name+"`") {
			t.Errorf("docs/tracker.md does not explain %s", name)
		}
	}
	if settings == 0 {
		t.Error("there are no settings")
	}
}
