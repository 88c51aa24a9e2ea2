package driver

import (
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// link is what a torrent's loop needs of the connection of a peer. None of its
// methods waits.
type link interface {
	// send queues messages; for requests it remembers where the answers go.
	send(msgs []wire.Message)
	// upload queues a block to be read from the store and sent.
	upload(u torrent.Upload)
	// ban refuses whoever is at the other end from now on.
	ban()
	// close ends the connection, any number of times.
	close()
	// remote says what carries the connection, and where it leads.
	remote() (transport.Kind, string)
}

func (c *conn) ban() { c.t.s.ban(c.c, c.id) }

func (c *conn) remote() (transport.Kind, string) { return c.c.Kind(), c.c.RemoteAddr() }
