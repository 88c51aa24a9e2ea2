package sim

import (
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
)

// player reads pieces in order at a rate, as a media element does, and tells
// the machine what it needs next, as a driver's reader does.
type player struct {
	x       *Node
	at      int
	every   time.Duration // a piece lasts so long
	ahead   int
	began   time.Duration
	started time.Duration // when the first piece was there
	stalls  int
	stalled time.Duration
	waiting bool
	life    int  // counts seeks
	reads   bool // as a driver's reader: the window grows, the rate is unknown at first
	window  int
}

func play(x *Node, first int, every time.Duration, ahead int) *player {
	p := &player{x: x, every: every, ahead: ahead}
	x.Ahead = int64(ahead+1) * x.net.cfg.Torrent.Info.PieceLength
	p.seek(first)
	return p
}

func (p *player) seek(piece int) {
	p.life++
	p.at, p.began, p.started = piece, p.x.net.now, 0
	p.waiting = false
	p.tell(true)
	p.tick(p.life)
}

func (p *player) tell(jump bool) {
	ahead, spacing := p.ahead, p.every
	if p.reads {
		const most = 32
		if p.window = min(2*p.window, most); jump {
			p.window, spacing = 1, 0
		}
		ahead = p.window
		p.x.Ahead = (most + 1) * p.x.net.cfg.Torrent.Info.PieceLength
	}
	last := min(p.at+ahead, p.x.stored.Len()-1)
	p.x.Post(torrent.ReaderMoved{Reader: 1, First: p.at, Last: last, Spacing: spacing, Jump: jump})
}

func (p *player) tick(life int) {
	const poll = 20 * time.Millisecond
	net := p.x.net
	if life != p.life {
		return
	}
	if !p.x.Stored(p.at) {
		if p.started > 0 {
			if !p.waiting {
				p.stalls++
			}
			p.stalled += poll
		}
		p.waiting = true
		net.After(poll, func() { p.tick(life) })
		return
	}
	p.waiting = false
	if p.started == 0 {
		p.started = net.now
	}
	if p.at++; p.at == p.x.stored.Len() {
		p.x.Post(torrent.ReaderClosed{Reader: 1})
		return
	}
	p.tell(false)
	net.After(p.every, func() { p.tick(life) })
}

// film is a swarm whose lines carry the film about one and a half times as fast
// as it plays: 64 KiB pieces that last a quarter of a second each, 256 KB/s.
func film(seed uint64, tor *Torrent) (*Network, *Node) {
	net := New(Config{Seed: seed, Torrent: tor, Loss: 0.01})
	rng := net.Rand()
	for range 4 {
		net.Add(NodeConfig{Seed: true, Up: 100 << 10, Latency: between(rng, 10*time.Millisecond, 80*time.Millisecond)}).Join()
	}
	x := net.Add(NodeConfig{Down: 400 << 10, Latency: 20 * time.Millisecond})
	x.Join()
	return net, x
}

func TestPlayerOnASlowSwarmStartsSoonAndDoesNotStall(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 240}) // a minute of film
	forSeeds(t, 20, func(t *testing.T, seed uint64) {
		net, x := film(seed, tor)
		p := play(x, 0, 250*time.Millisecond, 20)
		if err := net.Run(5*time.Minute, net.AllComplete); err != nil {
			t.Fatal(err)
		}
		if d := p.started - p.began; d > 3*time.Second {
			t.Errorf("seed %d: the first picture took %v", seed, d)
		}
		if p.stalled > 3*time.Second || p.stalls > 4 {
			t.Errorf("seed %d: %d stalls, %v in all", seed, p.stalls, p.stalled)
		}
		t.Logf("first picture after %v, %d stalls, %v", p.started-p.began, p.stalls, p.stalled)
	})
}

// The window comes before everything else.
func TestReaderGetsItsWindowFirst(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 240})
	forSeeds(t, 20, func(t *testing.T, seed uint64) {
		net, x := film(seed, tor)
		const first, last = 100, 119
		net.At(100*time.Millisecond, func() {
			x.Post(torrent.ReaderMoved{Reader: 1, First: first, Last: last, Spacing: 250 * time.Millisecond})
		})
		window := func() bool {
			for i := first; i <= last; i++ {
				if !x.Stored(i) {
					return false
				}
			}
			return true
		}
		if err := net.Run(time.Minute, window); err != nil {
			t.Fatal(err)
		}
		if n := x.stored.Count(); n > last-first+1+8 {
			t.Errorf("seed %d: %d pieces when the window of %d was there", seed, n, last-first+1)
		}
	})
}

func TestSeekIsServedWithinABound(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 480})
	forSeeds(t, 20, func(t *testing.T, seed uint64) {
		net, x := film(seed, tor)
		p := play(x, 0, 250*time.Millisecond, 20)
		var waits []time.Duration
		note := func() {
			if p.started == 0 {
				t.Errorf("seed %d: a seek was not served within ten seconds", seed)
				return
			}
			waits = append(waits, p.started-p.began)
		}
		for k, piece := range []int{400, 200, 450, 100, 300} {
			at := time.Duration(k+1) * 10 * time.Second
			net.At(at-1, note)
			net.At(at, func() { p.seek(piece) })
		}
		if err := net.Run(10*time.Minute, net.AllComplete); err != nil {
			t.Fatal(err)
		}
		for _, d := range waits {
			if d > 3*time.Second {
				t.Errorf("seed %d: a seek took %v", seed, d)
			}
		}
		t.Logf("waits %v", waits)
		if got, wasted := net.figures(); wasted > got/20 {
			t.Errorf("seed %d: %d of %d bytes in vain", seed, wasted, got)
		}
	})
}

// One source is slow as syrup and has been asked for the very block that the
// player needs.
func TestSlowSourceDoesNotHoldUpAReader(t *testing.T) {
	tor := newTorrent(t, TorrentOptions{V1: true, Pieces: 120})
	forSeeds(t, 10, func(t *testing.T, seed uint64) {
		net := New(Config{Seed: seed, Torrent: tor})
		for k := range 6 {
			c := NodeConfig{Seed: true, Up: 200 << 10}
			switch k {
			case 0, 1:
				c.Up = 4 << 10
			case 2:
				c.Malice = &Malice{Claims: true, Silent: true}
			}
			net.Add(c).Join()
		}
		x := net.Add(NodeConfig{})
		x.Join()
		p := play(x, 0, 250*time.Millisecond, 20)
		if err := net.Run(5*time.Minute, net.AllComplete); err != nil {
			t.Fatal(err)
		}
		if p.started-p.began > 5*time.Second || p.stalled > 3*time.Second {
			t.Errorf("seed %d: first picture after %v, stalled for %v", seed, p.started-p.began, p.stalled)
		}
		t.Logf("first picture after %v, %d stalls, %v", p.started-p.began, p.stalls, p.stalled)
	})
}
