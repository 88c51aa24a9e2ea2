//go:build !js

package trackerclient

import (
	"context"
	"net/http"
)

const (
	tcpSupported = true
	// numWant is how many addresses we ask for.
	numWant = 50
	// maxTCPAnnounces bounds the announces that run at a time in a Client.
	maxTCPAnnounces = 32
)

// tcpAnnouncer announces to HTTP and UDP trackers.
type tcpAnnouncer struct {
	c     *Client
	http  *http.Client
	slots chan struct{}
}

func (t *tcpAnnouncer) init(c *Client) {
	t.c = c
	t.http = newHTTPClient()
	t.slots = make(chan struct{}, maxTCPAnnounces)
}

func (t *tcpAnnouncer) announce(ctx context.Context, url string, r *tcpRequest) (tcpReply, error) {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return tcpReply{}, ctx.Err()
	}
	if scheme(url) == "udp" {
		return t.announceUDP(ctx, url, r)
	}
	return t.announceHTTP(ctx, url, r)
}

// port is what we tell trackers.
func (r *tcpRequest) port() uint16 {
	if r.a.Port < 1 || r.a.Port > 65535 {
		return 1
	}
	return uint16(r.a.Port)
}
