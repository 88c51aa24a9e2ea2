package limit

import (
	"net/netip"
	"testing"
	"time"
)

func TestMajorityIsTold(t *testing.T) {
	loopback, other := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("9.9.9.9")
	var told []netip.Addr
	l := NewClients(ClientsConfig{
		Exempt:     []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		OnMajority: func(ip netip.Addr, conns, all int) { told = append(told, ip) },
	})
	now := time.Unix(1000, 0)
	var slots []Slot
	take := func(ip netip.Addr) {
		t.Helper()
		s, why := l.Take(now, ip)
		if why != None {
			t.Fatal(why)
		}
		slots = append(slots, s)
	}
	for i := range 25 {
		take(netip.AddrFrom4([4]byte{1, 2, byte(i), 1}))
	}
	for range 25 {
		take(loopback)
	}
	if len(told) != 0 {
		t.Errorf("told of a half: %v", told)
	}
	for range 100 {
		take(loopback)
	}
	if len(told) != 1 || told[0] != loopback {
		t.Errorf("told of %v, want %v once", told, loopback)
	}
	now = now.Add(time.Hour)
	take(loopback)
	if len(told) != 2 {
		t.Errorf("an hour later told of %v", told)
	}
	for i := range slots {
		l.Release(&slots[i])
	}
	now = now.Add(time.Hour)
	for range 40 {
		take(other)
	}
	if len(told) != 2 || len(l.exemptPerAddr) != 0 {
		t.Errorf("those who left still count: %v", told)
	}
}

// A proxy's connection counts among all, and by address once it is known whose it is.
func TestConnectionsOfProxies(t *testing.T) {
	l := NewClients(ClientsConfig{Conns: 3, ConnsPerAddr: 1})
	now, client := time.Unix(1000, 0), netip.MustParseAddr("9.9.9.9")
	one, _ := l.TakeProxy()
	two, _ := l.TakeProxy()
	if one.Known() || l.Name(now, &one, client) != None || !one.Known() {
		t.Error("whose it is cannot be said")
	}
	if why := l.Name(now, &two, client); why != ConnsPerAddr {
		t.Errorf("the second of a client: %v", why)
	}
	three, why := l.TakeProxy()
	if why != None {
		t.Errorf("the third of three: %v", why)
	}
	if _, why := l.TakeProxy(); why != Conns {
		t.Errorf("a fourth of three: %v", why)
	}
	if _, why := l.Take(now, netip.MustParseAddr("8.8.8.8")); why != Conns {
		t.Errorf("a client beside three of proxies: %v", why)
	}
	for _, s := range []*Slot{&one, &two, &three} {
		l.Release(s)
		l.Release(s)
	}
	if l.conns != 0 || len(l.connsPerAddr)+len(l.connsPerPrefix) != 0 {
		t.Errorf("%+v is left", l)
	}
}
