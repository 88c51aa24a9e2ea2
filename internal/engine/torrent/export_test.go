package torrent

// Kept is how much is remembered of pieces that are not open, beyond sets of bits.
func (m *Machine) Kept() int {
	n := len(m.forged) + len(m.space.pieces)
	for _, p := range m.peers {
		n += len(p.allowed) + len(p.refusals.list) + p.queue.len() + p.uploads.len()
	}
	return n
}

// Work counts the peers, pieces, blocks, requests and words of sets that were
// looked at so far.
func (m *Machine) Work() int {
	return m.work + m.pieces.work + m.starved.work + m.tempo.work + m.readers.work + m.pick.Work()
}
