package driver_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/transport"
)

// meter counts what passes a stream, in both directions.
type meter struct {
	mu    sync.Mutex
	start time.Time
	bytes int64
	most  float64 // more than this per second, beyond what burst allows, was never seen
	over  float64 // by how much it was at worst
}

func (m *meter) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += int64(n)
	m.over = max(m.over, float64(m.bytes)-m.most*time.Since(m.start).Seconds())
}

func (m *meter) worst() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.over
}

func (m *meter) total() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bytes
}

// metered is a stream that counts what is read from it.
type metered struct {
	transport.Conn
	by []*meter
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	for _, by := range m.by {
		by.add(n)
	}
	return n, err
}

// At a low rate nothing passes in bursts, and a limit that is lifted holds up
// nobody.
func TestALowLimitMakesNoBursts(t *testing.T) {
	const rate = 4000
	for _, down := range []bool{false, true} {
		inBubble(t, func(t *testing.T, n *network) {
			tor, data := makeTorrent(t, 300_000, true, false)
			seed, addr := n.session(t, "192.0.2.1:1", nil)
			share(t, seed, tor, data)
			m := &meter{start: time.Now(), most: rate}
			leech, _ := n.session(t, "192.0.2.2:1", func(cfg *driver.Config) {
				dial := cfg.Dial
				cfg.Dial = func(ctx context.Context, to netip.AddrPort) (transport.Conn, error) {
					c, err := dial(ctx, to)
					return &metered{c, []*meter{m}}, err
				}
			})
			set := func(rate int64) { seed.SetLimits(rate, 0) }
			if down {
				set = func(rate int64) { leech.SetLimits(0, rate) }
			}
			set(rate)
			got, _ := fetch(t, leech, tor)
			got.AddPeers([]netip.AddrPort{addr}, swarm.User)
			time.Sleep(20 * time.Second)
			if m.worst() > rate || m.total() < 19*rate {
				t.Errorf("download %v: %d bytes in 20 s, at one time %.0f more than the limit", down, m.total(), m.worst())
			}
			set(10)
			time.Sleep(5 * time.Second)
			set(0)
			time.Sleep(time.Second)
			if !isDone(got) {
				t.Errorf("download %v: who waited waits on though the limit is lifted", down)
			}
		})
	}
}

// quiet is a source that is asked and says nothing.
type quiet struct{}

func (quiet) Request(uint32, uint32, uint32) {}
func (quiet) Cancel(uint32, uint32, uint32)  {}
func (quiet) Close(bool)                     {}

// What comes from a web seed is within the same limits.
func TestSourcesPayToo(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		tor, _ := makeTorrent(t, 300_000, true, false)
		s, _ := n.session(t, "192.0.2.1:1", nil)
		got, _ := fetch(t, s, tor)
		<-got.Learned() // the content is open
		f := got.AddSource("http://192.0.2.9/", quiet{})
		if f.Quantum() != 0 {
			t.Error("there is a quantum without a limit")
		}
		f.Pay(1 << 30)
		got.SetLimits(0, 1000)
		start := time.Now()
		for range 100 {
			f.Pay(f.Quantum())
		}
		bytes, d := 100*f.Quantum(), time.Since(start)
		if want := time.Duration(bytes) * time.Millisecond; d < want-time.Second || d > want+time.Second {
			t.Errorf("%d bytes at 1000 a second took %v", bytes, d)
		}
		f.Leave()
		f.Pay(1 << 30) // nobody waits for a source that left
		if up, down := got.Limits(); up != 0 || down != 1000 {
			t.Errorf("the limits are %d and %d", up, down)
		}
	})
}

// Three peers download from one; where the limit stands makes no difference.
func TestLimitsHoldAndAreShared(t *testing.T) {
	const rate = 200_000
	for _, c := range []struct {
		name string
		set  func(s *driver.Session, tr *driver.Torrent, rate int64)
		down bool
	}{
		{"upload of the session", func(s *driver.Session, _ *driver.Torrent, r int64) { s.SetLimits(r, 0) }, false},
		{"upload of the torrent", func(_ *driver.Session, tr *driver.Torrent, r int64) { tr.SetLimits(r, 0) }, false},
		{"upload of both", func(s *driver.Session, tr *driver.Torrent, r int64) { s.SetLimits(r, 0); tr.SetLimits(2*r, 0) }, false},
		{"download of the session", func(s *driver.Session, _ *driver.Torrent, r int64) { s.SetLimits(0, r) }, true},
		{"download of the torrent", func(_ *driver.Session, tr *driver.Torrent, r int64) { tr.SetLimits(0, r) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				tor, data := makeTorrent(t, 16<<20, true, false)
				all := &meter{start: time.Now(), most: rate}
				one, oneAddr := n.session(t, "192.0.2.1:1", nil)
				var tr *driver.Torrent
				if c.down {
					tr, _ = fetch(t, one, tor)
				} else {
					tr = share(t, one, tor, data)
				}
				c.set(one, tr, rate)
				var each []*meter
				var peers []netip.AddrPort
				for _, addr := range []string{"192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1"} {
					m := &meter{start: time.Now(), most: rate}
					each = append(each, m)
					s, a := n.session(t, addr, func(cfg *driver.Config) {
						if c.down {
							return
						}
						dial := cfg.Dial
						cfg.Dial = func(ctx context.Context, to netip.AddrPort) (transport.Conn, error) {
							c, err := dial(ctx, to)
							if err == nil && to == oneAddr { // not what the others tell each other
								c = &metered{c, []*meter{all, m}}
							}
							return c, err
						}
					})
					if c.down {
						share(t, s, tor, data)
						peers = append(peers, a)
						continue
					}
					got, _ := fetch(t, s, tor)
					got.AddPeers([]netip.AddrPort{oneAddr}, swarm.User)
				}
				tr.AddPeers(peers, swarm.User)
				count := func() int64 {
					if !c.down {
						return all.total()
					}
					down, _, _ := tr.Totals()
					return down
				}
				time.Sleep(5 * time.Second) // everybody has found everybody
				was := count()
				time.Sleep(10 * time.Second)
				if got := count() - was; got < 10*rate*95/100 || got > 10*rate*105/100 {
					t.Errorf("%d bytes passed in 10 s at %d a second", got, rate)
				}
				if !c.down {
					if all.worst() > rate {
						t.Errorf("%.0f bytes more than the limit passed at one time", all.worst())
					}
					for i, m := range each {
						if m.total() < all.total()/6 {
							t.Errorf("peer %d got %d of %d bytes", i, m.total(), all.total())
						}
					}
				}
				c.set(one, tr, rate/4)
				time.Sleep(5 * time.Second)
				was = count()
				time.Sleep(20 * time.Second)
				if got := count() - was; got < 20*rate/4*90/100 || got > 20*rate/4*110/100 {
					t.Errorf("%d bytes passed in 20 s at %d a second", got, rate/4)
				}
				c.set(one, tr, 0)
				time.Sleep(5 * time.Second)
				if got := count(); got < 16<<20 {
					t.Errorf("without the limit %d bytes passed", got)
				}
			})
		})
	}
}
