//go:build !js

package webrtc

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// A mux shares one socket between the ICE agents of many connections. It stands
// in for pion's own, which sends what comes from an address to whichever agent
// last sent something there: there, anybody could take over the packets of
// another connection by naming that one's address as a candidate of his own.
// Here a packet goes where the other side has shown to want it:
//
//   - a STUN request to the agent whose user name it carries,
//   - a STUN response to all agents that sent requests to where it comes from,
//   - anything else to the agent that the latest STUN request from the same
//     address was for.
//
// Two connections at the same time with the same socket at the other end cannot
// be told apart, so one of the two sides must use a socket of its own (see
// description.shared).
type mux struct {
	sock *socket
	done chan struct{} // the reader has ended

	mu     sync.Mutex
	closed bool
	conns  map[muxKey]*muxConn
	owners map[netip.AddrPort]*muxConn
	asked  map[netip.AddrPort][]*muxConn // who sent STUN requests to an address

	servers map[[stunID]byte]chan netip.AddrPort // our own questions to STUN servers
	seen    map[netip.AddrPort]mapping           // how a STUN server sees us
}

// IPv4 and IPv6 candidates are different conns, because an agent takes the
// family of a packet from the candidate that it reads it with.
type muxKey struct {
	ufrag string
	is6   bool
}

type mapping struct {
	addr  netip.AddrPort
	until time.Time
}

const (
	stunID       = 12
	mappingLife  = 25 * time.Second
	muxQueue     = 512  // packets that wait for an agent; more are dropped, as UDP may
	muxAskedMax  = 8    // agents that share an address they send requests to
	muxAskedAddr = 4096 // such addresses; they go with their agents
)

func newMux(sock *socket) *mux {
	m := &mux{
		sock: sock, done: make(chan struct{}),
		conns:   make(map[muxKey]*muxConn),
		owners:  make(map[netip.AddrPort]*muxConn),
		asked:   make(map[netip.AddrPort][]*muxConn),
		servers: make(map[[stunID]byte]chan netip.AddrPort),
		seen:    make(map[netip.AddrPort]mapping),
	}
	go m.reader()
	return m
}

func (m *mux) reader() {
	defer close(m.done)
	for {
		got, err := m.sock.read()
		if err != nil {
			return
		}
		for _, p := range got {
			m.dispatchAll(p)
		}
	}
}

// dispatchAll hands on packets that arrived together: at once, past the agent, if all
// are data for a connection that takes them.
func (m *mux) dispatchAll(p packet) {
	from := netaddr.Unmap(p.from)
	if p.allData() {
		m.mu.Lock()
		var receive func([]byte, int)
		if c := m.owners[from]; c != nil {
			receive = c.receive
		}
		m.mu.Unlock()
		if receive != nil {
			receive(p.data, p.size)
			return
		}
	}
	for b := p.data; len(b) > 0; {
		one := b[:min(p.size, len(b))]
		m.dispatch(one, from)
		b = b[len(one):]
	}
}

// deliver has the data for an agent given to receive from now on: packets of size
// bytes, the last may be shorter, which receive may change.
func (m *mux) deliver(ufrag string, receive func(b []byte, size int)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, is6 := range []bool{false, true} {
		if c := m.conns[muxKey{ufrag, is6}]; c != nil {
			c.receive = receive
		}
	}
}

func (m *mux) dispatch(b []byte, from netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !stun.IsMessage(b) {
		if c := m.owners[from]; c != nil {
			c.put(b, from)
		}
		return
	}
	if stunIsResponse(b) {
		if ch, ok := m.servers[[stunID]byte(b[8:20])]; ok {
			if addr, ok := mappedAddress(b); ok {
				delete(m.servers, [stunID]byte(b[8:20]))
				ch <- addr
			}
			return
		}
		for _, c := range m.asked[from] {
			c.put(b, from)
		}
		return
	}
	user, _, _ := bytes.Cut(stunUserName(b), []byte(":"))
	if c := m.conns[muxKey{string(user), from.Addr().Is6()}]; c != nil {
		m.owners[from] = c
		c.put(b, from)
	}
}

// stunIsResponse looks at the class bits of RFC 8489, section 5.
func stunIsResponse(b []byte) bool { return b[0]&1 != 0 }

// stunUserName finds the USERNAME attribute of a STUN message.
func stunUserName(b []byte) []byte {
	const userName = 0x0006
	for b = b[20:]; len(b) >= 4; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b)-4 {
			return nil
		}
		if binary.BigEndian.Uint16(b) == userName {
			return b[4 : 4+n]
		}
		b = b[min(4+(n+3)&^3, len(b)):]
	}
	return nil
}

func mappedAddress(b []byte) (netip.AddrPort, bool) {
	msg := &stun.Message{Raw: bytes.Clone(b)}
	var x stun.XORMappedAddress
	if msg.Decode() != nil || x.GetFrom(msg) != nil {
		return netip.AddrPort{}, false
	}
	ip, ok := netip.AddrFromSlice(x.IP)
	return netip.AddrPortFrom(ip.Unmap(), uint16(x.Port)), ok
}

// GetListenAddresses implements ice.UDPMux: the addresses to offer.
func (m *mux) GetListenAddresses() []net.Addr {
	own := m.sock.LocalAddr().(*net.UDPAddr)
	if !own.IP.IsUnspecified() {
		return []net.Addr{own}
	}
	var out []net.Addr
	for _, ip := range upAddrs() {
		if own.IP.To4() == nil || ip.Is4() {
			out = append(out, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(own.Port))))
		}
	}
	return out
}

// upAddrs lists the addresses of interfaces that lead somewhere. Link-local
// ones are left out: a browser does not use them either.
func upAddrs() []netip.Addr {
	var out []netip.Addr
	ifs, _ := net.Interfaces()
	for _, i := range ifs {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			if ip, ok := netip.AddrFromSlice(n.IP); ok && !ip.IsLinkLocalUnicast() && !ip.IsLoopback() {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out
}

// GetConn implements ice.UDPMux.
func (m *mux) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	is6 := false
	if u, ok := addr.(*net.UDPAddr); ok {
		is6 = u.IP.To4() == nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, io.ErrClosedPipe
	}
	key := muxKey{ufrag, is6}
	c := m.conns[key]
	if c == nil {
		c = &muxConn{m: m, key: key, local: addr, wake: make(chan struct{}, 1)}
		m.conns[key] = c
	}
	c.users++
	return &muxHandle{muxConn: c, closed: make(chan struct{})}, nil
}

// RemoveConnByUfrag implements ice.UDPMux: the agent is gone.
func (m *mux) RemoveConnByUfrag(ufrag string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(m.conns[muxKey{ufrag, false}])
	m.remove(m.conns[muxKey{ufrag, true}])
}

// remove forgets c. The caller holds m.mu.
func (m *mux) remove(c *muxConn) {
	if c == nil || m.conns[c.key] != c {
		return
	}
	delete(m.conns, c.key)
	for _, addr := range c.addrs {
		if m.owners[addr] == c {
			delete(m.owners, addr)
		}
		left := m.asked[addr][:0:0]
		for _, o := range m.asked[addr] {
			if o != c {
				left = append(left, o)
			}
		}
		if len(left) == 0 {
			delete(m.asked, addr)
		} else {
			m.asked[addr] = left
		}
	}
	for addr, o := range m.owners { // addresses that asked for c and were never answered
		if o == c {
			delete(m.owners, addr)
		}
	}
}

// Close implements ice.UDPMux.
func (m *mux) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	err := m.sock.Close()
	<-m.done
	return err
}

// A muxConn is the mux's end of one agent.
type muxConn struct {
	m     *mux
	key   muxKey
	local net.Addr
	users int              // handles not closed; guarded by m.mu
	addrs []netip.AddrPort // that it sent to; guarded by m.mu

	receive func(b []byte, size int) // of the data; nil: the agent; guarded by m.mu

	wake chan struct{} // something is in the queue

	mu    sync.Mutex
	queue []muxPacket
}

type muxPacket struct {
	b    *[]byte
	from netip.AddrPort
}

var muxBuffers = sync.Pool{New: func() any { b := make([]byte, 0, maxDatagram); return &b }}

func (c *muxConn) put(b []byte, from netip.AddrPort) {
	c.mu.Lock()
	if len(c.queue) >= muxQueue {
		c.mu.Unlock()
		return
	}
	p := muxBuffers.Get().(*[]byte)
	*p = append((*p)[:0], b...)
	c.queue = append(c.queue, muxPacket{p, from})
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take copies the next packet to b. A packet that is larger than b is lost.
func (c *muxConn) take(b []byte) (n int, from netip.AddrPort, ok bool) {
	c.mu.Lock()
	if len(c.queue) == 0 {
		c.mu.Unlock()
		return 0, netip.AddrPort{}, false
	}
	p := c.queue[0]
	c.queue[0] = muxPacket{}
	if c.queue = c.queue[1:]; len(c.queue) == 0 {
		c.queue = nil
	}
	more := len(c.queue) > 0
	c.mu.Unlock()
	if more {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	n = copy(b, *p.b)
	muxBuffers.Put(p.b)
	return n, p.from, true
}

// note remembers that c sent a STUN request to addr, or data where nobody has
// asked for any.
func (c *muxConn) note(b []byte, addr netip.AddrPort) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.m.conns[c.key] != c {
		return
	}
	if !stun.IsMessage(b) {
		if c.m.owners[addr] == nil {
			c.m.owners[addr] = c
			c.addrs = append(c.addrs, addr)
		}
		return
	}
	asked := c.m.asked[addr]
	for _, o := range asked {
		if o == c {
			return
		}
	}
	if len(asked) < muxAskedMax && (len(asked) > 0 || len(c.m.asked) < muxAskedAddr) {
		c.m.asked[addr] = append(asked, c)
		c.addrs = append(c.addrs, addr)
	}
}

// A muxHandle is a muxConn for one candidate of the agent.
type muxHandle struct {
	*muxConn
	once   sync.Once
	closed chan struct{}
}

var (
	_ ice.UniversalUDPMux      = (*mux)(nil)
	_ ice.AddrPortReaderWriter = (*muxHandle)(nil)
)

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (h *muxHandle) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		if n, from, ok := h.take(b); ok {
			return n, from, nil
		}
		select {
		case <-h.wake:
		case <-h.closed:
			return 0, netip.AddrPort{}, io.EOF
		}
	}
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (h *muxHandle) WriteToAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	select {
	case <-h.closed:
		return 0, io.ErrClosedPipe
	default:
	}
	h.note(b, netaddr.Unmap(addr))
	return h.m.sock.WriteToAddrPort(b, addr)
}

// ReadFrom implements net.PacketConn.
func (h *muxHandle) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := h.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn.
func (h *muxHandle) WriteTo(b []byte, addr net.Addr) (int, error) {
	u, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, os.ErrInvalid
	}
	return h.WriteToAddrPort(b, u.AddrPort())
}

// Close implements net.PacketConn.
func (h *muxHandle) Close() error {
	h.once.Do(func() {
		close(h.closed)
		h.m.mu.Lock()
		defer h.m.mu.Unlock()
		if h.users--; h.users == 0 {
			h.m.remove(h.muxConn)
		}
	})
	return nil
}

// LocalAddr implements net.PacketConn.
func (h *muxHandle) LocalAddr() net.Addr { return h.local }

// Deadlines of net.PacketConn are not used: agents close what they give up.

func (h *muxHandle) SetDeadline(time.Time) error      { return nil }
func (h *muxHandle) SetReadDeadline(time.Time) error  { return nil }
func (h *muxHandle) SetWriteDeadline(time.Time) error { return nil }
