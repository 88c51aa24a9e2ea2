//go:build !js

package trackerclient

import (
	"io"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/relay"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/transport/webrtc"
	"github.com/shoal-p2p/shoal/tracker"
)

// Two real WebRTC hosts meet through a real tracker and exchange bytes.
func TestRealWebRTC(t *testing.T) { meet(t, tracker.Config{}, webrtc.Config{Loopback: true}) }

// Two that only offer relayed addresses know of no relay but by the tracker.
func TestRelayedWebRTC(t *testing.T) {
	r, err := relay.New(relay.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	meet(t, tracker.Config{ICEServers: func(c *tracker.Client) []byte { return r.ICEServers(c.Addr) }},
		webrtc.Config{Loopback: true, RelayOnly: true})
	if st := r.Stats(); st.Opened < 2 || st.BytesToClients == 0 {
		t.Errorf("%+v", st)
	}
}

func meet(t *testing.T, cfg tracker.Config, rtc webrtc.Config) {
	tr, addr := startTracker(t, cfg)
	url := "ws://" + addr + "/announce"
	begin := func(id byte, want int) (*sink, *Handle, *webrtc.Host) {
		h, err := webrtc.NewHost(rtc)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		s := newSink()
		c := New(Config{Sink: s, WebRTC: h})
		t.Cleanup(func() { c.Close() })
		handle := c.Start(Announcement{Key: swarmKey, PeerID: [20]byte{id}, Trackers: [][]string{{url}}, WantPeers: func() int { return want }})
		eventually(t, "announced", func() bool { st, n := s.get(url); return n > 0 && st.Err == nil })
		return s, handle, h
	}
	seed, _, _ := begin(1, 0)
	leech, handle, host := begin(2, 1)
	var a, b transport.Conn
	eventually(t, "the channel is open at both ends", func() bool {
		if out, _ := leech.conns(); out != 1 {
			return false
		}
		if _, in := seed.conns(); in != 1 {
			return false
		}
		a, b = leech.outgoing[0], seed.incoming[0]
		return true
	})
	defer a.Close()
	defer b.Close()
	deadline := time.Now().Add(10 * time.Second)
	a.SetWriteDeadline(deadline)
	b.SetReadDeadline(deadline)
	if _, err := a.Write([]byte("hello over the channel")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 22)
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "hello over the channel" {
		t.Errorf("%q, %v", got, err)
	}
	handle.Stop(t.Context())
	eventually(t, "the tracker knows", func() bool { return tr.Stats().WebRTCPeers == 1 })
	// The stop has given up what was pending, and left alone what is in use.
	eventually(t, "one connection is left", func() bool { return host.Stats().Live == 1 })
}
