package driver

import "github.com/shoal-p2p/shoal/internal/engine/swarm"

// SendExt sends a message of one of the application's extensions to a peer. It is
// lost if the peer does not speak it. The payload must not be changed afterwards.
func (t *Torrent) SendExt(to swarm.PeerKey, name string, payload []byte) {
	t.post(swarm.SendExt{Peer: to, Name: name, Payload: payload})
}

// NumHave is the number of stored pieces. It does not wait for the loop.
func (t *Torrent) NumHave() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.have.Count()
}
