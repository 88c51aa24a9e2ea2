//go:build !js

package webrtc

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/logging"
	"github.com/pion/stun/v4"
)

const (
	defaultMaxPending     = 32
	defaultMaxOpen        = 500
	defaultPendingTimeout = 50 * time.Second
)

// A Host makes the WebRTC connections of one process. Its methods may be called
// by any goroutine.
type Host struct {
	registry
	cfg  Config
	mux  *mux
	cert tls.Certificate
	sum  []byte // SHA-256 of cert
	log  logging.LoggerFactory

	resolver resolver

	urls   []*stun.URI // of Config.ICEServers
	handed []*stun.URI // of SetServers; guarded by the registry's mu
}

// NewHost opens the socket and returns a Host that is ready to connect.
func NewHost(cfg Config) (*Host, error) {
	h := &Host{
		cfg: cfg.withDefaults(),
		// Connections fail all the time and for reasons of others; what matters is
		// returned as errors.
		log: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled, Writer: io.Discard},
	}
	h.registry.init(h.cfg)
	h.resolver.log = h.log
	var err error
	for _, s := range h.cfg.ICEServers {
		u, err := parseServer(s)
		if err != nil {
			return nil, err
		}
		h.urls = append(h.urls, u)
	}
	if h.cert, err = selfsign.GenerateSelfSigned(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(h.cert.Certificate[0])
	h.sum = sum[:]
	if h.mux, err = h.newMux(h.cfg.Port); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *Host) newMux(port uint16) (*mux, error) {
	var c *net.UDPConn
	var err error
	if h.cfg.Loopback {
		c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	} else if c, err = net.ListenUDP("udp", &net.UDPAddr{Port: int(port)}); err != nil {
		c, err = net.ListenUDP("udp4", &net.UDPAddr{Port: int(port)}) // a system without IPv6
	}
	if err != nil {
		return nil, err
	}
	return newMux(newSocket(c)), nil
}

// parseServer reads "stun:host:port" and "turn:user:password@host:port". The
// user name of time-limited credentials has colons, the password has none.
func parseServer(s string) (*stun.URI, error) {
	user, pass := "", ""
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		scheme, rest, _ := strings.Cut(s, ":")
		cred := s[len(scheme)+1 : i]
		j := strings.LastIndexByte(cred, ':')
		if j < 0 {
			return nil, &ServerError{URL: s}
		}
		user, pass = cred[:j], cred[j+1:]
		s = scheme + ":" + rest[i-len(scheme):]
	}
	u, err := stun.ParseURI(s)
	if err != nil || u.Host == "" {
		return nil, &ServerError{URL: s}
	}
	u.Username, u.Password = user, pass
	return u, nil
}

// SetServers replaces the servers that trackers have handed out. They are used besides
// Config.ICEServers for connections that are made from now on: the first four, without those
// that cannot be understood.
func (h *Host) SetServers(servers []string) {
	var handed []*stun.URI
	for _, s := range h.cfg.handed(servers) {
		if u, err := parseServer(s); err == nil {
			handed = append(handed, u)
		}
	}
	h.mu.Lock()
	h.handed = handed
	h.mu.Unlock()
}

// servers are the servers in use.
func (h *Host) servers() []*stun.URI {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Concat(h.urls, h.handed)
}

func isRelay(u *stun.URI) bool {
	return u.Scheme == stun.SchemeTypeTURN || u.Scheme == stun.SchemeTypeTURNS
}

// Port is the UDP port of the connections, but for answers to another Host,
// which have one each.
func (h *Host) Port() uint16 { return h.mux.sock.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// Offer makes a connection that waits for an answer. It blocks until the
// candidates are known, Config.GatherTimeout at most. ErrTooMany, ErrNoRelay,
// ErrHostClosed.
func (h *Host) Offer(ctx context.Context) (*Pending, error) { return h.start(ctx, nil) }

// Answer takes the other side's offer. It blocks as Offer does. *SDPError,
// ErrTooMany, ErrNoRelay, ErrHostClosed.
func (h *Host) Answer(ctx context.Context, offerSDP string) (*Pending, error) {
	d, err := parseSDP(offerSDP)
	if err != nil {
		return nil, err
	}
	if d.setup != setupActPass {
		return nil, sdpError("this is an answer, an offer was expected")
	}
	return h.start(ctx, d)
}

func (h *Host) start(ctx context.Context, offer *description) (*Pending, error) {
	p, err := h.newPeer(offer)
	if err != nil {
		return nil, err
	}
	if err := p.gather(ctx); err != nil {
		p.fail(err)
		return nil, err
	}
	if offer != nil {
		p.connect(offer)
	}
	return &Pending{p: p}, nil
}

// Close ends every connection, without waiting for data to be delivered, and
// returns when nothing is left of them. It may be called any number of times.
func (h *Host) Close() error {
	peers, first := h.shut()
	for _, p := range peers {
		p.abort(ErrHostClosed)
	}
	h.drain()
	if !first {
		return nil
	}
	h.resolver.close()
	return h.mux.Close()
}

// localAddrs lists the addresses of this machine.
func localAddrs() []netip.Addr {
	ifs, _ := net.InterfaceAddrs()
	var out []netip.Addr
	for _, a := range ifs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out
}

// onThisMachine reports whether packets to the address stay here.
func onThisMachine(addr string) bool {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	return ip.IsLoopback() || slices.Contains(localAddrs(), ip)
}
