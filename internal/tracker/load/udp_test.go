package load

import (
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/tracker"
)

// serveUDP runs a tracker on loopback and returns its UDP address.
func serveUDP(t *testing.T, cfg tracker.Config) (string, *tracker.Tracker) {
	t.Helper()
	tr, err := tracker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	conns, err := tracker.ListenUDP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tr.ServeUDP(conns...)
	}()
	t.Cleanup(func() {
		tr.Close()
		<-done
	})
	return conns[0].LocalAddr().String(), tr
}

func TestUDP(t *testing.T) {
	for _, interval := range []time.Duration{0, 10 * time.Millisecond} {
		addr, tr := serveUDP(t, tracker.Config{})
		o := Options{Profile: "udp", URLs: []string{"udp://" + addr}, Conns: 4, SwarmSize: 20, Interval: interval, Duration: time.Second, Warmup: 100 * time.Millisecond}
		if runtime.GOOS == "linux" {
			o.PIDs = []int{os.Getpid()}
		}
		r := run(t, o)
		if r.Conns != 4 || len(r.Errors) != 0 {
			t.Errorf("%d sockets, errors %v", r.Conns, r.Errors)
		}
		// Those under way at the end have no reply.
		if missing := r.Announces - r.Replies; r.Replies == 0 || missing < 0 || missing > 4*udpWindow {
			t.Errorf("%d announces, %d replies", r.Announces, r.Replies)
		}
		if r.ReplyLatency.Count != uint64(r.Replies) || r.ReplyLatency.P99 <= 0 {
			t.Errorf("%+v", r.ReplyLatency)
		}
		if n := tr.Stats().Announces[tracker.UDP]; int64(n) < r.Announces-4*udpWindow {
			t.Errorf("the tracker saw %d announces of %d", n, r.Announces)
		}
		if due := int64(4 * r.Seconds / 0.01); interval > 0 && (r.Announces > due*5/4 || r.Announces+r.Skipped < due/2) {
			t.Errorf("%d announces, %d skipped, %d were due", r.Announces, r.Skipped, due)
		}
	}
}

func TestUDPWithoutATracker(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc.Close()
	_, err = Run(t.Context(), Options{Profile: "udp", URLs: []string{"udp://" + pc.LocalAddr().String()}, Conns: 2, Duration: time.Millisecond, Warmup: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "no reply from 127.0.0.1") {
		t.Error(err)
	}
}
