package torrent

import (
	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// giveUp notes that nobody may bring a piece which the store lost: it is in somebody's
// own file, that is not for us to write to. So it is not missing either.
func (m *Machine) giveUp(i int) {
	if m.readers.gone.Len() == 0 {
		m.readers.gone = bits.Window(m.space.first, m.space.end)
	}
	m.readers.gone.Set(i)
	m.wanted.Clear(i)
	m.needed.Clear(i)
}

// apply takes pieces back. Who asked for the blocks of one before was refused, and
// asks again when it hears of it.
func (ev Restored) apply(m *Machine) {
	for _, i := range ev.Pieces {
		if !m.readers.gone.Clear(i) || !m.have.Set(i) {
			continue
		}
		m.wanted.Set(i)
		m.needed.Set(i)
		m.do(Have{Index: i})
		for _, p := range m.partial {
			if !p.has.Has(i) {
				m.send(p, wire.Message{ID: wire.Have, Index: uint32(i)})
			}
		}
	}
}
