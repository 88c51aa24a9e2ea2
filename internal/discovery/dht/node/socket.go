package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/dht"
)

const (
	resolveTimeout = 10 * time.Second
	maxRouters     = 32
)

// open opens the sockets that cfg asks for, IPv4 first. Where both are wanted,
// one is enough.
func open(cfg Config) (conns [2]*net.UDPConn, err error) {
	listen := cfg.Listen
	if listen == "" {
		listen = ":0"
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return conns, err
	}
	want := [2]bool{!cfg.NoIPv4, !cfg.NoIPv6}
	if a, err := netip.ParseAddr(host); err == nil {
		want[0] = want[0] && a.Unmap().Is4()
		want[1] = want[1] && !a.Unmap().Is4()
	} else if host == "" {
		want[1] = want[1] && hasPublicIPv6()
	}
	var errs []error
	for i, network := range [2]string{"udp4", "udp6"} {
		if !want[i] {
			continue
		}
		addr, err := net.ResolveUDPAddr(network, net.JoinHostPort(host, port))
		if err == nil {
			conns[i], err = net.ListenUDP(network, addr)
		}
		if err != nil {
			conns[i] = nil
			errs = append(errs, err)
			continue
		}
		if i == 0 && addr.Port == 0 { // try for the same number in both families
			_, port, _ = net.SplitHostPort(conns[0].LocalAddr().String())
		}
	}
	if conns[0] == nil && conns[1] == nil {
		if len(errs) == 0 {
			errs = append(errs, errors.New("dht node: both address families are switched off"))
		}
		return conns, errs[0]
	}
	return conns, nil
}

// hasPublicIPv6 reports whether it makes sense to take part in the IPv6 DHT.
// Teredo addresses are to be avoided (BEP 32, "Source address selection").
func hasPublicIPv6() bool {
	addrs, _ := net.InterfaceAddrs()
	teredo := netip.MustParsePrefix("2001::/32")
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		if a := p.Addr(); a.Is6() && a.IsGlobalUnicast() && !a.IsPrivate() && !teredo.Contains(a) {
			return true
		}
	}
	return false
}

func (n *Node) write(p dht.Packet) {
	if n.cfg.Send != nil {
		n.cfg.Send(p.Data, p.To)
		return
	}
	c := n.conns[1]
	if p.To.Addr().Is4() {
		c = n.conns[0]
	}
	if c != nil {
		c.WriteToUDPAddrPort(p.Data, p.To)
	}
}

// read passes datagrams to the loop until the socket is closed.
func (n *Node) read(c *net.UDPConn) {
	for {
		buf := buffers.Get().(*[]byte)
		size, from, err := c.ReadFromUDPAddrPort(*buf)
		if err != nil || size > dht.MaxPacket {
			buffers.Put(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // such as an ICMP message that Windows reports here
				select {
				case <-n.ctx.Done():
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
			continue
		}
		select {
		case n.packets <- packet{from: from, buf: buf, n: size}:
		case <-n.ctx.Done():
			return
		}
	}
}

// resolve looks the bootstrap nodes up and tells the machine.
func (n *Node) resolve() {
	ctx, cancel := context.WithTimeout(n.ctx, resolveTimeout)
	defer cancel()
	var addrs []netip.AddrPort
	for _, hostport := range n.cfg.Bootstrap {
		if ap, err := netip.ParseAddrPort(hostport); err == nil {
			addrs = append(addrs, ap)
			continue
		}
		host, port, err := net.SplitHostPort(hostport)
		if err != nil {
			continue
		}
		num, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
		if err != nil {
			continue
		}
		ips, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		for _, ip := range ips {
			addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), uint16(num)))
		}
	}
	addrs = addrs[:min(len(addrs), maxRouters)]
	n.post(func(now time.Time) {
		n.resolving = false
		n.step(now, dht.Bootstrap{Addrs: addrs})
	})
}
