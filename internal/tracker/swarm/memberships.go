package swarm

import "errors"

// Errors of Memberships.
var (
	// ErrTooMany reports a connection with as many peers as one may have.
	ErrTooMany = errors.New("too many peers on one connection")
	// ErrTooManyIDs reports a connection with as many peer ids in one swarm as one may have.
	ErrTooManyIDs = errors.New("too many peer ids in one swarm on one connection")
)

// A Membership is a WebRTC peer in a swarm.
type Membership struct {
	Hash Hash
	Peer PeerID
}

// Memberships are what one connection owns. The zero value is empty. The Core changes it when
// a peer joins or stops; the connection parts with all of it when it ends.
type Memberships []Membership

// IDsPerSwarm is how many peer ids a connection may have in one swarm: tabs that share a
// connection are told apart by theirs, a thousand of them would get the offers of everybody.
const IDsPerSwarm = 4

// add notes a peer that joins, or says why it may not: there are most peers, or IDsPerSwarm in
// the swarm.
func (m *Memberships) add(h Hash, peer PeerID, most int) error {
	ids := 0
	for i := range *m {
		if (*m)[i].Hash != h {
			continue
		}
		if (*m)[i].Peer == peer {
			return nil // it was ousted, and has joined again
		}
		ids++
	}
	switch {
	case ids >= IDsPerSwarm:
		return ErrTooManyIDs
	case len(*m) >= most:
		return ErrTooMany
	}
	*m = append(*m, Membership{h, peer})
	return nil
}

// Remove forgets a peer.
func (m *Memberships) Remove(of Membership) {
	all := *m
	for i := range all {
		if all[i] == of {
			last := len(all) - 1
			all[i] = all[last]
			*m = all[:last]
			return
		}
	}
}
