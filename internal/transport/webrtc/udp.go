//go:build !js

package webrtc

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// The stack above the socket pays per datagram: locks, queues, wake-ups of
// several goroutines. DTLS records say how long they are, and a datagram may
// hold several of them, so the socket hands a run of data records that arrived
// together up as one datagram, and takes a run of records down as one, which it
// sends as the separate packets that they are, with one system call where the
// system can do that.

const (
	maxDatagram  = 8 << 10  // what the ICE and DTLS layers can take at once
	maxRun       = 60 << 10 // bytes in one run of records to send; below UDP's limit
	maxRunPieces = 60       // records in it; the kernel takes 64
	socketBuffer = 4 << 20  // asked of the system, which may give less
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

// socket is a UDP socket that joins what it receives and splits what it sends.
type socket struct {
	*net.UDPConn
	io packetIO

	mu      sync.Mutex // guards what follows: reads come from one goroutine, so it is never waited for
	pending []packet
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

// isData reports whether b consists of whole DTLS records with application data.
// Only those may be joined: data behind the last message of a handshake would
// have to be read before the handshake can end, and nobody reads before that.
func isData(b []byte) bool {
	const applicationData = 23
	for len(b) > 0 {
		if !isDTLS(b) || b[0] != applicationData || recordLen(b) > len(b) {
			return false
		}
		b = b[recordLen(b):]
	}
	return true
}

// ReadFromAddrPort gives the next packet, or several packets with data records
// from one sender as one.
func (s *socket) ReadFromAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.pending) > 0 {
			p := &s.pending[0]
			if n > 0 && p.from != from {
				return n, from, nil
			}
			for len(p.data) > 0 {
				one := p.data[:min(p.size, len(p.data))]
				data := isData(one)
				if n > 0 && (!data || n+len(one) > len(b)) {
					return n, from, nil
				}
				p.data = p.data[len(one):]
				from = p.from
				n += copy(b[n:], one)
				if !data {
					s.drop()
					return n, from, nil
				}
			}
			s.drop()
		}
		if n > 0 {
			return n, from, nil
		}
		if s.pending, err = s.io.read(); err != nil {
			if errors.Is(err, net.ErrClosed) {
				return 0, netip.AddrPort{}, err
			}
			// Some systems report here that an earlier packet found nobody, which says
			// nothing about this socket.
			time.Sleep(time.Millisecond)
		}
	}
}

// drop takes the first pending packet away if nothing of it is left.
func (s *socket) drop() {
	if len(s.pending[0].data) == 0 {
		s.pending = s.pending[1:]
	}
}

// ReadFrom implements net.PacketConn.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.ReadFromAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteToAddrPort sends b as one packet, or as one packet for each record if it
// is a run made by runWriter.
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

// A runWriter gathers DTLS records and writes them in runs.
type runWriter struct {
	write func([]byte) (int, error)

	mu    sync.Mutex
	held  bool
	buf   []byte
	size  int // of the first record in buf
	count int
	ended bool // a shorter record was added, so the run is complete
}

// hold makes Write gather until release.
func (w *runWriter) hold() {
	w.mu.Lock()
	w.held = true
	w.mu.Unlock()
}

// release writes what was gathered. A datagram that could not be sent is lost,
// as datagrams may be; the layers above send its data again or notice.
func (w *runWriter) release() {
	w.mu.Lock()
	w.held = false
	w.flush()
	w.mu.Unlock()
}

func (w *runWriter) flush() {
	if len(w.buf) > 0 {
		_, _ = w.write(w.buf)
	}
	w.buf, w.count, w.ended = w.buf[:0], 0, false
}

// Write takes one DTLS record.
func (w *runWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.held || !isDTLS(b) || recordLen(b) != len(b) {
		w.flush()
		return w.write(b)
	}
	if w.count > 0 && (w.ended || len(b) > w.size || w.count >= maxRunPieces || len(w.buf)+len(b) > maxRun) {
		w.flush()
	}
	if w.count == 0 {
		w.size = len(b)
	}
	w.ended = len(b) < w.size
	w.buf = append(w.buf, b...)
	w.count++
	return len(b), nil
}
