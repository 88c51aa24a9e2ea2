// Package torrent decides everything about one torrent: which block to ask from
// whom, whom to serve, which bytes are genuine.
//
// It is a state machine without I/O, and the content of a [swarm.Machine], which
// decides who its peers are. [Machine.Step] takes the time and what has happened,
// and returns what is to be done; [Machine.Deadline] says when it wants to be
// called again if nothing happens before. It reads no clock, opens no socket,
// starts no goroutine and draws its randomness from the source it was given, so
// the same events at the same times give the same effects on every platform.
// Payload bytes never pass through it: it names pieces and blocks, and the driver
// moves the bytes.
package torrent

import (
	"errors"
	"math/rand/v2"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/metainfo"
)

// BlockSize is the unit of requests. The last block of a piece may be shorter.
const BlockSize = metainfo.BlockSize

// PeerKey is the driver's handle for one connection.
type PeerKey = swarm.PeerKey

// Item is one message from a peer.
type Item = swarm.Item

// Config says what a machine works on. The zero value of every optional field
// is a stated default. It must not be changed after New.
type Config struct {
	Key    metainfo.Hash     // info hash on the wire; required
	HashV2 *metainfo.Hash256 // full v2 info hash where known, to check metadata against
	PeerID [20]byte          // ours; required
	Info   *metainfo.Info    // nil: fetched from peers (BEP 9), or Live
	Live   *Live             // content that grows and expires; nil: a torrent
	Layers *metainfo.Layers  // v2 piece layers known so far; nil: fetched (BEP 52)
	Have   *bits.Set         // verified pieces in the store; nil: none
	Gone   *bits.Set         // those that the store lost and nobody may bring; nil: none
	Rand   *rand.Rand        // required, seeded by the driver
	Client string            // the "v" of the extension handshake; "" sends none

	MaxPeers      int   // connections, web seeds not counted; 0 means 80
	MaxHalfOpen   int   // dials under way; 0 means 16
	MaxPerAddress int   // connections to one address; 0 means 4
	BufferBytes   int64 // memory for pieces being fetched; 0 means 64 MiB
	UploadWindow  int   // bytes given to the driver per peer and not yet sent; 0 means 1 MiB
	UploadSlots   int   // upload slots to start with; 0 means 8
	MaxSlots      int   // upload slots at most; 0 means 64
	QueueLimit    int   // requests outstanding per peer at most; 0 means 500
	ListenPort    int   // TCP port told to peers; 0 tells none
	DHTPort       int   // UDP port of our DHT node; 0 tells none
	Private       bool  // BEP 27: no peer exchange, no DHT. An info dictionary that says so sets it too

	// Extensions are those that the application registers (BEP 10).
	Extensions []swarm.Extension
}

func (c *Config) fill() error {
	if c.Rand == nil {
		return errors.New("torrent: Config.Rand is nil")
	}
	if err := c.checkLive(); err != nil {
		return err
	}
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.UploadWindow, 1<<20)
	def(&c.UploadSlots, 8)
	def(&c.MaxSlots, 64)
	def(&c.QueueLimit, 500)
	if c.BufferBytes == 0 {
		c.BufferBytes = 64 << 20
	}
	return nil
}

// swarm is the part of the configuration that says who the peers are.
func (c *Config) swarm() swarm.Config {
	return swarm.Config{
		PeerID: c.PeerID, Client: c.Client,
		MaxPeers: c.MaxPeers, MaxHalfOpen: c.MaxHalfOpen, MaxPerAddress: c.MaxPerAddress,
		ListenPort: c.ListenPort, DHTPort: c.DHTPort,
		Private:    c.Private || c.Info != nil && c.Info.Private,
		Extensions: c.Extensions,
	}
}
