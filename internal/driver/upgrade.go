package driver

import (
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// The swarm of a hybrid torrent has two info hashes. Whoever dials with the v1 one can
// say by a bit that it knows v2 too; whoever is dialled then answers with the v2 one, and
// both go on with v2 (BEP 52, "Upgrade Path"). libtorrent takes a hash request for a
// breach on a connection that was not upgraded.

// answerTo is the info hash with which an incoming handshake is answered.
func (t *Torrent) answerTo(h wire.Handshake) metainfo.Hash {
	if info := t.info.Load(); h.HasV2() && info != nil && info.HasV2 {
		return info.HashV2.Short()
	}
	return h.InfoHash
}

// isV2 reports whether an info hash is the torrent's v2 one. Who names it knows v2, with
// the bit or without: libtorrent sets none beside it.
func (t *Torrent) isV2(key metainfo.Hash) bool {
	if info := t.info.Load(); info != nil {
		return info.HasV2 && key == info.HashV2.Short()
	}
	return t.opt.HashV2 != nil && key == t.opt.HashV2.Short()
}
