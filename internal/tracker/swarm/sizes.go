package swarm

// A Size is how many peers a swarm has, by kind.
type Size struct {
	Hash       Hash
	Seeders    int // of either kind
	RTCPeers   int
	TCPPeers   int
	Downloaded int
}

// Peers is all of them.
func (s *Size) Peers() int { return s.RTCPeers + s.TCPPeers }

// Sizes calls f for up to n swarms from number from on, and returns the number to go on with, 0
// after the last. Swarms that come or go between two calls may be left out or told twice.
func (c *Core[C]) Sizes(from, n int, f func(Size)) (next int) {
	end := min(from+n, c.swarms)
	for ; from < end; from++ {
		s := c.at(from)
		peers, seeders := s.tcp.size()
		f(Size{Hash: s.hash, Seeders: seeders + int(s.rtc.seeders), RTCPeers: len(s.rtc.rows), TCPPeers: peers, Downloaded: int(s.downloaded)})
	}
	if from >= c.swarms {
		return 0
	}
	return from
}
