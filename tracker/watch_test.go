package tracker

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A loop that somebody keeps from turning is noticed, and so is that it turns again.
func TestWatch(t *testing.T) {
	stuck, free := make(chan struct{}), make(chan struct{})
	tr, err := New(Config{AllowAnnounce: func(*Client, [20]byte) error {
		close(stuck)
		<-free
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go tr.Serve(ln)
	w := tr.Watch()
	alive := func(want bool) bool {
		for range 200 {
			time.Sleep(time.Second) // more than a loop ever takes for a round
			if w.Alive() == want {
				return true
			}
		}
		return false
	}
	if !alive(true) {
		t.Fatal("an idle tracker is stuck")
	}
	c, _, err := websocket.Dial(t.Context(), "ws://"+ln.Addr().String()+"/announce", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, `{"action":"announce","info_hash":"%s","peer_id":"%s"}`, strings.Repeat("a", 20), strings.Repeat("b", 20))); err != nil {
		t.Fatal(err)
	}
	<-stuck
	if len(w.loops) > 0 && !alive(false) { // elsewhere than on Linux there are no loops
		t.Error("a stuck loop is not noticed")
	}
	close(free)
	if !alive(true) {
		t.Error("it turns again, and that is not noticed")
	}
}

func TestLargest(t *testing.T) {
	tr, err := New(Config{Limits: Limits{Peers: 12345}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	srv := httptest.NewServer(tr)
	defer srv.Close()
	hash := func(i int) (h InfoHash) { h[0], h[1], h[19] = byte(i), byte(i>>8), 7; return h }
	for i := 1; i <= 8; i++ { // the i-th has i peers, the first of them a seeder; an address may have no more in a swarm
		for p := range i {
			h := hash(i)
			r, err := http.Get(fmt.Sprintf("%s/announce?info_hash=%s&peer_id=-XX0000-%012d&port=%d&left=%d", srv.URL, url.QueryEscape(string(h[:])), i*100+p, 1000+p, min(p, 1)))
			if err != nil {
				t.Fatal(err)
			}
			r.Body.Close()
		}
	}
	top := tr.Largest(5)
	if len(top) != 5 {
		t.Fatalf("%d swarms", len(top))
	}
	for i, s := range top {
		if want := 8 - i; s.InfoHash != hash(want) || s.TCPPeers != want || s.Seeders != 1 || s.WebRTCPeers != 0 {
			t.Errorf("%d: %+v", i, s)
		}
	}
	if all := tr.Largest(1000); len(all) != 8 || len(tr.Largest(0)) != 0 {
		t.Errorf("%d of 8 swarms", len(all))
	}
	if l := tr.Limits(); l.Peers != 12345 || l.Offers != 10 {
		t.Errorf("%+v", l)
	}
}
