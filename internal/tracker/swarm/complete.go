package swarm

// fewLeechers is how many addresses a peer without anything missing gets when it starts, be it
// that some are of seeders. A client that has only a magnet link says left=0, since it
// does not know what is missing (aria2): with leechers alone it may never get the metadata. A
// seeder hangs up on the others of its kind at once, so a few cost little.
const fewLeechers = 5

// fillWithSeeders appends seeders for a peer that is counted as one, until dst has grown by
// fewLeechers since it had from.
func (c *Core[C]) fillWithSeeders(s *swarm[C], a *TCPAnnounce, from int, dst []TCPPeer) []TCPPeer {
	if a.Event != Started || s.tcp == nil {
		return dst
	}
	most := from + min(fewLeechers, a.Want)
	for _, scope := range nearestFirst {
		f := s.tcp.of(scope)
		if f == nil || a.Sees()&scope == 0 {
			continue
		}
		if a.Family != V6 {
			dst = seedersOf(c, &f.v4, a, most, dst)
		}
		if a.Family != V4 {
			dst = seedersOf(c, &f.v6, a, most, dst)
		}
	}
	return dst
}

// seedersOf looks at no more seeders than it may append, and one more for the asker itself.
func seedersOf[C, K comparable](c *Core[C], t *table[K, PeerID], a *TCPAnnounce, most int, dst []TCPPeer) []TCPPeer {
	n := t.eligibleSeeders(a.Trust)
	if n == 0 || len(dst) >= most {
		return dst
	}
	start := c.chooser.intN(n)
	for j := range min(n, most-len(dst)+1) {
		r := &t.rows[(start+j)%n]
		if len(dst) < most && r.val != a.Peer {
			dst = append(dst, TCPPeer{Addr: a.reachable(addrOf(r.key)), ID: r.val})
		}
	}
	return dst
}
