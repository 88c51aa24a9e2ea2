package driver

import (
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
)

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

// SetSequential has pieces fetched in their order instead of by rarity.
func (t *Torrent) SetSequential(on bool) { t.post(torrent.Sequential{On: on}) }

// SetSuperSeed has a complete torrent handed out piece by piece (BEP 16).
func (t *Torrent) SetSuperSeed(on bool) { t.post(torrent.SuperSeed{On: on}) }

// SetDownloadOnly stops serving anybody.
func (t *Torrent) SetDownloadOnly(on bool) { t.post(torrent.DownloadOnly{On: on}) }
