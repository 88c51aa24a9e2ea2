package engine

import "slices"

// forgery remembers who sent which block of a piece that failed its hash, and
// what it was, so that the culprit is known once the piece is genuine.
type forgery struct {
	from [][]PeerKey  // per failed attempt, per block
	sums [][][20]byte // likewise
}

// maxForgeries bounds the attempts remembered for one piece.
const maxForgeries = 4

// strikes is how many forged pieces a peer may have a part in before it is
// banned even without proof.
const strikes = 5

func (m *Machine) pieceForged(ev PieceForged) {
	pc := m.openAt[ev.Index]
	if pc == nil {
		return
	}
	m.wasted += int64(pc.size)
	from := make([]PeerKey, len(pc.blocks))
	for i, b := range pc.blocks {
		from[i] = b.from
	}
	m.closePiece(pc)
	if m.wanted.Has(pc.index) {
		m.pick.Add(pc.index)
	}

	culprits := slices.Compact(slices.Sorted(slices.Values(from)))
	if len(culprits) == 1 {
		if p := m.byKey[culprits[0]]; p != nil {
			m.closePeer(p, ErrBadData, true)
		}
	} else {
		f := m.forged[ev.Index]
		if f == nil {
			f = &forgery{}
			m.forged[ev.Index] = f
		}
		if len(f.from) < maxForgeries && len(ev.Sums) == len(from) {
			f.from = append(f.from, from)
			f.sums = append(f.sums, ev.Sums)
		}
		for _, key := range culprits {
			if p := m.byKey[key]; p != nil {
				if p.badPieces++; p.badPieces >= strikes {
					m.closePeer(p, ErrBadData, true)
				}
			}
		}
	}
	m.touchAll()
}

// settle bans whoever sent a block that differs from the genuine one.
func (m *Machine) settle(pc *piece, sums [][20]byte) {
	f := m.forged[pc.index]
	if f == nil {
		return
	}
	delete(m.forged, pc.index)
	if len(sums) != len(pc.blocks) {
		return
	}
	for a := range f.from {
		for b, key := range f.from[a] {
			p := m.byKey[key]
			if p == nil {
				continue
			}
			if f.sums[a][b] != sums[b] {
				m.closePeer(p, ErrBadData, true)
			} else if p.badPieces > 0 && !slices.Contains(f.from[a][b+1:], key) {
				p.badPieces-- // innocent of this one
			}
		}
	}
}
