package torrent

// Work counts the peers, pieces, blocks, requests and words of sets that were
// looked at so far.
func (m *Machine) Work() int {
	return m.work + m.pieces.work + m.starved.work + m.tempo.work + m.readers.work + m.pick.Work()
}
