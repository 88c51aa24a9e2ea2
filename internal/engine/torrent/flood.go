package torrent

const (
	answerCredit = 4 << 20   // bytes of answers a peer may have at once
	answerRefill = 256 << 10 // bytes a second it earns again
	answerCost   = 1 << 10   // what even a short answer costs
)

// charge counts an answer that nothing else bounds: blocks are bounded by the
// upload window, these only by the peer's modesty. It is enough for a peer that
// fetches the info dictionary and all hashes several times over; one that has
// used up its credit is flooding.
func (m *Machine) charge(p *peer, bytes int) error {
	p.owes += max(bytes, answerCost)
	limit := answerCredit
	if m.info != nil {
		limit += 4*len(m.info.Bytes) + 256*m.info.NumPieces()
	}
	if p.owes > limit {
		return breach("flood of requests")
	}
	return nil
}

// countHave counts a message about a piece that tells nothing new.
func (p *peer) countHave() error {
	if p.haveFlood++; p.haveFlood > maxUselessHaves {
		return breach("flood of have messages")
	}
	return nil
}
