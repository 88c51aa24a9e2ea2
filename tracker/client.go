package tracker

import (
	"errors"
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// A Door is a way to speak to the tracker.
type Door uint8

// The doors.
const (
	WebSocket Door = iota
	HTTP
	UDP
	numDoors
)

// String returns "ws", "http" or "udp".
func (d Door) String() string { return [...]string{"ws", "http", "udp"}[d] }

// A Client is what is known of somebody who connects or announces.
type Client struct {
	Door   Door
	Addr   netip.Addr // the client's, behind trusted proxies
	Origin string     // the web origin of a page, WebSocket only; "" if none was sent
	// Query is what the client's announce URL says after "?"; on UDP it comes by
	// BEP 41. In HTTP announces the announce's own parameters are among it.
	Query string
}

var (
	errRate        = errors.New("too many announces, slow down")
	errTooManyHere = errors.New("too many connections from this address")
	errFull        = errors.New("tracker takes no more connections")
)

// admit asks the operator whether an announce is taken.
func (t *Tracker) admit(c *Client, h swarm.Hash) error {
	if f := t.cfg.AllowAnnounce; f != nil {
		return f(c, h)
	}
	return nil
}

// place tells where a client is.
func (t *Tracker) place(ip netip.Addr) swarm.Place {
	if t.cfg.Locate == nil {
		return swarm.Place{}
	}
	return t.cfg.Locate(ip)
}
