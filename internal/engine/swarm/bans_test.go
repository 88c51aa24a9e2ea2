package swarm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
)

func mark(id byte, a string, port uint16) swarm.Mark {
	return swarm.Mark{ID: [20]byte{'-', 'X', id}, Addr: addrPort(a, port)}
}

func TestBanIsOfThePeerAndNotOfItsNeighbours(t *testing.T) {
	var b swarm.Bans
	now := time.Unix(1_000_000, 0)
	b.Add(now, mark(1, "192.0.2.1", 1000))
	for name, k := range map[string]swarm.Mark{
		"from another port":  mark(1, "192.0.2.1", 2000),
		"under another name": mark(2, "192.0.2.1", 1000),
	} {
		if !b.Has(now, k) {
			t.Errorf("the same %s is let in", name)
		}
	}
	for name, k := range map[string]swarm.Mark{
		"neighbour":                     mark(2, "192.0.2.1", 2000),
		"namesake somewhere else":       mark(1, "192.0.2.2", 1000),
		"stranger who did not tell yet": {Addr: addrPort("192.0.2.1", 2000)},
	} {
		if b.Has(now, k) {
			t.Errorf("a %s is locked out", name)
		}
	}
	if b.Has(now.Add(time.Hour), mark(1, "192.0.2.1", 1000)) {
		t.Error("it never ends")
	}
}

// Whoever comes back from other ports under other names is behind one address all
// the same.
func TestAddressOfManyBannedIsBanned(t *testing.T) {
	var b swarm.Bans
	now := time.Unix(1_000_000, 0)
	for k := range 4 {
		if b.Has(now, mark(99, "192.0.2.1", 9999)) {
			t.Fatalf("banned after %d", k)
		}
		b.Add(now.Add(time.Duration(k)*time.Minute), mark(byte(k), "192.0.2.1", uint16(1000+k)))
	}
	later := now.Add(4 * time.Minute)
	if !b.Has(later, mark(99, "192.0.2.1", 9999)) {
		t.Fatal("goes on for ever")
	}
	if b.Has(later, mark(99, "192.0.2.2", 9999)) {
		t.Fatal("another address is banned too")
	}
	if b.Has(now.Add(time.Hour), mark(99, "192.0.2.1", 9999)) {
		t.Fatal("it never ends")
	}
}

// An IPv6 network of 64 bits is one household, in which addresses cost nothing.
func TestBanOfAnIPv6Network(t *testing.T) {
	var b swarm.Bans
	now := time.Unix(1_000_000, 0)
	for k := range 4 {
		b.Add(now, mark(byte(k), fmt.Sprintf("2001:db8::%d", k+1), 1000))
	}
	if !b.Has(now, mark(99, "2001:db8::ffff", 1000)) || b.Has(now, mark(99, "2001:db8:0:1::1", 1000)) {
		t.Fatal("not the network of 64 bits")
	}
}

// Behind a relay, and on loopback, are strangers.
func TestAddressThatStrangersShareIsNotBanned(t *testing.T) {
	var b swarm.Bans
	now := time.Unix(1_000_000, 0)
	for k := range 20 {
		relayed := mark(byte(k), "192.0.2.1", uint16(1000+k))
		relayed.Shared = true
		b.Add(now, relayed)
		b.Add(now, mark(byte(k), "127.0.0.1", uint16(1000+k)))
	}
	other := mark(99, "192.0.2.1", 9999)
	other.Shared = true
	if b.Has(now, other) || b.Has(now, mark(99, "127.0.0.1", 9999)) {
		t.Fatal("locked out for what strangers did")
	}
	if b.Has(now, mark(99, "192.0.2.1", 9999)) {
		t.Fatal("whose own address it is pays for the relay's")
	}
	other.Addr = addrPort("192.0.2.1", 1007)
	if !b.Has(now, other) {
		t.Fatal("the very place is let in again")
	}
}

func TestBansAreBounded(t *testing.T) {
	var b swarm.Bans
	now := time.Unix(1_000_000, 0)
	for k := range 5000 {
		b.Add(now, mark(1, fmt.Sprintf("10.1.%d.%d", k>>8, k&255), 1000))
	}
	if b.Has(now, mark(1, "10.1.0.0", 1000)) || !b.Has(now, mark(1, "10.1.19.0", 1000)) {
		t.Fatal("not the oldest are forgotten")
	}
}
