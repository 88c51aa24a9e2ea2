// Package enginetest drives a machine of internal/engine in tests, on a clock that the
// test moves.
package enginetest

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// Machine is a machine that stands on a swarm, or the swarm itself.
type Machine interface {
	Step(now time.Time, events ...swarm.Event) []swarm.Effect
	Deadline() time.Time
}

// Rig sorts what a machine wants by whom it is for. It fails the test where a machine
// sends to who is closed, or closes twice.
type Rig struct {
	T   testing.TB
	Now time.Time
	m   Machine
	see func(swarm.Effect)

	Sent    map[swarm.PeerKey][]wire.Message // since the last look
	Closed  map[swarm.PeerKey]swarm.Close
	Effects []swarm.Effect // all, since the last look, without Send
	Last    swarm.PeerKey  // of the peer that joined last
}

// New returns a rig without a machine: Drive gives it one.
func New(t testing.TB) *Rig {
	return &Rig{
		T: t, Now: time.Unix(1_000_000, 0),
		Sent: map[swarm.PeerKey][]wire.Message{}, Closed: map[swarm.PeerKey]swarm.Close{},
	}
}

// Drive takes the machine. see, which may be nil, is shown each effect but Send.
func (r *Rig) Drive(m Machine, see func(swarm.Effect)) { r.m, r.see = m, see }

// Step gives events to the machine and sorts what it wants.
func (r *Rig) Step(events ...swarm.Event) {
	r.T.Helper()
	for _, e := range r.m.Step(r.Now, events...) {
		switch e := e.(type) {
		case *swarm.Send:
			if _, gone := r.Closed[e.Peer]; gone {
				r.T.Fatalf("sends to peer %d after closing it", e.Peer)
			}
			r.Sent[e.Peer] = append(r.Sent[e.Peer], e.Messages...)
			continue
		case swarm.Close:
			if was, twice := r.Closed[e.Peer]; twice {
				r.T.Fatalf("closes peer %d twice: %v, %v", e.Peer, was.Err, e.Err)
			}
			r.Closed[e.Peer] = e
		}
		if r.see != nil {
			r.see(e)
		}
		r.Effects = append(r.Effects, e)
	}
}

// Wait lets time pass, with the steps that the machine asks for.
func (r *Rig) Wait(d time.Duration) {
	r.T.Helper()
	end := r.Now.Add(d)
	for n := 0; ; n++ {
		at := r.m.Deadline()
		if at.IsZero() || at.After(end) {
			break
		}
		if n > 10_000 {
			r.T.Fatal("the machine keeps itself busy")
		}
		if at.After(r.Now) {
			r.Now = at
		}
		r.Step()
	}
	r.Now = end
	r.Step()
}

// Join connects the next peer, under an id of its own where ev has none.
func (r *Rig) Join(ev swarm.PeerJoined, id string) swarm.PeerKey {
	r.T.Helper()
	r.Last++
	ev.Peer = r.Last
	if id == "" {
		id = "-XX0001-" + string(binary.BigEndian.AppendUint32([]byte("00000000"), uint32(ev.Peer)))
	}
	copy(ev.ID[:], id)
	r.Step(ev)
	return ev.Peer
}

// Did returns the effects of one type since the last look, and forgets all.
func Did[E swarm.Effect](r *Rig) (list []E) {
	for _, e := range r.Effects {
		if e, ok := e.(E); ok {
			list = append(list, e)
		}
	}
	r.Effects = nil
	return list
}

// Extended is a message of an extension (BEP 10).
func Extended(id uint8, payload []byte) wire.Message {
	return wire.Message{ID: wire.Extended, ExtID: id, Payload: payload}
}

// IsBreach reports whether an error says that the peer broke the protocol.
func IsBreach(err error) bool {
	var e *wire.ProtocolError
	return errors.As(err, &e)
}
