//go:build !js

// Package reach decides how near to us an address that others gave may lead.
//
// Addresses of trackers and web seeds come out of torrents and links, which anybody makes;
// they must not make us send requests of their choice to services of our machine or network.
// What counts is where a connection goes: every address is checked after its name was looked
// up, when the connection is made, and so is each that a redirect leads to.
package reach

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// A Limit is what an address that the user has not named may lead to at most.
type Limit uint32

// The limits, each with what the ones before allow.
const (
	Public  Limit = iota // the internet
	Private              // private networks
	Own                  // this machine, and its link
)

// Errors of a Way.
var (
	ErrRedirects = errors.New("too many redirects")
	ErrScheme    = errors.New("redirected to something else than http or https")
	ErrInward    = errors.New("a public server redirected to a private address")
	ErrPrivate   = errors.New("an address in a private network that comes from a torrent is asked only if you name it yourself")
	ErrOwn       = errors.New("an address of this machine that comes from a torrent is asked only if you name it yourself")
	errNoWay     = errors.New("reach: a connection for nobody")
)

// maxRedirects is more than any tracker needs; networks of mirrors need one or two.
const maxRedirects = 5

// A Way is that of one request through its redirects. Its methods may be called by any
// goroutine.
type Way struct {
	named      bool
	judge      func(*url.URL) Limit
	limit      atomic.Uint32
	redirected atomic.Bool // to where we are now
	public     atomic.Bool // it began at a public address
}

// New returns the Way of a request to u. named says that the user gave the address: it may
// lead anywhere. Otherwise judge says how far u, and each address it redirects to, may lead.
func New(u *url.URL, named bool, judge func(*url.URL) Limit) *Way {
	w := &Way{named: named, judge: judge}
	w.limit.Store(uint32(judge(u)))
	return w
}

type wayKey struct{}

// With returns a context with which connections are made on the Way. It hears of connections
// that are used again, too.
func With(ctx context.Context, w *Way) context.Context {
	ctx = context.WithValue(ctx, wayKey{}, w)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if ap, err := netip.ParseAddrPort(c.Conn.RemoteAddr().String()); err == nil {
			w.began(ap.Addr())
		}
	}})
}

// From returns the Way of a context, nil if it has none.
func From(ctx context.Context) *Way {
	w, _ := ctx.Value(wayKey{}).(*Way)
	return w
}

// Named reports whether the user gave the address.
func (w *Way) Named() bool { return w.named }

// Redirected reports whether the request is on its way to where it was redirected.
func (w *Way) Redirected() bool { return w.redirected.Load() }

// Limit is how far the address of now may lead, if the user has not named it.
func (w *Way) Limit() Limit { return Limit(w.limit.Load()) }

// CheckRedirect is an http.Client's: it follows a few redirects between http and https. A
// WebSocket's ws and wss are these by then. ErrRedirects, ErrScheme.
func CheckRedirect(r *http.Request, via []*http.Request) error {
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return ErrScheme
	}
	if len(via) > maxRedirects {
		return ErrRedirects
	}
	if w := From(r.Context()); w != nil {
		w.redirected.Store(true)
		w.limit.Store(uint32(w.judge(r.URL)))
	}
	return nil
}

// Control is a net.Dialer's ControlContext, called with each address before a connection to
// it, over TCP or UDP. The errors of a Way.
func Control(ctx context.Context, _, address string, _ syscall.RawConn) error {
	w := From(ctx)
	ap, err := netip.ParseAddrPort(address)
	if w == nil || err != nil {
		return errNoWay
	}
	return w.Check(ap.Addr())
}

// Check reports why the request must not go to an address, nil if it may.
func (w *Way) Check(a netip.Addr) error {
	needs := nearness(a)
	switch {
	case needs > Public && w.redirected.Load() && w.public.Load():
		return ErrInward
	case w.named || needs <= w.Limit():
		w.began(a)
		return nil
	case needs == Own:
		return ErrOwn
	}
	return ErrPrivate
}

// began notes where the first request goes.
func (w *Way) began(a netip.Addr) {
	if nearness(a) == Public && !w.redirected.Load() {
		w.public.Store(true)
	}
}

// cloud are addresses by which a cloud's machine reaches what is behind it: Azure's wire
// server, the metadata of Alibaba and of AWS. Those of others are of the link.
var cloud = []netip.Addr{
	netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("fd00:ec2::254"),
}

// Shared address space (RFC 6598) is private to a provider or an overlay; what is in these
// prefixes goes to the IPv4 address at an offset in bytes (RFC 6052, 3056, 4291).
var (
	shared   = netip.MustParsePrefix("100.64.0.0/10")
	embedded = [...]struct {
		prefix netip.Prefix
		at     int
	}{
		{netip.MustParsePrefix("64:ff9b::/96"), 12},
		{netip.MustParsePrefix("2002::/16"), 2},
		{netip.MustParsePrefix("::/96"), 12},
	}
)

// nearness is how near an address is.
func nearness(a netip.Addr) Limit {
	a = netaddr.Plain(a)
	if a.IsLoopback() || a.IsUnspecified() {
		return Own
	}
	for _, e := range embedded {
		if e.prefix.Contains(a) {
			b := a.As16()
			a = netip.AddrFrom4([4]byte(b[e.at:]))
			break
		}
	}
	switch {
	case a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() || slices.Contains(cloud, a):
		return Own
	case a.IsPrivate() || shared.Contains(a):
		return Private
	}
	return Public
}
