package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/metainfo"
)

// inFolder runs the test in a folder of its own, with one file to share in it.
func inFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.txt", []byte("hi"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// said runs the command and returns its exit code and what it wrote to stderr.
func said(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	was := os.Stderr
	os.Stderr = f
	code = run(args)
	os.Stderr = was
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, string(b)
}

// A slip in an address is told at once, naming it, instead of a wait for nobody.
func TestMalformedAddresses(t *testing.T) {
	inFolder(t)
	hash := strings.Repeat("1", 40)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"get", "--tracker", "notaurl", hash}, "--tracker notaurl: it is not a URL"},
		{[]string{"get", "--tracker", "tracker.example:80", hash}, "--tracker tracker.example:80: it is not a URL"},
		{[]string{"get", "--tracker", "ftp://192.0.2.1/x", hash}, "--tracker ftp://192.0.2.1/x: the scheme ftp"},
		{[]string{"get", "--tracker", "http:///announce", hash}, "--tracker http:///announce: it names no host"},
		{[]string{"get", "--tracker", "udp://192.0.2.1", hash}, "--tracker udp://192.0.2.1: it names no port"},
		{[]string{"get", "--tracker", "ws://192.0.2.1:70000/", hash}, "--tracker ws://192.0.2.1:70000/: the port"},
		{[]string{"get", "--tracker", "ws://192.0.2.1/", "--tracker", "x", hash}, "--tracker x: it is not a URL"},
		{[]string{"get", "--stun", "stun.example:3478", hash}, "--stun stun.example:3478: it is not a STUN or TURN URL"},
		{[]string{"share", "--stun", "none", "--stun", "stun:stun.example", "a.txt"}, "--stun none: it is not a STUN or TURN URL"},
		{[]string{"seed", "--dir", ".", "magnet:?xt=urn:btih:" + hash}, "'shoal get --seed' joins by one: " + hash},
		{[]string{"seed", "--dir", ".", "http://192.0.2.1/x.torrent"}, "'shoal get --seed' joins by one: http://192.0.2.1/x.torrent"},
		{[]string{"get", "--peer", "192.0.2.1", hash}, "--peer 192.0.2.1: it is not of the form HOST:PORT"},
		{[]string{"get", "--peer", "192.0.2.1:99999", hash}, "--peer 192.0.2.1:99999: it is not"},
		{[]string{"get", "--peer", "192.0.2.1:abc", hash}, "--peer 192.0.2.1:abc: it is not"},
		{[]string{"get", "--peer", "192.0.2.1:0", hash}, "--peer 192.0.2.1:0: it is not"},
		{[]string{"get", "--peer", ":6881", hash}, "--peer :6881: it is not"},
		{[]string{"get", "--peer", "2001:db8::1:6881", hash}, "--peer 2001:db8::1:6881: it is not"},
		{[]string{"share", "--tracker", "not a url", "a.txt"}, "--tracker not a url: it is not a URL"},
		{[]string{"seed", "--tracker", "a,b", "-d", ".", "a.torrent"}, "--tracker a,b: it is not a URL"},
		{[]string{"create", "--tracker", "not a url", "a.txt"}, "--tracker not a url: it is not a URL"},
		{[]string{"create", "--web-seed", "udp://192.0.2.1:1/x", "a.txt"}, "--web-seed udp://192.0.2.1:1/x: the scheme udp"},
	} {
		if c.args[0] == "seed" {
			if code, out := said(t, "create", "a.txt", "-o", "a.torrent"); code != 0 {
				t.Fatal(out)
			}
		}
		code, out := said(t, c.args...)
		if code != 2 || !strings.Contains(out, c.says) || strings.Count(out, "\n") != 1 {
			t.Errorf("%q: %d, %s", c.args, code, out)
		}
	}
	for _, u := range []string{"WSS://tracker.example", "udp://[2001:db8::1]:1/announce?x=1", "http://user:pass@tracker.example:1/%20?a=b,c"} {
		if err := checkTrackers([]string{u}); err != nil {
			t.Error(err)
		}
	}
	if err := checkPeers([]string{"[2001:db8::1]:1", "peer.example:65535"}); err != nil {
		t.Error(err)
	}
	if wrong := checkPeers([]string{"x"}); !errors.As(wrong, new(errUsage)) {
		t.Errorf("%T", wrong)
	}
}

// A comma is allowed in an address.
func TestAddressesWithCommas(t *testing.T) {
	inFolder(t)
	tracker, seed := "http://192.0.2.1:1/announce?k=1,2", "http://192.0.2.1:1/a,b.iso"
	if code, out := said(t, "create", "a.txt", "-o", "a.torrent", "--tracker", tracker, "--tracker", "udp://192.0.2.1:2", "--web-seed", seed); code != 0 {
		t.Fatal(out)
	}
	b, err := os.ReadFile("a.torrent")
	if err != nil {
		t.Fatal(err)
	}
	meta, err := metainfo.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{tracker, "udp://192.0.2.1:2"}; !slices.Equal(slices.Concat(meta.Announce...), want) || !slices.Equal(meta.WebSeeds, []string{seed}) {
		t.Errorf("%q, %q", meta.Announce, meta.WebSeeds)
	}
}
