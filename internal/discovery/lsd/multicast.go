package lsd

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	group4 = "239.192.152.143:6771"
	group6 = "[ff15::efc0:988f]:6771"
	// hops lets announces pass a router of the organisation, as BEP 14 suggests.
	hops = 32
)

// ErrNoNetwork is returned by Listen when no interface does multicast.
var ErrNoNetwork = errors.New("lsd: no network interface for multicast")

// join joins both groups, of which one is enough.
func join() ([]group, error) {
	var groups []group
	err := ErrNoNetwork
	for _, addr := range []string{group4, group6} {
		g, e := newSocket(netip.MustParseAddrPort(addr), usableInterfaces)
		if e != nil {
			if !errors.Is(e, ErrNoNetwork) {
				err = e
			}
			continue
		}
		groups = append(groups, g)
	}
	if len(groups) == 0 {
		return nil, err
	}
	return groups, nil
}

// socket is a group on real network interfaces.
type socket struct {
	addr   netip.AddrPort
	ifaces func(v4 bool) []net.Interface
	udp    *net.UDPConn
	p4     *ipv4.PacketConn
	p6     *ipv6.PacketConn

	mu     sync.Mutex
	joined []string       // names of interfaces
	near   []netip.Prefix // networks of our interfaces
}

func newSocket(addr netip.AddrPort, list func(v4 bool) []net.Interface) (*socket, error) {
	ifaces := list(addr.Addr().Is4())
	if len(ifaces) == 0 {
		return nil, ErrNoNetwork
	}
	network := "udp6"
	if addr.Addr().Is4() {
		network = "udp4"
	}
	// Unlike ListenUDP, this lets several clients of one computer share the port.
	udp, err := net.ListenMulticastUDP(network, &ifaces[0], net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	s := &socket{addr: addr, ifaces: list, udp: udp, joined: []string{ifaces[0].Name}}
	if addr.Addr().Is4() {
		s.p4 = ipv4.NewPacketConn(udp)
		s.p4.SetMulticastTTL(hops)
		s.p4.SetMulticastLoopback(true) // for other clients on this computer
	} else {
		s.p6 = ipv6.NewPacketConn(udp)
		s.p6.SetMulticastHopLimit(hops)
		s.p6.SetMulticastLoopback(true)
	}
	s.refresh()
	return s, nil
}

// usableInterfaces lists the interfaces that are up, do multicast and have an
// address of the family.
func usableInterfaces(v4 bool) []net.Interface {
	all, _ := net.Interfaces()
	return slices.DeleteFunc(all, func(i net.Interface) bool {
		const need = net.FlagUp | net.FlagMulticast
		if i.Flags&need != need || i.Flags&(net.FlagLoopback|net.FlagPointToPoint) != 0 {
			return true
		}
		return !slices.ContainsFunc(prefixes(&i), func(p netip.Prefix) bool { return p.Addr().Is4() == v4 })
	})
}

func prefixes(i *net.Interface) []netip.Prefix {
	addrs, _ := i.Addrs()
	var out []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
		}
	}
	return out
}

// refresh joins interfaces that have come up since, and returns all.
func (s *socket) refresh() []net.Interface {
	ifaces := s.ifaces(s.p4 != nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.near = s.near[:0]
	for i := range ifaces {
		s.near = append(s.near, prefixes(&ifaces[i])...)
		if slices.Contains(s.joined, ifaces[i].Name) {
			continue
		}
		udpAddr := &net.UDPAddr{IP: s.addr.Addr().AsSlice()}
		var err error
		if s.p4 != nil {
			err = s.p4.JoinGroup(&ifaces[i], udpAddr)
		} else {
			err = s.p6.JoinGroup(&ifaces[i], udpAddr)
		}
		if err == nil {
			s.joined = append(s.joined, ifaces[i].Name)
		}
	}
	return ifaces
}

func (s *socket) host() string { return s.addr.String() }

func (s *socket) send(b []byte) error {
	var errs []error
	for _, i := range s.refresh() {
		var err error
		if s.p4 != nil {
			err = s.p4.SetMulticastInterface(&i)
		} else {
			err = s.p6.SetMulticastInterface(&i)
		}
		if err == nil {
			_, err = s.udp.WriteToUDPAddrPort(b, s.addr)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// receive waits for a datagram from our own networks.
func (s *socket) receive(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(b)
		if err != nil || s.isNear(from.Addr().Unmap()) {
			return n, from, err
		}
	}
}

// isNear reports whether a can be on our network. Some systems also hand us
// what strangers send to the port directly.
func (s *socket) isNear(a netip.Addr) bool {
	if a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLoopback() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.near, func(p netip.Prefix) bool { return p.Contains(a) })
}

func (s *socket) close() error { return s.udp.Close() }
