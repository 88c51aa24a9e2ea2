// Command setup brings the tools the end-to-end tests need.
//
// On Debian, as root, it installs the missing packages. Anywhere else it names
// them and fails. The Node packages come from the lock files of test and test/bundlers by npm ci,
// without running their install scripts; the modules of test/interop/anacrolix by go build.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/shoal-p2p/shoal/internal/dev/npm"
)

// tool is something the tests run, the Debian package it comes in, and how to
// tell that it is there.
type tool struct {
	name, pkg string
	there     func() bool
}

var tools = []tool{
	{"chromium", "chromium", has("chromium")},
	{"firefox-esr", "firefox-esr", has("firefox-esr")},
	{"ffmpeg", "ffmpeg", has("ffmpeg")},
	{"libtorrent's Python module", "python3-libtorrent", func() bool {
		return exec.Command("/usr/bin/python3", "-c", "import libtorrent").Run() == nil
	}},
	{"transmission-cli", "transmission-cli", has("transmission-cli")},
	{"aria2c", "aria2", has("aria2c")},
	{"qbittorrent-nox", "qbittorrent-nox", has("qbittorrent-nox")},
	{"deluged", "deluged", has("deluged")},
	{"deluge-console", "deluge-console", has("deluge-console")},
	{"rtorrent", "rtorrent", has("rtorrent")},
	{"ip", "iproute2", has("ip")},
	{"iptables", "iptables", has("iptables")},
	{"nginx", "nginx-light", has("nginx")},
	{"haproxy", "haproxy", has("haproxy")},
	{"caddy", "caddy", has("caddy")},
	{"systemd-analyze", "systemd", has("systemd-analyze")},
	{"node 20 or later", "nodejs", func() bool {
		out, err := exec.Command("node", "-p", "+process.versions.node.split('.')[0] >= 20").Output()
		return err == nil && strings.TrimSpace(string(out)) == "true"
	}},
	{"npm", "npm", has("npm")},
}

func has(name string) func() bool {
	return func() bool { _, err := exec.LookPath(name); return err == nil }
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func run() error {
	gone := missing()
	if len(gone) > 0 && canInstall() {
		if err := install(gone); err != nil {
			return err
		}
		gone = missing()
	}
	if len(gone) > 0 {
		var names []string
		for _, t := range gone {
			names = append(names, fmt.Sprintf("%s (Debian package %s)", t.name, t.pkg))
		}
		return errors.New("the tests need, and this machine lacks: " + strings.Join(names, ", "))
	}
	say := func(what string) { fmt.Println("setup:", what) }
	if err := npm.CI("test", say, "--omit=optional"); err != nil {
		return err
	}
	// Bundlers are programs for one platform, which come as optional packages.
	if err := npm.CI(filepath.Join("test", "bundlers"), say); err != nil {
		return err
	}
	return anacrolix()
}

func missing() []tool {
	var gone []tool
	for _, t := range tools {
		if !t.there() {
			gone = append(gone, t)
		}
	}
	return gone
}

func canInstall() bool {
	if os.Geteuid() != 0 {
		return false
	}
	_, err := os.Stat("/etc/debian_version")
	return err == nil
}

func install(gone []tool) error {
	var pkgs []string
	for _, t := range gone {
		pkgs = append(pkgs, t.pkg)
	}
	fmt.Println("setup: installing", strings.Join(pkgs, " "))
	if err := apt("update", "-qq"); err != nil {
		return err
	}
	return apt(append([]string{"install", "-y", "-qq", "--no-install-recommends"}, pkgs...)...)
}

func apt(args ...string) error {
	cmd := exec.Command("apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("apt-get %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// anacrolix compiles the peer of anacrolix/torrent, so that no test has to wait for
// its many dependencies.
func anacrolix() error {
	cmd := exec.Command("go", "build", "-o", os.DevNull, ".")
	cmd.Dir = filepath.Join("test", "interop", "anacrolix")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build in %s: %v\n%s", cmd.Dir, err, out)
	}
	return nil
}
