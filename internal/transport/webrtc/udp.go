//go:build !js

package webrtc

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"
)

// A system call a packet would cost more than all else. DTLS records say how long
// they are, so the socket takes a run of them as one write, and sends the separate
// packets that they are with one system call where the system can do that. What
// arrives together is handed up together.

const (
	maxDatagram  = 8 << 10 // what the ICE and DTLS layers can take at once
	socketBuffer = 4 << 20 // asked of the system, which may give less
	readBatch    = 8
)

// A packetIO sends and receives packets in batches where the system can.
type packetIO interface {
	// readBatch waits for packets. Each is a slice of the reader's own memory,
	// valid until the next call.
	read() ([]packet, error)
	// writeRun sends b to addr in packets of size bytes, the last may be shorter.
	writeRun(b []byte, size int, addr netip.AddrPort) error
}

// A packet is what one read gave: packets of size bytes from one sender, the
// last may be shorter.
type packet struct {
	data []byte
	size int
	from netip.AddrPort
}

// socket is a UDP socket that sends and receives in batches.
type socket struct {
	*net.UDPConn
	io packetIO
}

func newSocket(c *net.UDPConn) *socket {
	// Failures only mean smaller buffers.
	_ = c.SetReadBuffer(socketBuffer)
	_ = c.SetWriteBuffer(socketBuffer)
	return &socket{UDPConn: c, io: newPacketIO(c)}
}

// isDTLS reports whether b begins with a DTLS record, by the ranges of RFC 7983.
func isDTLS(b []byte) bool { return len(b) > 13 && b[0] >= 20 && b[0] <= 63 }

// recordLen is the length of the DTLS record that b begins with.
func recordLen(b []byte) int { return 13 + int(binary.BigEndian.Uint16(b[11:13])) }

// isData reports whether b begins with a DTLS record of application data.
func isData(b []byte) bool { return isDTLS(b) && b[0] == recordData }

// allData reports whether every packet begins so.
func (p packet) allData() bool {
	for b := p.data; len(b) > 0; b = b[min(p.size, len(b)):] {
		if !isData(b[:min(p.size, len(b))]) {
			return false
		}
	}
	return true
}

// read waits for packets, which are valid until the next call.
func (s *socket) read() ([]packet, error) {
	for {
		got, err := s.io.read()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return got, err
		}
		// Some systems report here that an earlier packet found nobody, which says
		// nothing about this socket.
		time.Sleep(time.Millisecond)
	}
}

// WriteToAddrPort sends b as one packet, or as one packet for each record if it
// is a run.
func (s *socket) WriteToAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	if size := runSize(b); size > 0 {
		return len(b), s.io.writeRun(b, size, addr)
	}
	return s.UDPConn.WriteToUDPAddrPort(b, addr)
}

// runSize is the length of the records in a run, or 0 if b is something else.
func runSize(b []byte) int {
	if !isDTLS(b) {
		return 0
	}
	size := recordLen(b)
	if size >= len(b) {
		return 0
	}
	for rest := b[size:]; len(rest) > 0; {
		if !isDTLS(rest) {
			return 0
		}
		n := recordLen(rest)
		if n > size || n > len(rest) || n < size && n < len(rest) {
			return 0
		}
		rest = rest[n:]
	}
	return size
}

// WriteTo implements net.PacketConn.
func (s *socket) WriteTo(b []byte, addr net.Addr) (int, error) {
	if u, ok := addr.(*net.UDPAddr); ok {
		return s.WriteToAddrPort(b, u.AddrPort())
	}
	return s.UDPConn.WriteTo(b, addr)
}

// plainIO is the packetIO for systems without batches.
type plainIO struct {
	conn *net.UDPConn
	buf  [1]packet
	mem  []byte
}

func (p *plainIO) read() ([]packet, error) {
	if p.mem == nil {
		p.mem = make([]byte, maxDatagram)
	}
	n, from, err := p.conn.ReadFromUDPAddrPort(p.mem)
	if err != nil {
		return nil, err
	}
	p.buf[0] = packet{data: p.mem[:n], size: n, from: from}
	return p.buf[:], nil
}

func (p *plainIO) writeRun(b []byte, size int, addr netip.AddrPort) error {
	for len(b) > 0 {
		n := min(size, len(b))
		if _, err := p.conn.WriteToUDPAddrPort(b[:n], addr); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
