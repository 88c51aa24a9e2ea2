package driver

import (
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// veil is nothing: the streams of a tab are encrypted by WebRTC.
type veil struct{}

func (veil) added(metainfo.Hash) {}

func (veil) removed(metainfo.Hash) {}

func (s *Session) hear(c transport.Conn) (transport.Conn, wire.Handshake, error) {
	h, err := readHandshake(s.ctx, c)
	return c, h, err
}

func made(transport.Conn) swarm.Hint { return swarm.Hint{} }
