package udpio

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsg is a Batch by recvmmsg and sendmmsg. The headers point into the arrays beside
// them for good; only lengths change. The socket's file descriptor does not block: the
// runtime's poller parks the goroutine. A call works for some 200 µs and waits for
// nothing, so the runtime is not told of it (RawSyscall6): it would give the processor
// to another thread meanwhile, which costs a quarter more for each packet.
type mmsg struct {
	conn       *net.UDPConn
	raw        syscall.RawConn
	local      netip.Addr // where the socket is bound, or invalid
	recv, send func(fd uintptr) bool

	n      int // packets of the last Read
	in     [Size]unix.Mmsghdr
	inVec  [Size]unix.Iovec
	from   [Size]unix.RawSockaddrInet6 // large enough for the IPv4 one
	info   [Size][infoSpace]byte       // which address each arrived at, as a control message
	inBuf  [Size][maxIn]byte
	inErr  syscall.Errno
	first  int // packets sent of those queued
	queued int
	out    [Size]unix.Mmsghdr
	outVec [Size]unix.Iovec
	outBuf [Size][maxOut]byte
	outErr syscall.Errno
}

// infoSpace holds one control message with a struct in6_pktinfo or in_pktinfo.
const infoSpace = 40

func newBatch(u *net.UDPConn, local netip.Addr) Batch {
	raw, err := u.SyscallConn()
	if err != nil {
		return nil
	}
	b := &mmsg{conn: u, raw: raw, local: local}
	b.recv, b.send = b.recvmmsg, b.sendmmsg
	anywhere := !local.IsValid()
	if anywhere {
		// A host has many addresses, and a client takes a reply from the one it asked.
		raw.Control(func(fd uintptr) {
			if unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1) != nil {
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
			}
		})
	}
	for i := range Size {
		b.inVec[i].Base = &b.inBuf[i][0]
		b.inVec[i].SetLen(maxIn)
		h := &b.in[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&b.from[i]))
		h.Iov = &b.inVec[i]
		h.SetIovlen(1)
		if anywhere {
			h.Control = &b.info[i][0]
		}
		b.outVec[i].Base = &b.outBuf[i][0]
		b.out[i].Hdr.Iov = &b.outVec[i]
		b.out[i].Hdr.SetIovlen(1)
	}
	b.n = Size // so that the first Read sets all lengths
	return b
}

func (b *mmsg) Read() (int, error) {
	for i := range b.n {
		h := &b.in[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		if h.Control != nil {
			h.SetControllen(infoSpace)
		}
	}
	b.n = 0
	if err := b.raw.Read(b.recv); err != nil {
		return 0, err
	}
	if b.inErr != 0 {
		return 0, os.NewSyscallError("recvmmsg", b.inErr)
	}
	return b.n, nil
}

func (b *mmsg) recvmmsg(fd uintptr) bool {
	for {
		n, _, err := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.in[0])), Size, unix.MSG_DONTWAIT, 0, 0)
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		case 0:
			b.n = int(n)
		}
		b.inErr = err
		return true
	}
}

func (b *mmsg) Packet(i int) ([]byte, netip.AddrPort, netip.Addr) {
	local := b.local
	if !local.IsValid() {
		local = b.arrival(i)
	}
	return b.inBuf[i][:b.in[i].Len], sender(&b.from[i]), local
}

// sender reads a struct sockaddr_in or sockaddr_in6.
func sender(sa *unix.RawSockaddrInet6) netip.AddrPort {
	var ip netip.Addr
	switch sa.Family {
	case unix.AF_INET:
		ip = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr)
	case unix.AF_INET6:
		ip = netip.AddrFrom16(sa.Addr).Unmap()
	default:
		return netip.AddrPort{}
	}
	port := (*[2]byte)(unsafe.Pointer(&sa.Port)) // in network order, at the same place in both
	return netip.AddrPortFrom(ip, uint16(port[0])<<8|uint16(port[1]))
}

// arrival reads which address the i-th packet was sent to. It takes the interface out of
// the control message, except where an address means nothing without, so that the
// system chooses the way for the reply that goes back with it.
func (b *mmsg) arrival(i int) netip.Addr {
	head := unix.CmsgLen(0)
	if int(b.in[i].Hdr.Controllen) < head {
		return netip.Addr{}
	}
	c := (*unix.Cmsghdr)(unsafe.Pointer(&b.info[i][0]))
	data := b.info[i][head:]
	switch {
	case c.Level == unix.IPPROTO_IP && c.Type == unix.IP_PKTINFO:
		// int interface, 4 bytes address to answer from, 4 bytes address in the packet
		clear(data[:4])
		return netip.AddrFrom4([4]byte(data[4:8]))
	case c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_PKTINFO:
		ip := netip.AddrFrom16([16]byte(data[:16])).Unmap()
		if !ip.IsLinkLocalUnicast() {
			clear(data[16:20])
		}
		return ip
	}
	return netip.Addr{}
}

func (b *mmsg) Buffer() []byte {
	if b.queued == Size {
		b.Flush()
	}
	return b.outBuf[b.queued][:0]
}

func (b *mmsg) Reply(i int, p []byte) {
	if h, to := b.queue(p), &b.in[i].Hdr; h != nil {
		h.Name, h.Namelen = to.Name, to.Namelen
		h.Control, h.Controllen = to.Control, to.Controllen
	}
}

func (b *mmsg) Later(i int) func([]byte) {
	u, to := b.conn, sender(&b.from[i])
	var info []byte // of which arrival has taken the interface out
	if h := &b.in[i].Hdr; h.Control != nil {
		info = bytes.Clone(b.info[i][:h.Controllen])
	}
	return func(p []byte) { u.WriteMsgUDPAddrPort(p, info, to) }
}

func (b *mmsg) Send(p []byte) {
	if h := b.queue(p); h != nil {
		h.Name, h.Namelen = nil, 0
		h.Control, h.Controllen = nil, 0
	}
}

func (b *mmsg) queue(p []byte) *unix.Msghdr {
	i := b.queued
	if len(p) > maxOut || i == Size {
		return nil
	}
	b.queued++
	copy(b.outBuf[i][:], p) // It is there already, unless it was made elsewhere.
	b.outVec[i].SetLen(len(p))
	return &b.out[i].Hdr
}

func (b *mmsg) Flush() error {
	var err error
	for b.first = 0; b.first < b.queued && err == nil; {
		err = b.raw.Write(b.send)
		if b.outErr != 0 {
			b.first++ // The one that this system or network does not let pass.
		}
	}
	b.queued = 0
	return err
}

func (b *mmsg) sendmmsg(fd uintptr) bool {
	for {
		n, _, err := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.out[b.first])), uintptr(b.queued-b.first), unix.MSG_DONTWAIT, 0, 0)
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		case 0:
			b.first += int(n)
		}
		b.outErr = err
		return true
	}
}

// Listen opens sockets on addr ("host:port", where either part may be empty) that share
// the work: the system gives packets from one client always to the same. An empty host
// means all addresses, of IPv4 and IPv6. It fails if another program, or another
// Listen, has the port.
func Listen(addr string, sockets int) ([]*net.UDPConn, error) {
	pc, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, err
	}
	conns := []*net.UDPConn{pc.(*net.UDPConn)}
	// The first is bound alone, which proves that the port is free; only then it shares.
	share := func(_, _ string, c syscall.RawConn) (err error) {
		if e := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); e != nil {
			return e
		}
		return err
	}
	raw, err := conns[0].SyscallConn()
	if err == nil {
		err = share("", "", raw)
	}
	lc := net.ListenConfig{Control: share}
	for len(conns) < sockets && err == nil {
		if pc, err = lc.ListenPacket(context.Background(), "udp", pc.LocalAddr().String()); err == nil {
			conns = append(conns, pc.(*net.UDPConn))
		}
	}
	if err != nil {
		for _, u := range conns {
			u.Close()
		}
		return nil, err
	}
	for _, u := range conns {
		enlarge(u)
		if raw, err := u.SyscallConn(); err == nil {
			// Beyond what sysctl net.core.rmem_max allows, where we may.
			raw.Control(func(fd uintptr) {
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferBytes)
			})
		}
	}
	return conns, nil
}
