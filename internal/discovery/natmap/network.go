package natmap

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"
)

const (
	// The most interfaces, gateways and devices that one search looks at.
	maxLocals   = 8
	maxGateways = 4
	maxDevices  = 4
)

// ssdpGroup is where UPnP devices listen for searches.
var ssdpGroup = netip.MustParseAddrPort("239.255.255.250:1900")

// network is where routers are looked for.
type network struct {
	gateways func() []netip.Addr // of the default routes, or guesses
	locals   func() []netip.Addr // our own private IPv4 addresses
	ssdp     netip.AddrPort
	wait     time.Duration // for answers to a search
}

func localNetwork() network {
	return network{
		gateways: defaultGateways,
		locals: func() []netip.Addr {
			var out []netip.Addr
			for _, p := range privatePrefixes() {
				out = append(out, p.Addr())
			}
			return out
		},
		ssdp: ssdpGroup,
		wait: 3 * time.Second,
	}
}

// search passes on every router it finds, and returns when all are found or
// ctx ends. Without a private address there is nobody to ask.
func (n network) search(ctx context.Context, name string, found func(router)) {
	locals := n.locals()
	locals = locals[:min(len(locals), maxLocals)]
	if len(locals) == 0 {
		return
	}
	var wg sync.WaitGroup
	gateways := n.gateways()
	for _, g := range gateways[:min(len(gateways), maxGateways)] {
		wg.Go(func() {
			p := newPMP(g)
			if _, err := p.externalIP(ctx); err == nil {
				found(p)
			}
		})
	}
	wg.Go(func() {
		discover(ctx, locals, n.ssdp, n.wait, func(where *url.URL) {
			wg.Go(func() {
				if u, err := newUPnP(ctx, where, name); err == nil {
					found(u)
				}
			})
		})
	})
	wg.Wait()
}

// privatePrefixes lists the private IPv4 networks of this computer.
func privatePrefixes() []netip.Prefix {
	ifaces, _ := net.Interfaces()
	var out []netip.Prefix
	for i := range ifaces {
		if ifaces[i].Flags&net.FlagUp == 0 || ifaces[i].Flags&(net.FlagLoopback|net.FlagPointToPoint) != 0 {
			continue
		}
		addrs, _ := ifaces[i].Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && p.Addr().IsPrivate() {
				out = append(out, p)
			}
		}
	}
	return out
}

// interfaceOf returns the interface that has an address, or nil.
func interfaceOf(addr netip.Addr) *net.Interface {
	ifaces, _ := net.Interfaces()
	for i := range ifaces {
		addrs, _ := ifaces[i].Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == addr {
				return &ifaces[i]
			}
		}
	}
	return nil
}

// guessGateways names the first address of each of our private networks, which
// is where most home routers are.
func guessGateways(networks []netip.Prefix) []netip.Addr {
	var out []netip.Addr
	for _, p := range networks {
		if g := p.Masked().Addr().Next(); p.Bits() < 31 && g != p.Addr() {
			out = append(out, g)
		}
	}
	return out
}
