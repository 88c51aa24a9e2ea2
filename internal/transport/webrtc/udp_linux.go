//go:build (amd64 || arm64 || riscv64 || ppc64le || loong64) && !js

package webrtc

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// linuxIO sends a run of packets with one system call (UDP_SEGMENT, Linux 4.18)
// and receives several at a time (recvmmsg, and UDP_GRO, Linux 5.0).
type linuxIO struct {
	plainIO
	batch *ipv6.PacketConn // its ReadBatch serves IPv4 sockets too
	msgs  []ipv6.Message
	out   []packet

	noSegment atomic.Int32 // sends that failed in a row; too many and we stop trying
}

const (
	segmentFailures = 3
	cmsgData        = 16 // where the data of a control message begins
)

func newPacketIO(c *net.UDPConn) packetIO {
	l := &linuxIO{plainIO: plainIO{conn: c}, batch: ipv6.NewPacketConn(c)}
	size := maxDatagram
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil {
				size = 64 << 10
			}
		})
	}
	l.msgs = make([]ipv6.Message, readBatch)
	mem := make([]byte, size*readBatch)
	for i := range l.msgs {
		l.msgs[i].Buffers = [][]byte{mem[i*size : (i+1)*size]}
		l.msgs[i].OOB = make([]byte, unix.CmsgSpace(4))
	}
	l.out = make([]packet, 0, readBatch)
	return l
}

func (l *linuxIO) read() ([]packet, error) {
	n, err := l.batch.ReadBatch(l.msgs, 0)
	if err != nil {
		return nil, err
	}
	l.out = l.out[:0]
	for i := range l.msgs[:n] {
		m := &l.msgs[i]
		from, ok := m.Addr.(*net.UDPAddr)
		if !ok || m.N == 0 {
			continue
		}
		p := packet{data: m.Buffers[0][:m.N], size: m.N, from: from.AddrPort()}
		if size := segmentSize(m.OOB[:m.NN]); size > 0 {
			p.size = size
		}
		l.out = append(l.out, p)
	}
	return l.out, nil
}

// segmentSize finds the size of the packets that the kernel joined, or 0.
func segmentSize(oob []byte) int {
	if len(oob) < cmsgData+4 ||
		binary.NativeEndian.Uint32(oob[cmsgData-8:]) != unix.IPPROTO_UDP ||
		binary.NativeEndian.Uint32(oob[cmsgData-4:]) != unix.UDP_GRO {
		return 0
	}
	return int(int32(binary.NativeEndian.Uint32(oob[cmsgData:])))
}

func (l *linuxIO) writeRun(b []byte, size int, addr netip.AddrPort) error {
	if l.noSegment.Load() >= segmentFailures {
		return l.plainIO.writeRun(b, size, addr)
	}
	oob := make([]byte, unix.CmsgSpace(2))
	binary.NativeEndian.PutUint64(oob, uint64(unix.CmsgLen(2)))
	binary.NativeEndian.PutUint32(oob[cmsgData-8:], unix.IPPROTO_UDP)
	binary.NativeEndian.PutUint32(oob[cmsgData-4:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(oob[cmsgData:], uint16(size))
	_, _, err := l.conn.WriteMsgUDPAddrPort(b, oob, addr)
	switch {
	case err == nil:
		l.noSegment.Store(0)
		return nil
	case errors.Is(err, unix.EIO), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EMSGSIZE), errors.Is(err, unix.EOPNOTSUPP):
		// No checksum offload, a path with a smaller MTU, or an old kernel.
		l.noSegment.Add(1)
		return l.plainIO.writeRun(b, size, addr)
	}
	return err
}
