package webseed

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
)

// Block is a block of a piece, as requests name it (BEP 3).
type Block struct{ Index, Begin, Length uint32 }

// Event is something that happened outside the machine.
type Event interface{ event() }

// Asked says that the torrent's machine requests a block.
type Asked struct{ Block }

// Cancelled says that it withdraws a request. The answer is Refuse, unless the
// block is here already.
type Cancelled struct{ Block }

// Arrived says that the next Blocks blocks of a flight are here.
type Arrived struct {
	Flight uint32
	Blocks int
}

// Ended says that no more comes of a flight. Problem says why, if it is not
// complete.
type Ended struct {
	Flight  uint32
	Part    int // which part the problem is with
	Problem *Problem
}

// Effect is something the driver is to do, in order. Slices in effects stay as
// they are.
type Effect interface{ effect() }

// Fetch gets Parts, one behind the other. Together they are the bytes of Blocks.
// The answers are Arrived and then one Ended.
type Fetch struct {
	Flight uint32
	Blocks []Block
	Parts  []Part
}

// Abort ends a flight; what it would have brought is not wanted any more.
type Abort struct{ Flight uint32 }

// Refuse says that blocks will not come: a reject message each (BEP 6).
type Refuse struct{ Blocks []Block }

// Rest says that the server can be asked nothing for now, or can again: a choke
// or unchoke message (BEP 3).
type Rest struct{ On bool }

// Offer says which pieces the server has, where it turned out that it lacks
// some: a bitfield message.
type Offer struct{ Pieces bits.Set }

// GiveUp says that the server is of no use, and why. Nothing follows it.
type GiveUp struct{ Err error }

func (Asked) event()     {}
func (Cancelled) event() {}
func (Arrived) event()   {}
func (Ended) event()     {}

func (Fetch) effect()  {}
func (Abort) effect()  {}
func (Refuse) effect() {}
func (Rest) effect()   {}
func (Offer) effect()  {}
func (GiveUp) effect() {}

// Kind says what a problem asks for.
type Kind uint8

// The kinds of problems.
const (
	Failed Kind = iota // no answer, or one that may be another next time: try again later
	Busy               // the server wants to be left alone for a while
	Gone               // it does not have that file
	Cut                // the answer ended before its promised end
	Wrong              // the answer cannot be right: give the server up
)

// Problem says why a flight brought less than it should.
type Problem struct {
	Kind Kind
	Why  string        // in plain words
	Wait time.Duration // Busy: how long the server wants to be left alone, 0 if it did not say
}

// Error is the reason in plain words.
func (p *Problem) Error() string { return p.Why }
