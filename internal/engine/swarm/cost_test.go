//go:build !js

package swarm

import (
	"net/netip"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

// wall is a content that does nothing.
type wall struct{ wants Appetite }

func (wall) Extensions() []Extension                 { return nil }
func (wall) Joined(*Peer)                            {}
func (wall) Left(*Peer)                              {}
func (wall) Greeting(*wire.ExtHandshake)             {}
func (wall) Greeted(*Peer, *wire.ExtHandshake) error { return nil }
func (wall) Message(*Peer, *Item) error              { return nil }
func (wall) Late(PeerKey, *Item)                     {}
func (wall) Event(Event)                             {}
func (wall) Settle()                                 {}
func (wall) Deadline() time.Time                     { return time.Time{} }
func (w wall) Wants() Appetite                       { return w.wants }
func (wall) Worth(*Peer) float64                     { return 1 }

// crowded is a machine with peers, and addresses that all failed once: they wait.
func crowded(t testing.TB, peers, addrs int) (*Machine, time.Time) {
	t.Helper()
	now := time.Unix(1_000_000, 0)
	m, err := New(Config{PeerID: [20]byte{1}, MaxPeers: peers + 16}, wall{Anybody})
	if err != nil {
		t.Fatal(err)
	}
	ip := func(k int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(k >> 16), byte(k >> 8), byte(k)}), 6881)
	}
	hello := wire.ExtHandshake{M: []wire.Extension{{Name: wire.ExtPEX, ID: 1}}, Port: 6881}
	for k := range peers {
		ev := PeerJoined{Peer: PeerKey(k + 1), Addr: ip(1<<20 + k), Extended: true}
		ev.ID[0], ev.ID[1], ev.ID[2] = 9, byte(k), byte(k>>8)
		m.Step(now, ev, Received{Peer: ev.Peer, Items: []Item{{Message: wire.Message{ID: wire.Extended, Payload: hello.Append(nil)}}}})
	}
	for k := range addrs {
		m.Step(now, PeersFound{Addrs: []netip.AddrPort{ip(k)}})
		m.Step(now, DialFailed{Addr: ip(k)})
	}
	if s := m.Stats(); s.Peers != peers || s.Known != addrs || s.HalfOpen != 0 {
		t.Fatalf("%+v", s)
	}
	return m, now
}

// An idle step looks at nobody, however many there are: neither at peers nor at
// addresses.
func TestIdleStepLooksAtNobody(t *testing.T) {
	m, now := crowded(t, 200, 2000)
	was := m.work
	for k := range 1000 {
		m.Step(now.Add(time.Duration(k) * time.Millisecond))
		m.Deadline()
	}
	if n := m.work - was; n != 0 {
		t.Fatalf("%d peers and addresses looked at in 1,000 idle steps", n)
	}
	if n := testing.AllocsPerRun(100, func() { m.Step(now); m.Deadline() }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// What has to be looked at now and then is looked at for as many as are due.
func TestAnHourOfASwarmCostsWhatIsDue(t *testing.T) {
	m, now := crowded(t, 200, 0)
	alive := make([]Event, 200)
	for k := range alive {
		alive[k] = Received{Peer: PeerKey(k + 1), Items: []Item{{Message: wire.Message{KeepAlive: true}}}}
	}
	was, steps := m.work, 0
	for end := now.Add(time.Hour); now.Before(end); steps++ {
		if at := m.Deadline(); at.After(now) {
			now = at
		}
		m.Step(now)
		if steps%100 == 0 {
			m.Step(now, alive...)
		}
	}
	if m.Stats().Peers != 200 {
		t.Fatalf("%d peers left", m.Stats().Peers)
	}
	// Each peer has its turn every ten seconds for its silence, every minute for
	// peer exchange.
	if n, most := m.work-was, 200*(360+60+10); n > most {
		t.Fatalf("%d looks at peers in an hour, want %d at most", n, most)
	}
}

func BenchmarkIdleStep(b *testing.B) {
	m, now := crowded(b, 200, 2000)
	b.ReportAllocs()
	for b.Loop() {
		m.Step(now)
		m.Deadline()
	}
}

// A message in, a message out, among 200 peers.
func BenchmarkKeepAlive(b *testing.B) {
	m, now := crowded(b, 200, 2000)
	ev := Received{Peer: 77, Items: []Item{{Message: wire.Message{KeepAlive: true}}}}
	events := []Event{ev}
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(5 * time.Millisecond)
		m.Step(now, events...)
		m.Deadline()
	}
}
