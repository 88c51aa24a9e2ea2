package torrent

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	hashTimeout = 8 * time.Second
	hashPause   = 10 * time.Second // before a peer that had no hashes is asked again
)

// hashFetch asks peers for the v2 piece layers that a magnet link does not
// bring, nor every .torrent file (BEP 52, "hash request"). A piece of a v2-only
// torrent can be verified only once its hash has been proved against the file's
// root.
type hashFetch struct {
	asked []hashAsk
	avoid []hashAvoid
}

// hashAvoid is a peer that said no or nothing: it is not asked for a while.
type hashAvoid struct {
	peer  PeerKey
	until time.Time
}

type hashAsk struct {
	req  metainfo.HashRequest
	from PeerKey
	at   time.Time
}

func (h *hashFetch) peerLeft(key PeerKey) {
	h.asked = slices.DeleteFunc(h.asked, func(a hashAsk) bool { return a.from == key })
	h.avoid = slices.DeleteFunc(h.avoid, func(a hashAvoid) bool { return a.peer == key })
}

// sweep asks others where an answer is overdue, and asks at all where nobody
// could be asked when a piece was complete.
func (h *hashFetch) sweep(m *Machine) {
	h.avoid = slices.DeleteFunc(h.avoid, func(a hashAvoid) bool { return !m.now.Before(a.until) })
	h.asked = slices.DeleteFunc(h.asked, func(a hashAsk) bool {
		if m.now.Sub(a.at) <= hashTimeout {
			return false
		}
		h.shun(m, a.from)
		return true
	})
	m.wantHashes()
}

func (h *hashFetch) shun(m *Machine, key PeerKey) {
	h.avoid = append(h.avoid, hashAvoid{key, m.now.Add(hashPause)})
}

// want asks for the hash of a piece that is complete but cannot be verified yet.
func (h *hashFetch) want(m *Machine, index int) {
	if req, ok := m.layers.Request(index); ok {
		h.ask(m, req, index)
	}
}

// ask sends a request to a peer that has a piece. It reports false if there is
// none that can be asked. Where there is no v1 half all peers know v2, whatever
// bits they set: libtorrent sets none there.
func (h *hashFetch) ask(m *Machine, req metainfo.HashRequest, index int) bool {
	if slices.ContainsFunc(h.asked, func(a hashAsk) bool { return a.req == req }) {
		return true
	}
	for _, p := range m.peers {
		if !p.V2 && m.info.HasV1 || !p.has.Has(index) || slices.ContainsFunc(h.avoid, func(a hashAvoid) bool { return a.peer == p.key }) {
			continue
		}
		h.asked = append(h.asked, hashAsk{req, p.key, m.now})
		m.send(p, wire.Message{ID: wire.HashRequest, Hash: toWire(req)})
		return true
	}
	return false
}

// wantHashes asks again for every piece that waits for its hash.
func (m *Machine) wantHashes() {
	if m.layers == nil || m.layers.Complete() {
		return
	}
	for _, pc := range m.pieces.open.list {
		if pc.full() && !pc.verifying {
			m.hashes.want(m, pc.index)
		}
	}
}

func toWire(r metainfo.HashRequest) wire.HashRange {
	return wire.HashRange{Root: r.Root, BaseLayer: r.Base, Index: r.Index, Length: r.Length, ProofLayers: r.ProofLayers}
}

func fromWire(r wire.HashRange) metainfo.HashRequest {
	return metainfo.HashRequest{Root: r.Root, Base: r.BaseLayer, Index: r.Index, Length: r.Length, ProofLayers: r.ProofLayers}
}

func (m *Machine) gotHashMessage(p *peer, it *Item) error {
	if m.info == nil {
		return breach("hash message before the info dictionary")
	}
	if !m.info.HasV2 {
		return breach("hash message for a torrent without v2 hashes")
	}
	req := fromWire(it.Hash)
	switch it.ID {
	case wire.HashRequest:
		return m.serveHashes(p, req)
	case wire.HashReject:
		if !m.hashes.take(req, p.key) {
			return m.charge(p, 0)
		}
		m.hashes.shun(m, p.key)
		m.wantHashes()
	case wire.Hashes:
		if !m.hashes.take(req, p.key) {
			return m.charge(p, len(it.Payload)) // not asked for, or late
		}
		if req.Base == 0 && req.ProofLayers == 0 {
			return m.gotLeaves(req, it.Payload)
		}
		if err := m.layers.Add(req, it.Payload); err != nil {
			return breach("sent hashes that do not prove themselves")
		}
		for _, pc := range m.pieces.open.list {
			m.completed(pc)
		}
	}
	return nil
}

// take removes a request that was made to that peer.
func (h *hashFetch) take(req metainfo.HashRequest, key PeerKey) bool {
	n := len(h.asked)
	h.asked = slices.DeleteFunc(h.asked, func(a hashAsk) bool { return a.req == req && a.from == key })
	return len(h.asked) < n
}
