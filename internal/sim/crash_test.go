package sim

import (
	"testing"
	"time"
)

// crash has one of three equal sources fall silent at a time, with no word to anybody.
func crash(seed uint64, tor *Torrent, at time.Duration) (*Network, *Node) {
	net := New(Config{Seed: seed, Torrent: tor})
	for k := range 3 {
		x := net.Add(NodeConfig{Seed: true, Up: 1 << 20, Latency: between(net.Rand(), 5*time.Millisecond, 80*time.Millisecond)})
		x.Join()
		if k == 0 {
			net.At(at, func() { x.Leave(true) })
		}
	}
	x := net.Add(NodeConfig{Latency: 20 * time.Millisecond})
	x.Join()
	return net, x
}

// What was asked of a source that has fallen silent is soon asked of another.
func TestCrashOfASourceDoesNotHoldUpADownload(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 400})
	forSeeds(t, 20, func(t *testing.T, seed uint64) {
		at := 2*time.Second + time.Duration(seed)*350*time.Millisecond
		net, x := crash(seed, tor, at)
		if err := net.Run(5*time.Minute, net.AllComplete); err != nil {
			t.Fatal(err)
		}
		size := float64(tor.Info.Length)
		ideal := time.Duration((size/(2<<20) - at.Seconds()/2) * float64(time.Second)) // two go on alone
		t.Logf("a crash after %v: %v, the lines need %v", at, x.Done, max(ideal, 0))
		if late := x.Done - max(ideal, at); late > 3*time.Second {
			t.Errorf("seed %d: a crash after %v: %v too late", seed, at, late)
		}
		if x.Wasted() > x.Received/25 {
			t.Errorf("%d of %d bytes in vain", x.Wasted(), x.Received)
		}
	})
}

func TestCrashOfASourceDoesNotHoldUpAReader(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 400})
	forSeeds(t, 20, func(t *testing.T, seed uint64) {
		at := time.Second + time.Duration(seed)*150*time.Millisecond
		net, x := crash(seed, tor, at)
		p := play(x, 0, 60*time.Millisecond, 30)
		if err := net.Run(5*time.Minute, net.AllComplete); err != nil {
			t.Fatal(err)
		}
		t.Logf("a crash after %v: first picture after %v, %d stalls, %v", at, p.started-p.began, p.stalls, p.stalled)
		if p.stalled > 2*time.Second {
			t.Errorf("seed %d: a crash after %v: stalled for %v", seed, at, p.stalled)
		}
	})
}
