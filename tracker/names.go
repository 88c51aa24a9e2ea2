package tracker

import (
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/tracker/place"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// Names for those who embed a Tracker, of what Config and Peering carry.
type (
	// Place says where a peer is, as far as is known: equal values mean near, zero
	// means unknown. Config.Locate returns it.
	Place = swarm.Place
	// Locality says how much of a Place counts when peers are chosen.
	Locality = swarm.Locality
	// PlaceDB knows networks and countries by databases that the operator brings.
	// Its Locate is for Config.Locate.
	PlaceDB = place.DB
	// InfoHash is the key of a swarm, PeerID what a peer calls itself.
	InfoHash = swarm.Hash
	PeerID   = swarm.PeerID
	// TCPPeer is a peer that takes TCP connections, Family which addresses a client
	// can use. Peering carries them from one tracker to another.
	TCPPeer = swarm.TCPPeer
	Family  = swarm.Family
)

// The localities, for Config.Locality.
const (
	LocalityOff    = swarm.LocalityOff    // peers are chosen at random
	LocalityPrefix = swarm.LocalityPrefix // near is the same address, then the same prefix
	LocalityFull   = swarm.LocalityFull   // for one half; then the same ISP, then the same country
)

// The address families, to be or-ed; 0 means both.
const (
	V4 = swarm.V4
	V6 = swarm.V6
)

// PlaceOf is what an address alone tells: which peers are behind one NAT or in one
// prefix. It is for Config.Locate where there is no database.
func PlaceOf(addr netip.Addr) Place { return place.OfAddr(addr) }

// OpenPlaces opens databases of networks or countries, in the format of MaxMind.
func OpenPlaces(paths ...string) (*PlaceDB, error) { return place.Open(paths...) }
