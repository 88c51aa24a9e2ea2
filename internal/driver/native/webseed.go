//go:build !js

package native

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/driver/webseed"
	engine "github.com/shoal-p2p/shoal/internal/engine/webseed"
	"github.com/shoal-p2p/shoal/internal/reach"
)

const (
	webSeedHead   = 64 << 10 // bytes of an answer's head
	webSeedBuffer = 64 << 10 // read from the socket at once
)

var (
	errSilent  = errors.New("the server closed the connection without an answer")
	errOutward = errors.New("this client keeps everything on this machine")
)

// webSeeds asks HTTP servers for content. Where a connection may lead is checked
// when it is made, so those of addresses that may lead elsewhere than others are
// not shared with these.
type webSeeds struct {
	local bool            // this machine alone
	named *http.Transport // for addresses that the user gave
	found *http.Transport // for those of torrents
	fresh *http.Transport // for redirects, and where the check depends on more than the host
}

func newWebSeeds(local bool) *webSeeds {
	w := &webSeeds{local: local}
	dialer := &net.Dialer{Timeout: 15 * time.Second, ControlContext: w.checkDial}
	for _, t := range []**http.Transport{&w.named, &w.found, &w.fresh} {
		*t = &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    15 * time.Second,
			MaxResponseHeaderBytes: webSeedHead,
			ReadBufferSize:         webSeedBuffer,
			DisableCompression:     true, // ranges are of what is stored
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      t == &w.fresh,
		}
	}
	return w
}

func (w *webSeeds) close() {
	w.named.CloseIdleConnections()
	w.found.CloseIdleConnections()
}

// RoundTrip implements http.RoundTripper.
func (w *webSeeds) RoundTrip(r *http.Request) (*http.Response, error) {
	way := reach.From(r.Context())
	switch {
	case way == nil || way.Redirected():
		return w.fresh.RoundTrip(r)
	case way.Named():
		return w.named.RoundTrip(r)
	case way.Limit() == reach.Public:
		return w.fresh.RoundTrip(r)
	}
	return w.found.RoundTrip(r)
}

// mayReach says how far an address from a torrent may lead: into a private network, unless
// its query could have a service there do something.
func mayReach(u *url.URL) reach.Limit {
	if u.RawQuery != "" {
		return reach.Public
	}
	return reach.Private
}

// checkDial is called with each address before a connection to it.
func (w *webSeeds) checkDial(ctx context.Context, network, address string, c syscall.RawConn) error {
	if ap, err := netip.ParseAddrPort(address); w.local && (err != nil || !ap.Addr().Unmap().IsLoopback()) {
		return errOutward
	}
	return reach.Control(ctx, network, address, c)
}

// fetch is a webseed.Fetch.
func (w *webSeeds) fetch(ctx context.Context, r webseed.Request) (a webseed.Answer, err error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return a, errors.New("the address is not well-formed")
	}
	ctx = reach.With(ctx, reach.New(u, r.Trusted || w.local, mayReach))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return a, errors.New("the address is not well-formed")
	}
	req.Header.Set("User-Agent", "Shoal/"+driver.Version)
	req.Header.Set("Accept-Encoding", "identity")
	if r.Ranged {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(r.First, 10)+"-"+strconv.FormatInt(r.First+r.Count-1, 10))
	}
	client := http.Client{Transport: w, CheckRedirect: reach.CheckRedirect}
	resp, err := client.Do(req)
	if err != nil {
		return a, plain(err)
	}
	h := resp.Header
	a.Status, a.Length, a.Body = resp.StatusCode, resp.ContentLength, resp.Body
	a.Range, a.Encoding = h.Get("Content-Range"), h.Get("Content-Encoding")
	a.Wait = retryAfter(h, time.Now())
	return a, nil
}

// retryAfter reads when to ask again: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	s := h.Get("Retry-After")
	if d, ok := engine.ParseSeconds(s); ok {
		return d
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date // the server's clock, not ours, made the other date
	}
	return at.Sub(now)
}

// plain drops the URL from an error of net/http: it is long, and may hold a
// password.
func plain(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	var op *net.OpError
	if errors.As(u.Err, &op) && op.Op == "dial" && op.Err != nil {
		return op.Err
	}
	if errors.Is(u.Err, io.EOF) {
		return errSilent
	}
	return u.Err
}
