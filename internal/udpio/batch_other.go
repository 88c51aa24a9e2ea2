//go:build !linux

package udpio

import (
	"net"
	"net/netip"
)

func newBatch(*net.UDPConn, netip.Addr) Batch { return nil }

// Listen opens a socket on addr ("host:port", where either part may be empty). An
// empty host means all addresses, of IPv4 and IPv6. Only on Linux are there as many
// sockets as asked for, which share the work.
func Listen(addr string, sockets int) ([]*net.UDPConn, error) {
	pc, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, err
	}
	u := pc.(*net.UDPConn)
	enlarge(u)
	return []*net.UDPConn{u}, nil
}
