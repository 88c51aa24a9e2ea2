package node

import (
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/discovery/dht"
)

// DefaultBootstrap are the public nodes that newcomers of the Mainline DHT ask
// first.
var DefaultBootstrap = []string{
	"router.bittorrent.com:6881",
	"dht.transmissionbt.com:6881",
	"router.utorrent.com:6881",
	"dht.libtorrent.org:25401",
}

// Config configures a [Node]. The zero value takes part in the public DHT on a
// free port. It must not be modified after it was passed to [Listen].
type Config struct {
	// Listen is the "host:port" to open UDP sockets on; empty = ":0". Without a
	// host, IPv4 and, where this computer has a public IPv6 address, IPv6 are
	// used on one port number. A literal address chooses its family alone.
	Listen string

	// Send makes the node share a socket of the caller instead: it is called
	// for every packet, from one goroutine, and must not block. The caller hands
	// in what it receives with Deliver. Port is then the port of that socket.
	Send func(b []byte, to netip.AddrPort) error
	Port uint16
	// NoIPv4 and NoIPv6 leave a family out. With Send, both are used otherwise.
	NoIPv4, NoIPv6 bool

	// Bootstrap are the well-known nodes to begin with, as "host:port"; nil =
	// DefaultBootstrap, empty but not nil = none.
	Bootstrap []string
	// Nodes are nodes saved from the last run, see Node.Nodes.
	Nodes []netip.AddrPort
	// ID is the node ID of the last run; zero draws one. It is replaced when it
	// does not fit our external address (BEP 42).
	ID dht.ID
	// ReadOnly takes from the DHT without serving it (BEP 43), for metered or
	// unreachable computers.
	ReadOnly bool

	// Found, if set, is called with the peers that announcements come across.
	// Calls come from the node's own goroutine: they must not block, nor call
	// GetPeers, Stats, Nodes or Close.
	Found func(infoHash [20]byte, peers []netip.AddrPort)
}
