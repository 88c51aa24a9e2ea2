package torrent

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/choker"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// gotRequest queues a block that a peer asks for, or refuses it.
func (m *Machine) gotRequest(p *peer, it *Item) error {
	if !m.space.known() {
		return breach("request before we have the info dictionary")
	}
	i := int(it.Index)
	if i >= m.space.end {
		return breach("request for a piece that does not exist")
	}
	if it.Length == 0 || it.Length > wire.DefaultMaxBlock {
		return breach("request for nothing or for more than 128 KiB")
	}
	span := int64(1 << 33) // nobody knows any more how long an expired piece was
	if m.info != nil {
		span = m.info.PieceSpan(i) // they may ask for padding too (see Info.PieceSize)
	} else if i >= m.space.first {
		span = m.space.size(i)
	}
	if int64(it.Begin)+int64(it.Length) > span {
		return breach("request beyond the end of its piece")
	}
	refuse := p.choking || !m.have.Has(i) || m.paused || !m.super.shown(p, i)
	if !refuse && p.uploads.len() >= maxQueuedUploads {
		if !p.fast {
			return breach("flood of requests")
		}
		refuse = true
	}
	if refuse {
		if p.fast {
			m.reject(p, upload{it.Index, it.Begin, it.Length})
		}
		return m.charge(p, 0)
	}
	p.uploads.add(upload{it.Index, it.Begin, it.Length})
	m.pump(p)
	return nil
}

// reject tells a peer that it will not get a block, where BEP 6 has a word for it.
func (m *Machine) reject(p *peer, u upload) {
	if p.fast {
		m.send(p, wire.Message{ID: wire.Reject, Index: u.index, Begin: u.begin, Length: u.length})
	}
}

func (m *Machine) gotCancel(p *peer, it *Item) {
	if u := (upload{it.Index, it.Begin, it.Length}); p.uploads.cancel(u) {
		m.reject(p, u)
	}
}

// pump hands queued blocks to the driver while less than the upload window is
// under way. What the driver has can no longer be cancelled, so a slow peer's
// window is half a second of its rate.
func (m *Machine) pump(p *peer) {
	if p.uploads.len() == 0 {
		return
	}
	window := min(m.cfg.UploadWindow, max(minUploadWindow, int(p.up.Rate(m.now)/2)))
	for {
		u, ok := p.uploads.next(window)
		if !ok {
			return
		}
		e := m.newUpload()
		*e = Upload{Peer: p.key, Index: u.index, Begin: u.begin, Length: u.length}
		m.do(e)
	}
}

// newUpload returns an effect that is used again in later steps.
func (m *Machine) newUpload() *Upload {
	if m.serving == len(m.served) {
		m.served = append(m.served, &Upload{})
	}
	m.serving++
	return m.served[m.serving-1]
}

func (m *Machine) sent(ev Sent) {
	m.uploaded += int64(ev.Bytes)
	p := m.byKey[ev.Peer]
	if p == nil {
		return
	}
	p.uploads.left(ev.Bytes)
	p.up.Add(m.now, ev.Bytes)
	m.swarm.Touch(p.Peer)
	m.pump(p)
}

// setChoke chokes or unchokes a peer. Its queue is void when it is choked; with
// the fast extension every request is refused by name (BEP 6).
func (m *Machine) setChoke(p *peer, choke bool) {
	if p.choking == choke {
		return
	}
	p.choking = choke
	if !choke {
		m.send(p, wire.Message{ID: wire.Unchoke})
		return
	}
	m.send(p, wire.Message{ID: wire.Choke})
	m.refuseUploads(p, func(upload) bool { return true })
}

// refuseUploads takes requests off a peer's list, and tells it so.
func (m *Machine) refuseUploads(p *peer, match func(upload) bool) {
	p.uploads.drop(func(u upload) bool {
		if !match(u) {
			return false
		}
		m.reject(p, u)
		return true
	})
}

// fillSlots unchokes whom the choker likes best while slots are free.
func (m *Machine) fillSlots() {
	if m.paused || m.selfish {
		return
	}
	n := 0
	for _, p := range m.peers {
		if !p.choking {
			n++
		}
	}
	for m.choke.Free(n) {
		key, ok := m.choke.Next(m.Complete(), m.candidates())
		if !ok {
			return
		}
		m.setChoke(m.byKey[PeerKey(key)], false)
		n++
	}
}

func (m *Machine) rechoke() {
	m.showOn()
	if m.paused || m.selfish {
		return
	}
	keys := m.choke.Rechoke(m.now, m.Complete(), m.candidates())
	for _, p := range m.peers {
		m.setChoke(p, !slices.Contains(keys, uint32(p.key)))
	}
}

// candidates are the peers that want to download from us.
func (m *Machine) candidates() []choker.Candidate {
	var cands []choker.Candidate
	for _, p := range m.peers {
		if !p.interesting {
			continue
		}
		c := choker.Candidate{
			Key: uint32(p.key), Unchoked: !p.choking, Snubbed: p.queue.snubbed,
			Down: p.gave.Rate(m.now), Up: p.up.Rate(m.now),
			New: m.now.Sub(p.Joined) < time.Minute,
		}
		if m.space.len() > 0 {
			c.Spreads = 1 - p.progress(m)
		}
		cands = append(cands, c)
	}
	return cands
}

// setDownloadOnly stops serving anybody, or starts it again.
func (m *Machine) setDownloadOnly(on bool) {
	m.selfish = on
	m.slotsFree = !on
	for _, p := range m.peers {
		if on {
			m.setChoke(p, true)
		}
	}
}
