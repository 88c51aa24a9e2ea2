// Package swarm decides who is in a swarm: whom to dial, whom to keep, whom to
// refuse.
//
// It is a state machine without I/O, as its contents are. What the peers are
// there for, pieces of a torrent for example, is a [Content] that stands on it:
// the machine gives it the peers that stay and the messages it does not consume
// itself, and asks it what it needs to know. [Machine.Step] takes the time and
// what has happened, and returns what is to be done; [Machine.Deadline] says when
// it wants to be called again if nothing happens before. The same events at the
// same times give the same effects on every platform.
package swarm

import (
	"errors"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

// PeerKey is the driver's handle for one connection. It is never reused.
type PeerKey uint32

// Config says what a machine works with. The zero value of every optional field
// is a stated default. It must not be changed after New.
type Config struct {
	PeerID [20]byte // ours; required
	Client string   // the "v" of the extension handshake; "" sends none

	MaxPeers      int  // connections, web seeds not counted; 0 means 80
	MaxHalfOpen   int  // dials under way; 0 means 16
	MaxPerAddress int  // connections to one address; 0 means 4
	ListenPort    int  // TCP port told to peers; 0 tells none
	DHTPort       int  // UDP port of our DHT node, told to peers that have one (BEP 5); 0 tells none
	Private       bool // BEP 27: no peer exchange, no DHT

	// Extensions are those that the application registers (BEP 10).
	Extensions []Extension
}

func (c *Config) fill() error {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.MaxPeers, 80)
	def(&c.MaxHalfOpen, 16)
	def(&c.MaxPerAddress, 4)
	if c.PeerID == ([20]byte{}) {
		return errors.New("swarm: Config.PeerID is zero")
	}
	return nil
}

// Appetite is whom a content wants to be dialled.
type Appetite uint8

// The appetites.
const (
	Nobody   Appetite = iota // no outgoing connections
	Leechers                 // we have everything: those that do not, without haste
	Anybody                  // we lack something
)

// Content is what the peers of a swarm are there for. The machine calls it
// within Step, and the content may call the machine back, from any of these
// methods. A connection ends when one of them returns an error for it.
type Content interface {
	// Extensions are those that the content speaks. It is called once, by New.
	Extensions() []Extension
	// Joined introduces a peer; its State is the content's.
	Joined(p *Peer)
	// Left says that a peer is gone. Nothing can be sent to it any more.
	Left(p *Peer)
	// Greeting adds what the content has to say to our extension handshake.
	Greeting(h *wire.ExtHandshake)
	// Greeted takes a peer's extension handshake. It may come again.
	Greeted(p *Peer, h *wire.ExtHandshake) error
	// Message takes what the machine does not consume: all of BEP 3, 6 and 52
	// that has to do with pieces.
	Message(p *Peer, it *Item) error
	// Late takes a message of a peer that is gone, perhaps since the message
	// before it.
	Late(from PeerKey, it *Item)
	// Event takes an event that the machine does not know.
	Event(ev Event)
	// Settle runs after the events of a Step: what is due, and what follows.
	Settle()
	// Deadline is when Settle wants to run even if nothing happens; the zero
	// time means never.
	Deadline() time.Time
	// Wants says whom to dial.
	Wants() Appetite
	// Worth says how much a peer is worth keeping: 0 if it is of no use now,
	// and bytes a second in either direction otherwise.
	Worth(p *Peer) float64
}
