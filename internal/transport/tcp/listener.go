package tcp

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// DefaultMaxHalfOpen is the number of accepted connections that may be without a
// finished handshake at the same time.
const DefaultMaxHalfOpen = 128

// ListenConfig says how a Listener accepts.
type ListenConfig struct {
	// MaxHalfOpen bounds accepted connections whose Established has not been
	// called; one more closes the oldest of them, so that silent connections
	// cannot keep others out. 0 means DefaultMaxHalfOpen.
	MaxHalfOpen int
}

// A Listener accepts connections. Its methods may be called by any goroutine.
type Listener struct {
	tcp accepter
	max int

	mu       sync.Mutex
	halfOpen list.List // of *Conn, oldest first
}

// accepter is the part of a *net.TCPListener that a Listener needs.
type accepter interface {
	AcceptTCP() (*net.TCPConn, error)
	Addr() net.Addr
	Close() error
}

// Listen opens addr. Port 0 takes a free one; an invalid or unspecified IPv6
// address means every interface, IPv4 and IPv6 alike.
func Listen(addr netip.AddrPort, cfg ListenConfig) (*Listener, error) {
	network := "tcp"
	ip := addr.Addr()
	if !ip.IsValid() {
		ip = netip.IPv6Unspecified()
	} else if ip.Is4() {
		network = "tcp4"
	}
	lc := net.ListenConfig{KeepAlive: -1}
	l, err := lc.Listen(context.Background(), network, listenString(ip, addr.Port()))
	if err != nil {
		return nil, err
	}
	if cfg.MaxHalfOpen <= 0 {
		cfg.MaxHalfOpen = DefaultMaxHalfOpen
	}
	return &Listener{tcp: l.(*net.TCPListener), max: cfg.MaxHalfOpen}, nil
}

// listenString leaves the IPv6 wildcard out, because ":port" also works where
// the system has no IPv6.
func listenString(ip netip.Addr, port uint16) string {
	s := netip.AddrPortFrom(ip, port).String()
	if ip == netip.IPv6Unspecified() {
		return s[len("[::]"):]
	}
	return s
}

// Accept returns the next connection, which counts as half-open until its
// Established or Close is called. It returns net.ErrClosed after Close, and goes
// on by itself after passing errors such as too many open files.
func (l *Listener) Accept() (*Conn, error) {
	for delay := 5 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		tc, err := l.tcp.AcceptTCP()
		if err == nil {
			return l.admit(tc), nil
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, net.ErrClosed
		}
		time.Sleep(delay)
	}
}

func (l *Listener) admit(tc *net.TCPConn) *Conn {
	remote := tc.RemoteAddr().(*net.TCPAddr).AddrPort()
	remote = netaddr.Unmap(remote)

	c := newConn(tc, remote, nil)
	l.mu.Lock()
	e := l.halfOpen.PushBack(c)
	c.slot = sync.OnceFunc(func() {
		l.mu.Lock()
		l.halfOpen.Remove(e)
		l.mu.Unlock()
	})
	var oldest *Conn
	if l.halfOpen.Len() > l.max {
		oldest = l.halfOpen.Front().Value.(*Conn)
	}
	l.mu.Unlock()
	if oldest != nil {
		oldest.Close()
	}
	return c
}

// Addr is the address that the listener has, with its real port.
func (l *Listener) Addr() netip.AddrPort {
	return netaddr.Unmap(l.tcp.Addr().(*net.TCPAddr).AddrPort())
}

// HalfOpen is the number of connections that count as half-open now.
func (l *Listener) HalfOpen() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.halfOpen.Len()
}

// Close stops accepting; connections accepted before stay open. It may be called
// any number of times.
func (l *Listener) Close() error {
	if err := l.tcp.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
