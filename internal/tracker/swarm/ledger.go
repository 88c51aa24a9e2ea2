package swarm

import (
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// A Source names the address that a peer came from, for what one address may use. Equal
// addresses have equal Sources. 0 is nobody's: it has no bounds of its own.
type Source uint32

// A Ledger counts what all Cores of a tracker hold together. A Core asks it when a peer or a
// swarm comes or goes, never for an announce of a peer that is there. One that several Cores
// share must be safe for concurrent use: package ledger has it.
type Ledger interface {
	// Source names an address.
	Source(a netip.Addr) Source
	// Join counts a peer in. ErrFull, ErrQuota.
	Join(src Source) error
	// Part counts a peer out.
	Part(src Source)
	// Open counts a swarm in, or reports false if there are too many.
	Open() bool
	// Close counts a swarm out.
	Close()
	// Peers is how many peers a source has, 0 for source 0.
	Peers(src Source) int
	// Tight reports whether less than an eighth is free.
	Tight() bool
}

// SourceOf names an IPv4 address or an IPv6 /64, by a hash with a secret key: nobody can
// choose an address that is taken for somebody else's. It is never 0 for a valid address.
func SourceOf(key [2]uint64, a netip.Addr) Source {
	v := netaddr.Key(a)
	if v == 0 {
		return 0
	}
	// Two rounds of the finalizer of SplitMix64, a key before each.
	for _, k := range key {
		v ^= k
		v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
		v = (v ^ v>>27) * 0x94d049bb133111eb
		v ^= v >> 31
	}
	return Source(max(uint32(v>>32), 1))
}

// alone is the Ledger of a Core that shares nothing: it knows no sources.
type alone struct{ swarms, peers, maxSwarms, maxPeers int }

func (l *alone) Source(netip.Addr) Source { return 0 }

func (l *alone) Join(Source) error {
	if l.peers >= l.maxPeers {
		return ErrFull
	}
	l.peers++
	return nil
}

func (l *alone) Part(Source) { l.peers-- }

func (l *alone) Open() bool {
	if l.swarms >= l.maxSwarms {
		return false
	}
	l.swarms++
	return true
}

func (l *alone) Close()           { l.swarms-- }
func (l *alone) Peers(Source) int { return 0 }
func (l *alone) Tight() bool      { return false }
