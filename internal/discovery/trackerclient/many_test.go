//go:build !js

package trackerclient

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/dev/leak"
	"github.com/shoal-p2p/shoal/metainfo"
)

// One Client announces any number of torrents with a bounded number of goroutines and
// connections, and says good-bye for all of them.
func TestThousandsOfTorrents(t *testing.T) {
	leak.Check(t)
	const n = 3000
	var mu sync.Mutex
	events := map[string]int{}
	var conns, most, open atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		events[r.URL.Query().Get("event")]++
		mu.Unlock()
		fmt.Fprint(w, "d8:completei1e10:incompletei0e8:intervali1800e5:peers6:\x7f\x00\x00\x01\x1a\xe1e")
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			conns.Add(1)
			most.Store(max(most.Load(), open.Add(1)))
		case http.StateClosed:
			open.Add(-1)
		}
	}
	srv.Start()
	defer srv.Close()
	s := newSink()
	c := New(Config{Sink: s})
	defer c.Close()
	before := runtime.NumGoroutine()
	handles := make([]*Handle, n)
	for i := range handles {
		a := Announcement{Trackers: [][]string{{srv.URL + "/announce"}}, Stats: func() Stats { return Stats{} }}
		binary.BigEndian.PutUint32(a.Key[:], uint32(i))
		handles[i] = c.Start(a)
		// The server has two goroutines for each connection, we have three.
		if g := runtime.NumGoroutine() - before; g > 10*maxFlyingAt {
			t.Fatalf("%d goroutines for %d torrents", g, i+1)
		}
	}
	told := func(event string) int {
		mu.Lock()
		defer mu.Unlock()
		return events[event]
	}
	eventually(t, "all announces", func() bool { return told("started") == n })
	eventually(t, "all replies", func() bool { _, reports := s.get(srv.URL + "/announce"); return reports == n })
	s.mu.Lock()
	if len(s.peers) != 0 {
		t.Error("seeds were given the addresses of swarms in which nobody lacks anything")
	}
	s.mu.Unlock()
	if conns.Load() > n/4 || most.Load() > 2*maxFlyingAt {
		t.Errorf("%d connections for %d announces, %d at a time", conns.Load(), n, most.Load())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < n; i += 16 {
				handles[i].Stop(ctx)
			}
		})
	}
	wg.Wait()
	if told("stopped") != n {
		t.Errorf("%d of %d torrents said good-bye", told("stopped"), n)
	}
}

// A Client that is closed leaves neither what waits for its turn nor who waits for it.
func TestCloseWithAnnouncesInLine(t *testing.T) {
	leak.Check(t)
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := New(Config{Sink: newSink()})
	var handles []*Handle
	for i := range 100 {
		handles = append(handles, c.Start(Announcement{Key: metainfo.Hash{byte(i)}, Trackers: [][]string{{"http://" + l.Addr().String() + "/announce"}}}))
	}
	var wg sync.WaitGroup
	for _, h := range handles[:50] {
		wg.Go(func() { h.Stop(context.Background()) })
	}
	time.Sleep(20 * time.Millisecond)
	c.Close()
	for _, h := range append(handles[50:], c.Start(Announcement{})) {
		h.Stop(context.Background())
	}
	wg.Wait()
}

// A connection that an announce has made is not lent to requests that could not have
// made it.
func TestKeptConnectionsAreForAnnouncesOnly(t *testing.T) {
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "d8:intervali1800e5:peers0:e")
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c := New(Config{Sink: newSink()})
	defer c.Close()
	ask := func(path string) error {
		_, err := c.tcp.announce(t.Context(), srv.URL+path, &tcpRequest{a: new(Announcement)})
		return err
	}
	for range 3 {
		if err := ask("/announce"); err != nil {
			t.Fatal(err)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections for three announces in a row", conns.Load())
	}
	if err := ask("/admin"); err == nil {
		t.Error("a path of this machine that is no announce was asked over a kept connection")
	}
}
