package front

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/forwarded"
	"github.com/shoal-p2p/shoal/internal/tracker/httphead"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/proxyproto"
)

// A ProxyHeader is a header by which proxies name their client.
type ProxyHeader uint8

// The headers. AnyHeader is the first that a request has, in this order.
const (
	AnyHeader ProxyHeader = iota
	XForwardedFor
	XRealIP
	Forwarded // RFC 7239
)

// ClientAddr is the address that a request comes from, behind trusted proxies too. It is the zero Addr
// if nobody knows.
func (f *Front) ClientAddr(r *http.Request) netip.Addr {
	var conn netip.Addr // of a Unix socket there is none
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		conn = netaddr.Plain(ap.Addr())
	}
	get := func(name string) []byte { return []byte(strings.Join(r.Header.Values(name), ",")) }
	return f.behindProxies(conn, &httphead.Head{
		ForwardedFor: get("X-Forwarded-For"), RealIP: get("X-Real-IP"), Forwarded: get("Forwarded"),
	})
}

// behindProxies is the address of a connection or, as long as that is a trusted proxy, the
// one before it in a header.
func (f *Front) behindProxies(conn netip.Addr, h *httphead.Head) netip.Addr {
	if !f.trusted(conn) {
		return conn
	}
	for which, value := range [...][]byte{XForwardedFor: h.ForwardedFor, XRealIP: h.RealIP, Forwarded: h.Forwarded} {
		which := ProxyHeader(which)
		if len(value) == 0 || f.cfg.ProxyHeader != AnyHeader && which != f.cfg.ProxyHeader {
			continue
		}
		kind := forwarded.List
		if which == Forwarded {
			kind = forwarded.Forwarded
		}
		return forwarded.Client(conn, kind, string(value), f.trusted)
	}
	return conn
}

// blame is whose address is counted and logged for a connection that has not said whose it is. A proxy
// is not to blame.
func (f *Front) blame(conn netip.Addr) netip.Addr {
	if f.trusted(conn) {
		return netip.Addr{}
	}
	return conn
}

// trusted reports whether what a connection says of its client is believed. A Unix socket has no
// address: whoever may open it is trusted.
func (f *Front) trusted(ip netip.Addr) bool {
	return !ip.IsValid() || slices.ContainsFunc(f.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// proxied reads the PROXY header of a connection from a trusted proxy, and counts the
// client in. It reports false when the connection is not taken.
func (c *httpConn) proxied() bool {
	f := c.f
	h, err := proxyproto.Read(c.tcp)
	if err != nil {
		if err == proxyproto.ErrMalformed {
			f.shared.Malformed.Add(1)
		}
		return false
	}
	if !h.Source.IsValid() {
		return true // the proxy speaks for itself
	}
	c.ip = netaddr.Plain(h.Source.Addr())
	c.remote = net.TCPAddrFromAddrPort(h.Source)
	if f.trusted(c.ip) {
		return true
	}
	if why := f.cfg.Clients.Name(f.cfg.Now(), &c.slot, c.ip); why != limit.None {
		f.shared.Limit(why, c.ip)
		return false
	}
	return true
}
