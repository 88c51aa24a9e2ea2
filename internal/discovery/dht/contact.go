package dht

import (
	"net/netip"
	"time"
)

// NodeInfo is a node as others name it: where it is and which ID it claims.
type NodeInfo struct {
	ID   ID
	Addr netip.AddrPort
}

const (
	// A node stays good for this long after its last reply, or after its last
	// query if it ever replied (BEP 5, "Routing Table"). A bucket untouched for
	// as long is refreshed.
	freshFor = 15 * time.Minute
	// Nodes become bad when they fail to respond to multiple queries in a row.
	badAfter = 2
	// A bad node with nobody to take its place is kept up to this many failures:
	// an outage on our side should not empty the table.
	goneAfter = 5
)

// contact is a node of the routing table. Every contact has replied to us at
// least once: what others merely claim never enters the table.
type contact struct {
	NodeInfo
	secure  bool      // the ID follows BEP 42
	seen    time.Time // its last reply
	queried time.Time // its last query to us
	pinged  time.Time // our last query to it
	fails   int       // our queries in a row without reply
}

func (c *contact) bad() bool { return c.fails >= badAfter }

func (c *contact) good(now time.Time) bool {
	return !c.bad() && (now.Sub(c.seen) < freshFor || now.Sub(c.queried) < freshFor)
}

// lastHeard is the last sign of life of any kind.
func (c *contact) lastHeard() time.Time {
	if c.queried.After(c.seen) {
		return c.queried
	}
	return c.seen
}
