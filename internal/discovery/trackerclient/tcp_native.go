//go:build !js

package trackerclient

import "context"

const (
	tcpSupported = true
	// numWant is how many addresses we ask for.
	numWant = 50
)

// tcpAnnouncer announces to HTTP and UDP trackers.
type tcpAnnouncer struct {
	c    *Client
	http httpClients
}

func (t *tcpAnnouncer) init(c *Client) {
	t.c = c
	t.http = newHTTPClients()
}

func (t *tcpAnnouncer) close() { t.http.close() }

func (t *tcpAnnouncer) announce(ctx context.Context, url string, r *tcpRequest) (tcpReply, error) {
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
