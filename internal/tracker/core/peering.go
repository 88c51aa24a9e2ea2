package core

import (
	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// Peering makes one tracker of several processes; package cluster does it
// over NATS. The Tracker calls its methods from many goroutines, after it has
// served its own peers, without a lock held; none may block.
//
// Byte slices are the callee's only until the call returns.
type Peering interface {
	// Start tells the peering whom it works for. It is called once, by New.
	Start(local Local)
	// Changed tells the counts of a swarm on this node, after each announce and each
	// departure that changed them.
	Changed(h swarm.Hash, n Counts)
	// Elsewhere returns what is known of the swarm on the other nodes.
	Elsewhere(h swarm.Hash) Counts
	// Offers hands over offers of a local peer for peers on other nodes: those that
	// found no peer here, and a part of the others, so that a swarm does not
	// fall apart. The peering delivers each at most once.
	Offers(h swarm.Hash, from swarm.PeerID, role swarm.Role, offers []RemoteSDP)
	// Answer passes on a local peer's answer to an offer that came by
	// Local.DeliverOffers, and reports false if it remembers no such offer.
	Answer(h swarm.Hash, from, to swarm.PeerID, answer RemoteSDP) bool
	// TCPPeers appends up to want peers of other nodes to dst: those whom one of a role may meet, with
	// addresses of the scopes.
	TCPPeers(h swarm.Hash, family swarm.Family, scopes netaddr.Scope, role swarm.Role, want int, dst []swarm.TCPPeer) []swarm.TCPPeer
	// Close leaves the cluster.
	Close() error
}

// Counts is the WebRTC and TCP peers of a swarm on one or more nodes.
type Counts = swarm.Kinds

// A RemoteSDP is an offer or an answer on its way between nodes: an
// unquoted JSON value, as package signal keeps it.
type RemoteSDP struct {
	ID  [20]byte // the offer id
	SDP []byte
}

// Local is what a Peering may ask of its Tracker. The methods may be called by any
// goroutine and do not block.
type Local interface {
	// DeliverOffers gives offers from another node to peers here whom their maker, of a role, may
	// meet, one to each, and returns how many found one.
	DeliverOffers(h swarm.Hash, from swarm.PeerID, role swarm.Role, offers []RemoteSDP) int
	// DeliverAnswer gives an answer from another node to the peer that made the
	// offer, and reports whether that peer is here.
	DeliverAnswer(h swarm.Hash, from, to swarm.PeerID, answer RemoteSDP) bool
	// EachSwarm calls f for each swarm with a peer here, in no order, until f
	// returns false. It is for taking up work after the cluster was away.
	EachSwarm(f func(h swarm.Hash, n Counts) bool)
	// EachTCP calls f for the TCP peers of a swarm here, at most max, without those of loopback, and
	// those that are trusted before others of their scope.
	EachTCP(h swarm.Hash, max int, f func(p swarm.TCPPeer, role swarm.Role))
}
