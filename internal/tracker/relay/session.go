package relay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pion/turn/v5"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// The bounds of one session. A WebRTC connection talks to the few addresses of one peer.
const (
	maxPeers    = 64
	maxChannels = 128
)

// A clientKey is the transport address of a client.
type clientKey struct {
	tcp  bool
	addr netip.AddrPort
}

func keyOf(a net.Addr) (clientKey, bool) {
	switch a := a.(type) {
	case *net.UDPAddr:
		return clientKey{false, netaddr.Unmap(a.AddrPort())}, true
	case *net.TCPAddr:
		return clientKey{true, netaddr.Unmap(a.AddrPort())}, true
	}
	return clientKey{}, false
}

// String returns "udp" or "tcp" and the address, as parseKey reads it.
func (k clientKey) String() string {
	if k.tcp {
		return "tcp " + k.addr.String()
	}
	return "udp " + k.addr.String()
}

func parseKey(s string) (clientKey, error) {
	network, addr, _ := strings.Cut(s, " ")
	addr, _, _ = strings.Cut(addr, " ")
	a, err := netip.ParseAddrPort(addr)
	return clientKey{network == "tcp", a}, err
}

// A portKey is a relayed address: all of one family have the same IP.
type portKey struct {
	family int
	port   uint16
}

// A bucket is a limit.Bucket with its lock.
type bucket struct {
	pace limit.Pace
	mu   sync.Mutex
	b    limit.Bucket
}

func (b *bucket) allow(now int64, n int) bool {
	if !b.pace.Bounded() {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Allow(b.pace, now, n)
}

// byteRate allows rate bytes a second, half a second's worth at once; all, if that is no
// bound.
func byteRate(rate int) limit.Rate {
	if rate <= 0 {
		return limit.Rate{}
	}
	return limit.Rate{PerSecond: float64(rate), Burst: max(rate/2, 64<<10)}
}

// A session is one TURN allocation. It is the net.PacketConn of its relayed address.
type session struct {
	*net.UDPConn
	s      *Server
	client clientKey
	public netip.AddrPort // the relayed address
	bytes  bucket
	once   sync.Once

	mu       sync.Mutex
	peers    map[netip.Addr]struct{} // with a permission
	channels int
}

// session returns the session of a client, or nil.
func (s *Server) session(client clientKey) *session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sessions[client]
}

// A generator makes the relayed addresses for pion.
type generator struct{ s *Server }

var (
	errNoTCP      = errors.New("relay: addresses for TCP are not relayed")
	errNoUser     = errors.New("relay: a pair of ports is not given")
	errNoFamily   = errors.New("relay: no address of this kind here")
	errTooMany    = errors.New("relay: too many sessions")
	errNoPortLeft = errors.New("relay: no port is free")
)

// AllocatePacketConn implements turn.RelayAddressGenerator.
func (g generator) AllocatePacketConn(cfg turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	if cfg.UserID == "" || cfg.RequestedPort != 0 {
		return nil, nil, errNoUser
	}
	client, err := parseKey(cfg.UserID)
	if err != nil {
		return nil, nil, err
	}
	ses, err := g.s.open(client, cfg.Network)
	if err != nil {
		return nil, nil, err
	}
	return ses, net.UDPAddrFromAddrPort(ses.public), nil
}

// AllocateListener implements turn.RelayAddressGenerator.
func (generator) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errNoTCP
}

// AllocateConn implements turn.RelayAddressGenerator.
func (generator) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) { return nil, errNoTCP }

// Validate implements turn.RelayAddressGenerator.
func (generator) Validate() error { return nil }

// open opens a session. network is "udp4" or "udp6".
func (s *Server) open(client clientKey, network string) (*session, error) {
	fam := 0
	if network == "udp6" {
		fam = 1
	}
	if !s.public[fam].IsValid() {
		return nil, errNoFamily
	}
	addr := netaddr.Key(client.addr.Addr())
	s.mu.Lock()
	if s.closed || s.sessions[client] != nil || len(s.sessions) >= s.cfg.MaxSessions || s.perAddr[addr] >= s.cfg.MaxSessionsPerAddr {
		s.mu.Unlock()
		s.refused.Add(1)
		s.tell(limit.RelaySessions, client)
		return nil, errTooMany
	}
	ses := &session{s: s, client: client, bytes: bucket{pace: s.sessionPace}, peers: make(map[netip.Addr]struct{})}
	s.sessions[client] = ses
	s.perAddr[addr]++
	s.mu.Unlock()

	if err := ses.bind(network, fam); err != nil {
		s.forget(ses)
		s.refused.Add(1)
		return nil, err
	}
	s.opened.Add(1)
	return ses, nil
}

// bind finds a free port.
func (ses *session) bind(network string, fam int) error {
	s := ses.s
	first, count := s.cfg.Ports[0], int(s.cfg.Ports[1]-s.cfg.Ports[0])+1
	var ip net.IP
	if !s.bind.IsUnspecified() {
		ip = s.bind.AsSlice()
	}
	err := errNoPortLeft
	for range 32 {
		port := first + uint16(rand.IntN(count))
		key := portKey{fam, port}
		s.mu.Lock()
		taken := s.ports[key] != nil
		if !taken {
			s.ports[key] = ses
		}
		s.mu.Unlock()
		if taken {
			continue
		}
		ses.public = netip.AddrPortFrom(s.public[fam], port)
		var c *net.UDPConn
		if c, err = net.ListenUDP(network, &net.UDPAddr{IP: ip, Port: int(port)}); err == nil {
			ses.UDPConn = c
			return nil
		}
		s.mu.Lock()
		delete(s.ports, key)
		s.mu.Unlock()
	}
	return fmt.Errorf("%w: %w", errNoPortLeft, err)
}

// forget ends the accounting of a session.
func (s *Server) forget(ses *session) {
	addr := netaddr.Key(ses.client.addr.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, ses.client)
	if s.perAddr[addr]--; s.perAddr[addr] == 0 {
		delete(s.perAddr, addr)
	}
	if key := (portKey{family(ses.public.Addr()), ses.public.Port()}); s.ports[key] == ses {
		delete(s.ports, key)
	}
}

// Close implements net.PacketConn: the session is over.
func (ses *session) Close() error {
	ses.once.Do(func() { ses.s.forget(ses) })
	return ses.UDPConn.Close()
}

// spend takes n bytes from the allowances.
func (ses *session) spend(n int) bool {
	s := ses.s
	now := s.cfg.Now().UnixNano()
	if ses.bytes.allow(now, n) && s.byAddr.Allow(now, netaddr.Key(ses.client.addr.Addr()), n) && s.total.allow(now, n) {
		return true
	}
	s.dropped.Add(1)
	s.tell(limit.RelayRate, ses.client)
	return false
}

// relayed reports whether a port belongs to a relayed address.
func (s *Server) relayed(fam int, port uint16) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ports[portKey{fam, port}] != nil
}

// WriteTo implements net.PacketConn: a packet from the client to a peer that it has a
// permission for. What is not sent counts as lost on the way.
func (ses *session) WriteTo(b []byte, addr net.Addr) (int, error) {
	s := ses.s
	u, ok := addr.(*net.UDPAddr)
	if !ok {
		return len(b), nil
	}
	to := netaddr.Unmap(u.AddrPort())
	if s.isOwn(to.Addr()) {
		switch fam := family(to.Addr()); {
		case to.Addr() == s.public[fam] && s.relayed(fam, to.Port()):
			// Not by way of the public address, which may be a router's that lets nothing
			// back in.
			to = netip.AddrPortFrom(s.inside(to.Addr()), to.Port())
		case !s.allowed(to.Addr()):
			s.denied.Add(1)
			s.tell(limit.RelayPeer, ses.client)
			return len(b), nil
		}
	}
	if !ses.spend(len(b)) {
		return len(b), nil
	}
	s.bytesToPeers.Add(uint64(len(b)))
	// A peer that cannot be reached is nothing new for its sender.
	_, _ = ses.UDPConn.WriteToUDPAddrPort(b, to)
	return len(b), nil
}

// inside is the address by which one relayed address reaches another of its family.
func (s *Server) inside(a netip.Addr) netip.Addr {
	switch {
	case !s.bind.IsUnspecified():
		return s.bind
	case a.Is4():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// ReadFrom implements net.PacketConn: a packet from a peer. pion passes it on if the client
// has a permission for its sender.
func (ses *session) ReadFrom(b []byte) (int, net.Addr, error) {
	s := ses.s
	for {
		n, from, err := ses.UDPConn.ReadFromUDPAddrPort(b)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return 0, nil, err
			}
			// Some systems report here that an earlier packet found nobody.
			time.Sleep(time.Millisecond)
			continue
		}
		from = netaddr.Unmap(from)
		if ip := from.Addr().WithZone(""); s.isOwn(ip) {
			fam := family(ip)
			if s.relayed(fam, from.Port()) {
				from = netip.AddrPortFrom(s.public[fam], from.Port())
			} else if !s.allowed(ip) {
				s.denied.Add(1)
				s.tell(limit.RelayPeer, clientKey{}) // it is a peer, not a client
				continue
			}
		}
		if n == len(b) { // cut off
			s.dropped.Add(1)
			continue
		}
		if !ses.hears(from.Addr()) || !ses.spend(n) {
			continue
		}
		s.bytesToClients.Add(uint64(n))
		return n, net.UDPAddrFromAddrPort(from), nil
	}
}

// hears reports whether the client has a permission for a peer, so that strangers do not
// use up its bandwidth.
func (ses *session) hears(a netip.Addr) bool {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	_, ok := ses.peers[a]
	return ok
}

func (ses *session) mayBind() bool {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	return ses.channels < maxChannels
}

// permit is the turn.PermissionHandler.
func (s *Server) permit(client net.Addr, peer net.IP) bool {
	key, _ := keyOf(client)
	ip, ok := netip.AddrFromSlice(peer)
	ip = ip.Unmap()
	ses := s.session(key)
	s.own.refresh(s.cfg.Now())
	if !ok || ses == nil || ip != s.public[family(ip)] && !s.allowed(ip) || !ses.mayHear(ip) {
		s.denied.Add(1)
		s.tell(limit.RelayPeer, key)
		return false
	}
	return true
}

func (ses *session) mayHear(ip netip.Addr) bool {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	_, had := ses.peers[ip]
	return had || len(ses.peers) < maxPeers
}

// events keeps count of what pion does.
func (s *Server) events() turn.EventHandler {
	with := func(client net.Addr, f func(*session)) {
		key, _ := keyOf(client)
		if ses := s.session(key); ses != nil {
			ses.mu.Lock()
			f(ses)
			ses.mu.Unlock()
		}
	}
	peer := func(client net.Addr, ip net.IP, f func(*session, netip.Addr)) {
		if a, ok := netip.AddrFromSlice(ip); ok {
			with(client, func(ses *session) { f(ses, a.Unmap()) })
		}
	}
	return turn.EventHandler{
		OnAuth: func(client, _ net.Addr, _, _, _, _ string, verdict bool) {
			if !verdict {
				s.unauthorized.Add(1)
				key, _ := keyOf(client)
				s.tell(limit.RelayAuth, key)
			}
		},
		OnPermissionCreated: func(client, _ net.Addr, _, _, _ string, _ net.Addr, ip net.IP) {
			peer(client, ip, func(ses *session, a netip.Addr) { ses.peers[a] = struct{}{} })
		},
		OnPermissionDeleted: func(client, _ net.Addr, _, _, _ string, _ net.Addr, ip net.IP) {
			peer(client, ip, func(ses *session, a netip.Addr) { delete(ses.peers, a) })
		},
		OnChannelCreated: func(client, _ net.Addr, _, _, _ string, _, _ net.Addr, _ uint16) {
			with(client, func(ses *session) { ses.channels++ })
		},
		OnChannelDeleted: func(client, _ net.Addr, _, _, _ string, _, _ net.Addr, _ uint16) {
			with(client, func(ses *session) { ses.channels-- })
		},
	}
}

// noRelay is the generator of a Server that only speaks STUN; pion asks it for nothing,
// since it authenticates nobody.
type noRelay struct{ generator }
