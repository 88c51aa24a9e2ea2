package tracker

import (
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/hook"
	"github.com/shoal-p2p/shoal/internal/tracker/place"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// Names for those who embed a Tracker, of what Config and Peering carry.
type (
	// Door is a way to speak to the tracker.
	Door = stats.Door
	// Client is what is known of somebody who connects or announces: the Door, the address,
	// the web origin of a page and the query of the announce URL.
	Client = core.Client
	// Hook asks an operator's web service whether a peer may announce, and keeps what it says for a
	// while; NewHook makes one.
	Hook       = hook.Hook
	HookConfig = hook.Config
	HookStats  = hook.Stats
	// HookAnswer is one of HookAllows and HookDenies.
	HookAnswer = hook.Answer
	// Peering makes one tracker of several processes.
	Peering = core.Peering
	// Local is what a Peering may ask of its Tracker.
	Local = core.Local
	// Counts is the WebRTC and TCP peers of a swarm on one or more nodes.
	Counts = core.Counts
	// RemoteSDP is an offer or an answer on its way between nodes.
	RemoteSDP = core.RemoteSDP
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
	// Trust says whom a peer may meet, Role that and whether it has all. Client carries the one,
	// Peering the other.
	Trust = swarm.Trust
	Role  = swarm.Role
)

// The kinds of trust. Two peers meet if each may meet the other.
const (
	Ordinary = swarm.Ordinary // meets all who are not Limited
	Limited  = swarm.Limited  // meets those who are Trusted alone
	Trusted  = swarm.Trusted  // meets everybody
)

// What HookConfig.Away may be.
const (
	HookAllows = hook.Allowed
	HookDenies = hook.Denied
)

// NewHook returns a Hook for Config.Hook. The error says what of the HookConfig is wrong.
func NewHook(cfg HookConfig) (*Hook, error) { return hook.New(cfg) }

// The doors.
const (
	WebSocket = stats.WebSocket
	HTTP      = stats.HTTP
	UDP       = stats.UDP
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
