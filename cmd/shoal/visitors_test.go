package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/node"
)

// asked is what a node says of itself under a name, to a visitor who comes through a
// proxy.
func asked(t *testing.T, addr, host string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequest("GET", "http://"+addr+"/shoal/config.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	req.Header.Set("X-Forwarded-For", "198.51.100.1")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func TestWhoIsAnswered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret.txt")
	os.WriteFile(file, []byte("secret"), 0o644)
	for _, listing := range []node.Listing{node.ListLocal, node.ListAll} {
		share := shareCmd{Paths: []string{file}, serving: serving{
			Listen: "127.0.0.1:0", PeerListen: "127.0.0.1:0", NoNAT: true, network: quietly,
			visitors: visitors{AllowedHost: []string{"share.example"}, Listing: listing},
		}}
		ctx, stop := context.WithCancel(t.Context())
		next, ended := follow(t, func(context.Context) error { return share.Run(ctx) })
		var ready readyEvent
		next("ready", &ready)
		if status, body := asked(t, ready.HTTP, "evil.example"); status != 403 || strings.Contains(body, ready.InfoHash) {
			t.Errorf("%s: a name that is not ours: %d %s", listing, status, body)
		}
		if status, body := asked(t, ready.HTTP, "share.example"); status != 200 || strings.Contains(body, ready.InfoHash) != (listing == node.ListAll) {
			t.Errorf("%s: a name that was allowed: %d %s", listing, status, body)
		}
		stop()
		<-ended
	}
}

func TestVisitors(t *testing.T) {
	web, err := listenWeb("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer web.close()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	v := visitors{AllowedHost: []string{"a.example", "b.example"}[:1], Listing: node.ListNone}
	cfg := v.nodeConfig(web, nil)
	if !slices.Equal(cfg.Hosts, []string{"a.example", name}) || cfg.Listing != node.ListNone || cfg.Origin != web.base() || v.AllowedHost[:2][1] != "b.example" {
		t.Errorf("%+v", cfg)
	}
	for _, args := range [][]string{{"share", "x", "--listing", "everybody"}, {"get", "x", "--listing", ""}} {
		if code := run(args); code != 2 {
			t.Errorf("%v: %d", args, code)
		}
	}
}
