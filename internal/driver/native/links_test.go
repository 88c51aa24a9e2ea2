//go:build !js

package native

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/tracker"
)

// couple is two clients that speak WebRTC alone, and the tracker where they meet.
type couple struct {
	t    *testing.T
	a, b *Client
	url  string
}

func newCouple(t *testing.T) *couple {
	t.Helper()
	tr, err := tracker.New(tracker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(tr)
	t.Cleanup(func() {
		s.Close()
		tr.Close()
	})
	p := &couple{t: t, url: "ws" + strings.TrimPrefix(s.URL, "http") + "/announce"}
	for _, c := range []**Client{&p.a, &p.b} {
		if *c, err = New(Config{Local: true, WebRTC: true}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup((*c).Close)
	}
	return p
}

// film makes a torrent of one file of its own.
func film(t *testing.T, n int) (tor *metainfo.Torrent, dir string) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, fmt.Sprintf("film%d.bin", n))
	if err := os.WriteFile(path, make([]byte, 1<<20+n), 0o644); err != nil {
		t.Fatal(err)
	}
	return makeOf(t, path, true, n%2 == 0), dir
}

// meet connects the two in a swarm that neither has anything of.
func (p *couple) meet(tor *metainfo.Torrent, _ string) {
	p.t.Helper()
	var all []*Torrent
	for _, c := range []*Client{p.a, p.b} {
		got, err := c.Add(p.t.Context(), Options{Torrent: tor, Trackers: [][]string{{p.url}}, Content: Download(p.t.TempDir(), nil)})
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, got)
	}
	for end := time.Now().Add(20 * time.Second); all[0].Stats().Stats.Peers == 0 || all[1].Stats().Stats.Peers == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal("the two do not meet")
		}
	}
}

// carry has a seed torrents and b download them, in the order given.
func (p *couple) carry(tor *metainfo.Torrent, dir string, trackers ...string) {
	p.t.Helper()
	var tiers [][]string
	if len(trackers) > 0 {
		tiers = [][]string{trackers}
	}
	if _, err := p.a.Add(p.t.Context(), Options{Torrent: tor, Trackers: tiers, Content: Seed(dir, nil)}); err != nil {
		p.t.Fatal(err)
	}
	got, err := p.b.Add(p.t.Context(), Options{Torrent: tor, Trackers: tiers, Content: Download(p.t.TempDir(), nil)})
	if err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-got.Done():
	case <-time.After(30 * time.Second):
		p.t.Fatalf("not complete: %+v, %+v and %+v", got.Stats(), p.a.WebRTCStats(), p.b.WebRTCStats())
	}
}

// Two peers that share two swarms have one connection: the second swarm's stream is
// opened on the one that they have, whether a tracker or they themselves tell them.
func TestOneConnectionForTwoSwarms(t *testing.T) {
	for name, trackers := range map[string]func(url string) []string{
		"a tracker tells them": func(url string) []string { return []string{url} },
		"they tell each other": func(string) []string { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			p := newCouple(t)
			p.meet(film(t, 1))
			before := p.a.WebRTCStats().Opened
			for n := 2; n <= 4; n++ {
				tor, dir := film(t, n)
				p.carry(tor, dir, trackers(p.url)...)
			}
			if n := p.a.WebRTCStats().Opened; n != before {
				t.Errorf("%d connections for four swarms, %d for the first", n, before)
			}
		})
	}
}
