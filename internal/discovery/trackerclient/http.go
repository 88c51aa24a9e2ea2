//go:build !js

package trackerclient

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/schedule"
	"github.com/shoal-p2p/shoal/internal/reach"
)

// httpClients send requests. Where thousands of torrents are announced to one
// tracker, the next announce is seldom half an hour away, so that connections are
// kept for a moment. Only requests that could make those connections themselves get
// them: announces, not where a tracker sends us from there.
type httpClients struct {
	client *http.Client
	kept   *http.Transport
	single *http.Transport
}

func newHTTPClients() httpClients {
	dialer := &net.Dialer{Timeout: 15 * time.Second, ControlContext: reach.Control}
	h := httpClients{single: &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    15 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // done here, with a limit
		DisableKeepAlives:      true,
	}}
	h.kept = h.single.Clone()
	h.kept.DisableKeepAlives = false
	h.kept.MaxIdleConns, h.kept.MaxIdleConnsPerHost = 16, 4
	h.kept.IdleConnTimeout = 3 * time.Second
	h.client = &http.Client{CheckRedirect: reach.CheckRedirect, Transport: h}
	return h
}

// RoundTrip implements http.RoundTripper.
func (h httpClients) RoundTrip(r *http.Request) (*http.Response, error) {
	if w := reach.From(r.Context()); w != nil && w.Limit() == reach.Own && !w.Redirected() {
		return h.kept.RoundTrip(r)
	}
	return h.single.RoundTrip(r)
}

func (h httpClients) close() { h.kept.CloseIdleConnections() }

func (t *tcpAnnouncer) announceHTTP(ctx context.Context, announce string, r *tcpRequest) (tcpReply, error) {
	u, err := url.Parse(announce)
	if err != nil {
		return tcpReply{}, err
	}
	a := httpwire.Announce{
		InfoHash: r.a.Key, PeerID: r.a.PeerID, Port: r.port(),
		Uploaded: r.stats.Uploaded, Downloaded: r.stats.Downloaded, Left: r.stats.Left,
		Event: r.event.String(), NumWant: numWant, Key: string(t.c.keyText()), TrackerID: r.trackerID,
		SupportCrypto: t.c.cfg.SupportCrypto, RequireCrypto: t.c.cfg.RequireCrypto,
	}
	if r.event == schedule.Stopped {
		a.NumWant = 0
	}
	query := []byte(u.RawQuery)
	if len(query) > 0 {
		query = append(query, '&')
	}
	u.RawQuery = string(httpwire.AppendQuery(query, &a))
	u.Fragment = ""
	body, err := t.get(ctx, u, r.a.isNamed(announce))
	if err != nil {
		return tcpReply{}, err
	}
	reply, err := httpwire.ParseReply(body)
	if err != nil {
		return tcpReply{}, fmt.Errorf("tracker: the reply is malformed: %w", err)
	}
	if reply.Failure != "" {
		return tcpReply{}, refusal(reply.Failure, retryIn(reply.RetryIn))
	}
	out := tcpReply{
		interval: seconds(reply.Interval), least: seconds(reply.MinInterval),
		seeders: count(reply.Complete), leechers: count(reply.Incomplete),
		warning: printable(reply.Warning), trackerID: reply.TrackerID,
	}
	for _, p := range reply.Peers {
		out.peers = append(out.peers, p.Addr)
	}
	return out, nil
}

func retryIn(minutes int64) time.Duration {
	if minutes < 0 {
		return -1
	}
	return seconds(60 * min(minutes, 1e6))
}

func count(n int64) int { return int(min(n, 1<<30)) }

// get returns the body of a reply, decompressed and not longer than
// httpwire.MaxReply.
func (t *tcpAnnouncer) get(ctx context.Context, u *url.URL, named bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(reach.With(ctx, reach.New(u, named, mayReach)), t.c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", t.c.cfg.UserAgent)
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := t.http.client.Do(req)
	if err != nil {
		return nil, plain(err)
	}
	defer resp.Body.Close()
	if resp.ContentLength > httpwire.MaxReply {
		return nil, ErrTooLarge
	}
	body, err := readBody(resp)
	if err != nil {
		return nil, plain(err)
	}
	if resp.StatusCode != http.StatusOK {
		// Some trackers put a failure reason behind another status.
		if r, err := httpwire.ParseReply(body); err == nil && r.Failure != "" {
			return body, nil
		}
		return nil, fmt.Errorf("tracker: HTTP status %d", resp.StatusCode)
	}
	return body, nil
}

func readBody(resp *http.Response) ([]byte, error) {
	var r io.Reader = io.LimitReader(resp.Body, httpwire.MaxReply+1)
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		gz, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = io.LimitReader(gz, httpwire.MaxReply+1)
	}
	body, err := io.ReadAll(r)
	if len(body) > httpwire.MaxReply {
		return nil, ErrTooLarge
	}
	return body, err
}

// plain drops the URL from an error of net/http: it is long, and may hold a
// passkey.
func plain(err error) error {
	var u *url.Error
	switch {
	case errors.As(err, &u) && u.Timeout():
		return ErrNoReply
	case errors.As(err, &u):
		return u.Err
	}
	return err
}
