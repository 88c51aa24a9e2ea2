package swarm

// A Place says where a peer is, as far as is known. Equal values that are not zero
// mean near; zero means unknown.
type Place struct {
	Addr    uint32  // a hash of the address: equal for peers behind one NAT
	Prefix  uint32  // a hash of the IPv4 /24 or IPv6 /48
	ASN     uint32  // the autonomous system: the ISP
	Country [2]byte // ISO 3166-1
}

// Locality says how much of a Place counts when peers are chosen. Of ten that an announcer
// is given three are always chosen at random from all, wherever they are, so that a swarm
// stays in one piece. When all are given, as in small swarms, nothing is chosen.
type Locality uint8

// The localities.
const (
	LocalityOff    Locality = iota // peers are chosen at random
	LocalityPrefix                 // near is the same address, then the same prefix
	LocalityFull                   // for one half; then the same ISP, then the same country
)

// place is the part of p that counts.
func (l Locality) place(p Place) Place {
	switch l {
	case LocalityPrefix:
		return Place{Addr: p.Addr, Prefix: p.Prefix}
	case LocalityFull:
		return p
	}
	return Place{}
}
