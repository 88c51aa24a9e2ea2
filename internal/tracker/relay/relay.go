// Package relay serves TURN to peers that reach each other no other way.
//
// A Server answers STUN binding requests of anybody, and relays UDP (TURN, RFC 8656) for those
// who have credentials that it made a short while ago (the TURN REST API,
// draft-uberti-behave-turn-rest). Clients reach it by UDP, TCP and TLS. pion/turn speaks the
// protocol; here is what keeps a public relay harmless: who may have a session and how many,
// how many bytes, towards which peers, and what of the network pion gets to see.
//
// Relaying by TCP (RFC 6062), pairs of ports (EVEN-PORT) and reservations are refused: WebRTC
// needs none of them.
package relay

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// Config says what a Server offers and to whom. The zero value is usable on a machine
// that has a public address.
type Config struct {
	// Listen is where UDP and TCP are served, as "host:port", ":port" or "[::1]:port"; port 0
	// takes a free one. "" means ":3478".
	Listen string
	// ListenTLS is where TURN over TLS is served, with TLS. "" means nowhere.
	ListenTLS string
	TLS       *tls.Config

	// PublicIPs are the addresses, one IPv4 and one IPv6 at most, by which peers reach this
	// machine. Empty means the host of Listen, or else the addresses from which the machine
	// sends to the internet; New fails if those are no public ones, as behind a translator.
	PublicIPs []netip.Addr
	// Host is the name of this machine that clients are told. "" means one of PublicIPs;
	// TURN over TLS is then not announced, since no certificate would fit.
	Host string
	// Ports is the first and the last UDP port of relayed addresses. Zeros mean 49152 and 65535.
	Ports [2]uint16
	// STUNOnly offers no relay.
	STUNOnly bool

	// Realm is the realm of the credentials. "" means "shoal".
	Realm string
	// Secret makes credentials, and all servers with the same one take them. Empty means a
	// random one, good until the end of the Server.
	Secret []byte
	// TTL is how long credentials open sessions. Clients of Shoal fetch new ones after 20
	// minutes. 0 means an hour. A session that is open when its credentials end may stay.
	TTL time.Duration

	// MaxSessions bounds the sessions, MaxSessionsPerAddr those of one client address (an
	// IPv4 address or an IPv6 /64), which is a household or a whole office. A tab has a session
	// for each connection and each transport, those that wait for a peer included. 0 means
	// 4,000 and 100. As many TCP connections are taken besides.
	MaxSessions, MaxSessionsPerAddr int
	// SessionRate bounds what a session relays, TotalRate all of them, in bytes a second, both
	// directions together. What is above is dropped, as on a slow line. 0 means 1 MB and
	// 12.5 MB; a negative number is no bound.
	SessionRate, TotalRate int
	// AddrRate bounds likewise what all sessions of one client address relay, so that no one
	// uses up what is there for all. 0 means a quarter of TotalRate but not less than
	// SessionRate, and no bound where either has none; a negative number is no bound.
	AddrRate int
	// Unproven bounds the packets that one address sends without having a session, since their
	// sender may be forged. The zero Rate means 50 a second and 500 at once.
	Unproven limit.Rate

	// DenyPeers are addresses that nothing is relayed to or from, besides those that are
	// always denied: everything that is not on the public internet, and the networks that
	// this machine is part of. AllowPeers are exceptions from both. Relayed addresses of this
	// Server are always allowed.
	DenyPeers, AllowPeers []netip.Prefix

	// OnLimit, when set, is told of everything that is limited, dropped or refused, and whose it
	// was. It is called by many goroutines and must not block.
	OnLimit func(r limit.Reason, client netip.Addr)
	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

func (s *Server) tell(r limit.Reason, client clientKey) {
	if s.cfg.OnLimit != nil {
		s.cfg.OnLimit(r, client.addr.Addr())
	}
}

// Stats counts what a Server has done.
type Stats struct {
	Sessions int // relay sessions that are open
	Conns    int // TCP and TLS connections that are open

	Opened       uint64 // sessions opened
	Refused      uint64 // sessions refused because of a limit
	Unauthorized uint64 // requests with credentials that are wrong or have ended
	Denied       uint64 // peers that were not allowed
	Limited      uint64 // packets and connections of clients without a session above a limit
	Dropped      uint64 // relayed packets above a bandwidth limit

	BytesToPeers, BytesToClients uint64 // payload relayed
}

// A Server runs until Close. Its methods may be called by any goroutine.
type Server struct {
	cfg      Config
	secrets  atomic.Pointer[[]turnSecret]
	public   [2]netip.Addr // IPv4, IPv6; may be invalid
	bind     netip.Addr    // of relayed addresses; unspecified for any
	addr     netip.AddrPort
	tls      netip.AddrPort
	turn     *turn.Server
	own      ownAddrs
	unproven *limit.Table

	sessionPace limit.Pace
	byAddr      *limit.Table // bytes by netaddr.Key
	total       bucket

	mu       sync.RWMutex
	closed   bool
	sessions map[clientKey]*session
	ports    map[portKey]*session
	perAddr  map[uint64]int // sessions by netaddr.Key
	conns    map[*guardedConn]struct{}
	connsOf  map[uint64]int // TCP connections by netaddr.Key

	opened, refused, unauthorized, denied, limited, dropped atomic.Uint64
	bytesToPeers, bytesToClients                            atomic.Uint64
}

// New opens the sockets and serves. Errors name the setting that is to be changed.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:      cfg,
		sessions: make(map[clientKey]*session), ports: make(map[portKey]*session),
		perAddr: make(map[uint64]int), conns: make(map[*guardedConn]struct{}), connsOf: make(map[uint64]int),
		unproven:    limit.New(cfg.Unproven, 64<<10),
		sessionPace: byteRate(cfg.SessionRate).Pace(),
		byAddr:      limit.New(byteRate(cfg.AddrRate), cfg.MaxSessions),
		total:       bucket{pace: byteRate(cfg.TotalRate).Pace()},
	}
	s.SetSecrets(cfg.Secret)
	pc, lns, err := s.listen()
	if err != nil {
		return nil, err
	}
	err = s.findPublic()
	if err == nil {
		s.own.refresh(cfg.Now())
		err = s.serve(pc, lns)
	}
	if err != nil {
		pc.Close()
		for _, l := range lns {
			l.Close()
		}
		return nil, err
	}
	return s, nil
}

func (c Config) withDefaults() (Config, error) {
	def := func(n *int, d int) {
		if *n == 0 {
			*n = d
		}
	}
	def(&c.MaxSessions, 4000)
	def(&c.MaxSessionsPerAddr, 100)
	def(&c.SessionRate, 1e6)
	def(&c.TotalRate, 12.5e6)
	if c.SessionRate > 0 && c.TotalRate > 0 {
		def(&c.AddrRate, max(c.TotalRate/4, c.SessionRate))
	}
	if c.Listen == "" {
		c.Listen = ":3478"
	}
	if c.Realm == "" {
		c.Realm = "shoal"
	}
	if c.TTL == 0 {
		c.TTL = time.Hour
	}
	if c.Ports == [2]uint16{} {
		c.Ports = [2]uint16{49152, 65535}
	}
	if c.Unproven == (limit.Rate{}) {
		c.Unproven = limit.Rate{PerSecond: 50, Burst: 500}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if len(c.Secret) == 0 {
		c.Secret = make([]byte, 32)
		if _, err := rand.Read(c.Secret); err != nil {
			return c, err
		}
	}
	switch {
	case c.MaxSessions < 0 || c.MaxSessionsPerAddr < 0:
		return c, errors.New("relay: a limit of sessions is negative")
	case c.TTL < time.Minute:
		return c, fmt.Errorf("relay: credentials that last %v would end before they are used; choose a minute or more", c.TTL)
	case c.Ports[0] == 0 || c.Ports[0] > c.Ports[1]:
		return c, fmt.Errorf("relay: ports %d to %d are no range", c.Ports[0], c.Ports[1])
	case c.ListenTLS != "" && c.TLS == nil:
		return c, fmt.Errorf("relay: TLS on %s needs a certificate", c.ListenTLS)
	}
	return c, nil
}

// listen opens the sockets: UDP and TCP on one number, TLS on another.
func (s *Server) listen() (pc *net.UDPConn, lns []net.Listener, err error) {
	addr, err := net.ResolveUDPAddr("udp", s.cfg.Listen)
	if err != nil {
		return nil, nil, fmt.Errorf("relay: cannot listen on %q: %w", s.cfg.Listen, err)
	}
	var l net.Listener
	for range 10 { // with port 0, the number that UDP got may be taken for TCP
		if pc, err = net.ListenUDP("udp", addr); err != nil {
			return nil, nil, fmt.Errorf("relay: cannot listen on %s: %w", s.cfg.Listen, err)
		}
		s.addr = netaddr.Unmap(pc.LocalAddr().(*net.UDPAddr).AddrPort())
		tcp := &net.TCPAddr{IP: addr.IP, Port: int(s.addr.Port()), Zone: addr.Zone}
		if l, err = net.ListenTCP("tcp", tcp); err == nil || addr.Port != 0 {
			break
		}
		pc.Close()
	}
	if err != nil {
		pc.Close()
		return nil, nil, fmt.Errorf("relay: cannot listen on %s: %w", s.cfg.Listen, err)
	}
	s.bind = s.addr.Addr()
	lns = append(lns, l)
	if s.cfg.ListenTLS != "" {
		t, err := net.Listen("tcp", s.cfg.ListenTLS)
		if err != nil {
			pc.Close()
			l.Close()
			return nil, nil, fmt.Errorf("relay: cannot listen on %s: %w", s.cfg.ListenTLS, err)
		}
		s.tls = netaddr.Unmap(t.Addr().(*net.TCPAddr).AddrPort())
		lns = append(lns, tls.NewListener(t, s.cfg.TLS))
	}
	// A smaller buffer only means that bursts are lost earlier.
	_ = pc.SetReadBuffer(4 << 20)
	_ = pc.SetWriteBuffer(4 << 20)
	return pc, lns, nil
}

func (s *Server) serve(pc *net.UDPConn, lns []net.Listener) error {
	cfg := turn.ServerConfig{
		Realm: s.cfg.Realm,
		// What clients do wrong is their affair, and addresses belong in no log.
		LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled, Writer: io.Discard},
		EventHandler:  s.events(),
	}
	var gen turn.RelayAddressGenerator = noRelay{}
	if !s.cfg.STUNOnly {
		gen = generator{s}
		cfg.AuthHandler = s.authenticate
	}
	cfg.PacketConnConfigs = []turn.PacketConnConfig{{
		PacketConn: &guardedUDP{UDPConn: pc, s: s}, RelayAddressGenerator: gen, PermissionHandler: s.permit,
	}}
	for _, l := range lns {
		cfg.ListenerConfigs = append(cfg.ListenerConfigs, turn.ListenerConfig{
			Listener: &guardedListener{Listener: l, s: s}, RelayAddressGenerator: gen, PermissionHandler: s.permit,
		})
	}
	var err error
	s.turn, err = turn.NewServer(cfg)
	return err
}

// findPublic finds the addresses that peers are to use.
func (s *Server) findPublic() error {
	ips := s.cfg.PublicIPs
	if len(ips) == 0 {
		if ips = []netip.Addr{s.bind}; s.bind.IsUnspecified() {
			var err error
			if ips, err = onlyPublic(outgoing()); err != nil {
				return err
			}
		}
	}
	for _, ip := range ips {
		ip = ip.Unmap()
		i := family(ip)
		if !ip.IsValid() || ip.IsUnspecified() || s.public[i].IsValid() {
			return fmt.Errorf("relay: public address %v: give one IPv4 address, one IPv6 address or both", ip)
		}
		if !s.bind.IsUnspecified() && family(s.bind) != i {
			return fmt.Errorf("relay: public address %v is of another kind than %v, where the relay listens", ip, s.cfg.Listen)
		}
		s.public[i] = ip
	}
	return nil
}

// outgoing returns the addresses from which this machine sends to the internet.
func outgoing() (ips []netip.Addr) {
	for _, to := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		// Connecting a UDP socket sends nothing, but chooses an address.
		if c, err := net.Dial("udp", to); err == nil {
			ips = append(ips, netaddr.Of(c.LocalAddr()).Addr())
			c.Close()
		}
	}
	return ips
}

// ErrPublicAddress reports that Config.PublicIPs is empty, and that the address by which clients reach this
// machine is not one of its own.
var ErrPublicAddress = errors.New("relay: this machine's public address is not known")

func onlyPublic(ips []netip.Addr) ([]netip.Addr, error) {
	var public []netip.Addr
	for _, ip := range ips {
		if !within(notPublic, ip) {
			public = append(public, ip)
		}
	}
	switch {
	case len(public) > 0:
		return public, nil
	case len(ips) > 0:
		return nil, fmt.Errorf("%w: its own, %v, is not public", ErrPublicAddress, ips[0])
	}
	return nil, ErrPublicAddress
}

// Addr is where UDP and TCP are served.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// TLSAddr is where TLS is served; it is invalid where it is not.
func (s *Server) TLSAddr() netip.AddrPort { return s.tls }

// Close ends all sessions. It may be called any number of times.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	conns := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	if !first {
		return nil
	}
	err := s.turn.Close()
	for _, c := range conns {
		c.Close()
	}
	return err
}

// Stats returns the counts of now.
func (s *Server) Stats() Stats {
	s.mu.RLock()
	sessions, conns := len(s.sessions), len(s.conns)
	s.mu.RUnlock()
	return Stats{
		Sessions: sessions, Conns: conns,
		Opened: s.opened.Load(), Refused: s.refused.Load(), Unauthorized: s.unauthorized.Load(),
		Denied: s.denied.Load(), Limited: s.limited.Load(), Dropped: s.dropped.Load(),
		BytesToPeers: s.bytesToPeers.Load(), BytesToClients: s.bytesToClients.Load(),
	}
}

// family is 0 for IPv4 and 1 for IPv6.
func family(a netip.Addr) int {
	if a.Unmap().Is4() {
		return 0
	}
	return 1
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
