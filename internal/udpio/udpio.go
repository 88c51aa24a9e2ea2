// Package udpio moves UDP packets in batches, without allocating.
//
// A Batch belongs to one goroutine, which reads some packets, answers them one after
// the other, sends the answers together, then reads again. On Linux one system call
// reads and one sends up to Size packets; elsewhere a batch is one packet.
package udpio

import (
	"errors"
	"net"
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// Size is the most packets in a batch.
const Size = 64

// The sizes of the buffers for one packet. They are no power of two, so that the heads of
// all packets of a batch find room in the processor's cache together.
const (
	maxIn  = 25 * 64 // what is longer arrives cut off
	maxOut = 1500
)

// A Batch reads and sends packets on one socket.
type Batch interface {
	// Read waits until there are packets and returns how many it took. It forgets
	// the packets of the Read before. Its errors are those of the socket.
	Read() (int, error)
	// Packet returns the i-th packet of the last Read, who sent it, and to
	// which of this host's addresses, if that is known. IPv4 addresses are
	// in IPv4 form. The bytes may be changed.
	Packet(i int) (b []byte, from netip.AddrPort, local netip.Addr)
	// Buffer returns an empty slice to append the next packet to. Before, it flushes a
	// batch that is full. A packet of more than 1,500 bytes is not sent.
	Buffer() []byte
	// Reply queues the packet that was made in Buffer for the sender of the i-th of the
	// last Read, of which the caller has seen the Packet. It leaves from the
	// address at which that arrived.
	Reply(i int, b []byte)
	// Later returns a function that does the same for one packet at any later time, by any goroutine, without
	// the Batch.
	Later(i int) func(b []byte)
	// Send queues the packet that was made in Buffer for the other end of a connected
	// socket.
	Send(b []byte)
	// Flush sends what is queued. Packets that the system does not take are lost, as
	// they may be later on their way; it fails when the socket is closed.
	Flush() error
}

// New returns a Batch for pc. Nobody else should read from it.
func New(pc net.PacketConn) Batch {
	local := addrOf(pc.LocalAddr())
	if u, ok := pc.(*net.UDPConn); ok {
		if b := newBatch(u, local); b != nil {
			return b
		}
	}
	return &single{pc: pc, local: local}
}

// addrOf returns the address of a, if it names one.
func addrOf(a net.Addr) netip.Addr {
	u, ok := a.(*net.UDPAddr)
	if !ok || u == nil {
		return netip.Addr{}
	}
	ip := netaddr.Of(u).Addr()
	if ip.IsUnspecified() {
		return netip.Addr{}
	}
	return ip
}

// single is a Batch of one packet, for any socket.
type single struct {
	pc     net.PacketConn
	local  netip.Addr
	in     [maxIn]byte
	n      int
	from   netip.AddrPort
	buf    [maxOut]byte
	out    []byte
	to     netip.AddrPort
	queued bool
}

func (s *single) Read() (int, error) {
	err := s.read()
	for err != nil && passing(err) {
		err = s.read()
	}
	if err != nil {
		return 0, err
	}
	s.from = netaddr.Unmap(s.from)
	return 1, nil
}

func (s *single) read() (err error) {
	if u, ok := s.pc.(*net.UDPConn); ok { // which allocates no address
		s.n, s.from, err = u.ReadFromUDPAddrPort(s.in[:])
	} else {
		var a net.Addr
		if s.n, a, err = s.pc.ReadFrom(s.in[:]); err == nil {
			s.from, _ = netip.ParseAddrPort(a.String())
		}
	}
	return err
}

func (s *single) Packet(int) ([]byte, netip.AddrPort, netip.Addr) {
	return s.in[:s.n], s.from, s.local
}

func (s *single) Buffer() []byte {
	s.Flush()
	return s.buf[:0]
}

func (s *single) Reply(_ int, b []byte) { s.queue(b, s.from) }

func (s *single) Later(int) func([]byte) {
	pc, to := s.pc, s.from
	return func(b []byte) {
		if u, ok := pc.(*net.UDPConn); ok {
			u.WriteToUDPAddrPort(b, to)
			return
		}
		pc.WriteTo(b, net.UDPAddrFromAddrPort(to))
	}
}

func (s *single) Send(b []byte) { s.queue(b, netip.AddrPort{}) }

func (s *single) queue(b []byte, to netip.AddrPort) {
	s.out, s.to, s.queued = b, to, len(b) <= maxOut
}

func (s *single) Flush() error {
	if !s.queued {
		return nil
	}
	s.queued = false
	var err error
	u, ok := s.pc.(*net.UDPConn)
	switch {
	case ok && s.to.IsValid():
		_, err = u.WriteToUDPAddrPort(s.out, s.to)
	case ok:
		_, err = u.Write(s.out)
	default:
		_, err = s.pc.WriteTo(s.out, net.UDPAddrFromAddrPort(s.to))
	}
	if !errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// bufferBytes is how much a socket may keep, where the system allows it: some 10,000
// small packets.
const bufferBytes = 4 << 20

func enlarge(u *net.UDPConn) {
	u.SetReadBuffer(bufferBytes)
	u.SetWriteBuffer(bufferBytes)
}
