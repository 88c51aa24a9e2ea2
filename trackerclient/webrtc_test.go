//go:build !js

package trackerclient

import (
	"io"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/tracker"
	"github.com/shoal-p2p/shoal/transport"
	"github.com/shoal-p2p/shoal/transport/webrtc"
)

// Two real WebRTC hosts meet through a real tracker and exchange bytes.
func TestRealWebRTC(t *testing.T) {
	tr, addr := startTracker(t, tracker.Config{})
	url := "ws://" + addr + "/announce"
	begin := func(id byte, want int) (*sink, *Handle, *webrtc.Host) {
		h, err := webrtc.NewHost(webrtc.Config{Loopback: true})
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
