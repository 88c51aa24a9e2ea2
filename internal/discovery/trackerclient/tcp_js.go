//go:build js

package trackerclient

import "context"

const tcpSupported = false

// tcpAnnouncer does nothing: a page can reach neither UDP trackers nor, without
// their consent, HTTP trackers, and has no use for TCP addresses.
type tcpAnnouncer struct{}

func (tcpAnnouncer) init(*Client) {}

func (tcpAnnouncer) close() {}

func (tcpAnnouncer) announce(context.Context, string, *tcpRequest) (tcpReply, error) {
	return tcpReply{}, ErrUnsupported
}
