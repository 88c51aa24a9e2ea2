//go:build !js

package webrtc

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/mdns/v2"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Browsers give names instead of addresses, which the machines of the same
// network resolve by multicast. Mostly that is not needed: the tab reaches us,
// and its address is known from then on. It is where our firewall lets nobody in
// whom we have not called first.
const (
	mdnsTimeout  = 3 * time.Second
	mdnsPerOffer = 3 // names of one description that we ask the network for
)

// A resolver asks the local network for names. It opens its sockets when the
// first name comes.
type resolver struct {
	log logging.LoggerFactory

	mu     sync.Mutex
	conn   *mdns.Conn
	err    error
	closed bool
}

var errNoMDNS = errors.New("webrtc: names cannot be resolved here")

func (r *resolver) open() (*mdns.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrHostClosed
	}
	if r.conn != nil || r.err != nil {
		return r.conn, r.err
	}
	var p4 *ipv4.PacketConn
	var p6 *ipv6.PacketConn
	if c, err := net.ListenUDP("udp4", multicast(mdns.DefaultAddressIPv4)); err == nil {
		p4 = ipv4.NewPacketConn(c)
	}
	if c, err := net.ListenUDP("udp6", multicast(mdns.DefaultAddressIPv6)); err == nil {
		p6 = ipv6.NewPacketConn(c)
	}
	if p4 == nil && p6 == nil {
		r.err = errNoMDNS
		return nil, r.err
	}
	r.conn, r.err = mdns.Server(p4, p6, &mdns.Config{LoggerFactory: r.log})
	return r.conn, r.err
}

func multicast(addr string) *net.UDPAddr {
	return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr))
}

// lookup asks for one name.
func (r *resolver) lookup(ctx context.Context, name string) (netip.Addr, error) {
	conn, err := r.open()
	if err != nil {
		return netip.Addr{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, mdnsTimeout)
	defer cancel()
	_, addr, err := conn.QueryAddr(ctx, name)
	return addr, err
}

func (r *resolver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.conn != nil {
		_ = r.conn.Close()
	}
}

// addCandidates tells ICE where the other side may be. Of its relay ICE learns a little later
// if there are other ways: a browser takes the first path that works, often the relay's, and
// looks at the others seldom from then on.
func (p *peer) addCandidates(d *description) {
	names := 0
	var relayed []ice.Candidate
	for _, c := range d.candidates {
		switch {
		case c.Type() == ice.CandidateTypeRelay && !p.h.cfg.RelayOnly && (!p.h.cfg.Loopback || onThisMachine(c.Address())):
			relayed = append(relayed, c)
		case strings.HasSuffix(c.Address(), ".local"):
			if names++; names <= mdnsPerOffer && !p.h.cfg.Loopback && isToken(c.Address()) {
				go p.addNamed(c)
			}
		case p.h.cfg.Loopback && !onThisMachine(c.Address()):
			// Nothing leaves the machine; the other side can still reach us.
		default:
			_ = p.agent.AddRemoteCandidate(c)
		}
	}
	if len(relayed) == 0 {
		return
	}
	wait := directFirst
	if len(relayed) == len(d.candidates) {
		wait = 0
	}
	time.AfterFunc(wait, func() {
		for _, c := range relayed {
			if !isClosed(p.done) {
				_ = p.agent.AddRemoteCandidate(c)
			}
		}
	})
}

func (p *peer) addNamed(c ice.Candidate) {
	addr, err := p.h.resolver.lookup(p.ctx, c.Address())
	if err != nil {
		return
	}
	resolved, err := ice.NewCandidateHost(&ice.CandidateHostConfig{
		Network:    "udp",
		Address:    addr.String(),
		Port:       c.Port(),
		Component:  c.Component(),
		Priority:   c.Priority(),
		Foundation: c.Foundation(),
	})
	if err == nil {
		_ = p.agent.AddRemoteCandidate(resolved)
	}
}
