package relay

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// What pion sees of the network goes through here: it ends a socket's service at the first
// error, it answers whoever asks, and its reader of streams never gets past a length that
// overflows 16 bits.

const (
	maxFrame       = 1500             // of STUN and ChannelData in a stream, in bytes
	greetTimeout   = 10 * time.Second // for each message of a client without a session
	sessionTimeout = 15 * time.Minute // without a word; sessions are refreshed every few minutes
	writeTimeout   = 10 * time.Second
)

// admit reports whether to look at a message of a client: one that has a session, or one
// whose address sends few others.
func (s *Server) admit(client clientKey) bool {
	if s.session(client) != nil {
		return true
	}
	if s.unproven.Allow(s.cfg.Now().UnixNano(), netaddr.Key(client.addr.Addr()), 1) {
		return true
	}
	s.limited.Add(1)
	s.tell(limit.RelayUnproven, client)
	return false
}

// A guardedUDP is the socket that UDP clients send to.
type guardedUDP struct {
	*net.UDPConn
	s *Server
}

// ReadFrom implements net.PacketConn. It fails only when the socket is closed.
func (g *guardedUDP) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := g.UDPConn.ReadFromUDPAddrPort(b)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return 0, nil, err
			}
			time.Sleep(time.Millisecond) // some systems report an earlier packet's fate here
			continue
		}
		if from = netaddr.Unmap(from); g.s.admit(clientKey{false, from}) {
			return n, net.UDPAddrFromAddrPort(from), nil
		}
	}
}

// A guardedListener takes no more connections than are allowed.
type guardedListener struct {
	net.Listener
	s *Server
}

// Accept implements net.Listener. It fails only when the listener is closed.
func (l *guardedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			time.Sleep(50 * time.Millisecond) // no file descriptor is free
			continue
		}
		client, _ := keyOf(c.RemoteAddr())
		g := &guardedConn{Conn: c, s: l.s, client: client, r: newFrameReader(c)}
		if l.s.connect(g) {
			return g, nil
		}
		l.s.limited.Add(1)
		l.s.tell(limit.RelaySessions, client)
		c.Close()
	}
}

// connect counts a connection, if there may be another one.
func (s *Server) connect(c *guardedConn) bool {
	addr := netaddr.Key(c.client.addr.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.cfg.MaxSessions || s.connsOf[addr] >= s.cfg.MaxSessionsPerAddr {
		return false
	}
	s.conns[c] = struct{}{}
	s.connsOf[addr]++
	return true
}

func (s *Server) disconnect(c *guardedConn) {
	addr := netaddr.Key(c.client.addr.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.connsOf[addr]--; s.connsOf[addr] == 0 {
		delete(s.connsOf, addr)
	}
}

// A guardedConn is a connection whose Read gives whole messages.
type guardedConn struct {
	net.Conn
	s      *Server
	client clientKey
	r      *bufio.Reader
	once   sync.Once
}

var (
	errFrame   = errors.New("relay: neither STUN nor ChannelData")
	errLimited = errors.New("relay: too many requests")
)

// Read implements net.Conn.
func (c *guardedConn) Read(b []byte) (int, error) {
	most := greetTimeout
	if c.s.session(c.client) != nil {
		most = sessionTimeout
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(most))
	head, err := c.r.Peek(4)
	if err != nil {
		return 0, err
	}
	n := frameLen(head)
	if n == 0 || n > len(b) {
		return 0, errFrame
	}
	if _, err := c.r.Peek(n); err != nil {
		return 0, err
	}
	if !c.s.admit(c.client) {
		return 0, errLimited
	}
	return c.r.Read(b[:n])
}

// frameLen returns how long the message in a stream is that begins with these four bytes,
// 0 if it is none (RFC 8656, sections 5 and 12.5).
func frameLen(head []byte) int {
	n := int(binary.BigEndian.Uint16(head[2:]))
	switch head[0] >> 6 {
	case 0:
		n += 20
		if n%4 != 0 {
			return 0
		}
	case 1:
		n = 4 + (n+3)&^3
	default:
		return 0
	}
	if n > maxFrame {
		return 0
	}
	return n
}

// Write implements net.Conn. A client that does not read is cut off.
func (c *guardedConn) Write(b []byte) (int, error) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := c.Conn.Write(b)
	if err != nil {
		c.Close()
	}
	return n, err
}

// Close implements net.Conn.
func (c *guardedConn) Close() error {
	c.once.Do(func() { c.s.disconnect(c) })
	return c.Conn.Close()
}

func newFrameReader(c net.Conn) *bufio.Reader { return bufio.NewReaderSize(c, 2*maxFrame) }
