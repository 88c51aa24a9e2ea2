//go:build !js

package trackerclient

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/tracker"
)

// When the network is back, nobody waits for the end of a backoff of an hour.
func TestWakeEndsTheBackoff(t *testing.T) {
	var dials atomic.Int32
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		dials.Add(1)
		http.Error(w, "not now", http.StatusServiceUnavailable)
	})
	url := "ws" + strings.TrimPrefix(srv.URL, "http")
	n := newNode(t, newNet(), func(c *Config) { c.retryMin = time.Hour })
	n.start(1, 5, 0, url)
	eventually(t, "a first attempt", func() bool { st, _ := n.get(url); return st.Err != nil })
	for k := range int32(3) {
		n.c.Wake()
		eventually(t, "another attempt", func() bool { return dials.Load() >= k+2 })
	}
}

// MaxRetry bounds the wait, however often a tracker has failed.
func TestTheBackoffIsBounded(t *testing.T) {
	var dials atomic.Int32
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		dials.Add(1)
		http.Error(w, "not now", http.StatusServiceUnavailable)
	})
	url := "ws" + strings.TrimPrefix(srv.URL, "http")
	n := newNode(t, newNet(), func(c *Config) { c.retryMin, c.MaxRetry = 2*time.Millisecond, 4*time.Millisecond })
	n.start(1, 5, 0, url)
	eventually(t, "forty attempts", func() bool { return dials.Load() >= 40 }) // doubling, the last would be years away
}

// A connection may be dead though nothing has said so, after a sleep for one.
func TestWakeFindsOutWhatIsDead(t *testing.T) {
	var dials atomic.Int32
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		dials.Add(1)
		<-r.Context().Done() // it reads nothing, so it answers no ping either
	})
	url := "ws" + strings.TrimPrefix(srv.URL, "http")
	n := newNode(t, newNet(), func(c *Config) { c.proof = 50 * time.Millisecond })
	n.start(1, 5, 0, url)
	eventually(t, "a connection", func() bool { return dials.Load() == 1 })
	eventually(t, "another one", func() bool {
		n.c.Wake()
		return dials.Load() >= 2
	})
}

// A link to a torrent that is announced already may name a tracker where somebody is.
func TestTrackersMayBeAdded(t *testing.T) {
	_, host := startTracker(t, tracker.Config{})
	one, other := "ws://"+host+"/announce", "ws://"+host+"/announce?2"
	fakes := newNet()
	a, b := newNode(t, fakes, nil), newNode(t, fakes, nil)
	h := a.start(1, 5, 2) // without any
	h.Add([]string{one, "udp://" + host, one})
	a.announced(t, one)
	if st, _ := a.get("udp://" + host); st.Err != ErrUnsupported {
		t.Errorf("another kind of tracker: %v", st.Err)
	}
	h.Add([]string{one, other})
	a.announced(t, other)
	b.start(2, 0, 2, one)
	eventually(t, "they meet", func() bool {
		out, in := a.conns()
		return out+in > 0
	})
}
