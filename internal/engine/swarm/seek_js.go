package swarm

import (
	"net/netip"
	"time"
)

// A tab cannot dial an address, nor be dialled: it remembers none and exchanges
// none. Its peers come from trackers as connections. What follows stands in for
// what other files say of dials, of peer exchange and of the DHT, so that a tab
// need not load that.

type dialer struct{ half int }

func (*dialer) init()                                            {}
func (*dialer) size() int                                        { return 0 }
func (*dialer) failed(time.Time, netip.AddrPort)                 {}
func (*dialer) left(time.Time, netip.AddrPort, bool)             {}
func (*dialer) connected(time.Time, netip.AddrPort, Hint) Source { return 0 }
func (*dialer) standsFor(time.Time, netip.AddrPort)              {}
func (*dialer) never(netip.AddrPort)                             {}
func (*dialer) forget(Source)                                    {}

func (*Machine) found(PeersFound)        {}
func (*Machine) dial()                   {}
func (*Machine) noteAppetite()           {}
func (*Machine) dialDeadline() time.Time { return time.Time{} }

type (
	exchange struct{}
	pexPeer  struct{}
)

func (*exchange) next() time.Time        { return time.Time{} }
func (*exchange) came(*Peer)             {}
func (*exchange) went(*Peer)             {}
func (*exchange) begin(time.Time, *Peer) {}

func (*Machine) isToo(*Peer, netip.AddrPort)        {}
func (*Machine) canBeReached(*Peer, netip.AddrPort) {}
func (*Machine) cannotBeReached(*Peer)              {}

func (*Machine) sendPort(*Peer)                    {}
func (m *Machine) gotPort(p *Peer, _ uint16) error { return m.Charge(p, 0) }

func (*Machine) tellPEX()                   {}
func (*Machine) exchangePeers() []Extension { return nil }
