//go:build !js

package trackerclient

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A udpRig runs an exchange against requests as a tracker sees them.
type udpRig struct {
	t   *testing.T
	x   *exchange
	now time.Time
}

func newUDPRig(t *testing.T) *udpRig {
	req := &udpwire.AnnounceRequest{Port: 6881, Event: udpwire.EventStarted, URLData: []byte("/announce?pass=1")}
	return &udpRig{t, newExchange(req, rand.New(rand.NewPCG(1, 2))), t0}
}

// sends expects a request of that action.
func (r *udpRig) sends(packet []byte, want udpwire.Action) udpwire.Request {
	r.t.Helper()
	b, err := r.x.step(r.now, packet)
	if err != nil {
		r.t.Fatal(err)
	}
	var req udpwire.Request
	if err := req.Parse(b); err != nil || req.Action != want {
		r.t.Fatalf("sent %x, want action %d", b, want)
	}
	return req
}

func (r *udpRig) silent(packet []byte) {
	r.t.Helper()
	if b, err := r.x.step(r.now, packet); err != nil || len(b) > 0 || r.x.done {
		r.t.Fatalf("%x made it send %x, error %v, done %v", packet, b, err, r.x.done)
	}
}

func TestUDPExchange(t *testing.T) {
	r := newUDPRig(t)
	c := r.sends(nil, udpwire.Connect)
	a := r.sends(udpwire.AppendConnectReply(nil, c.Txn, 99), udpwire.Announce)
	if a.ConnID != 99 || a.Txn == c.Txn || a.Announce.Port != 6881 || string(a.Announce.URLData) != "/announce?pass=1" {
		t.Errorf("%+v", a)
	}
	if b, err := r.x.step(r.now, udpwire.AppendAnnounceReply(nil, udpwire.Announce, a.Txn, 1800, 1, 2)); err != nil || len(b) > 0 || !r.x.done || r.x.reply.Seeders != 2 {
		t.Errorf("%v %x %+v", err, b, r.x)
	}
}

func TestUDPIgnoresForeignPackets(t *testing.T) {
	r := newUDPRig(t)
	c := r.sends(nil, udpwire.Connect)
	r.silent(udpwire.AppendConnectReply(nil, c.Txn+1, 66))
	r.silent(udpwire.AppendAnnounceReply(nil, udpwire.Announce, c.Txn, 1, 1, 1)) // not asked for yet
	r.silent([]byte("noise"))
	r.silent([]byte{})
	r.silent(udpwire.AppendError(nil, c.Txn+1, "evil"))
	a := r.sends(udpwire.AppendConnectReply(nil, c.Txn, 99), udpwire.Announce)
	r.silent(udpwire.AppendConnectReply(nil, a.Txn, 66))
	r.silent(udpwire.AppendAnnounceReply(nil, udpwire.Announce, c.Txn, 1, 1, 1))
}

func TestUDPRetransmits(t *testing.T) {
	r := newUDPRig(t)
	r.sends(nil, udpwire.Connect)
	for _, wait := range []time.Duration{15 * time.Second, 30 * time.Second} {
		if got := r.x.deadline.Sub(r.now); got != wait {
			t.Errorf("next try after %v, want %v", got, wait)
		}
		r.silent(nil)
		r.now = r.x.deadline
		r.sends(nil, udpwire.Connect)
	}
	r.now = r.x.deadline
	if _, err := r.x.step(r.now, nil); !errors.Is(err, ErrNoReply) {
		t.Errorf("after the last try: %v", err)
	}
}

func TestUDPConnectionIDGetsOld(t *testing.T) {
	r := newUDPRig(t)
	c := r.sends(nil, udpwire.Connect)
	r.sends(udpwire.AppendConnectReply(nil, c.Txn, 99), udpwire.Announce)
	r.now = r.now.Add(15 * time.Second)
	r.sends(nil, udpwire.Announce)
	r.now = r.now.Add(45 * time.Second)
	r.sends(nil, udpwire.Connect) // a minute old: a new one is needed
}

func TestUDPRefusal(t *testing.T) {
	r := newUDPRig(t)
	c := r.sends(nil, udpwire.Connect)
	_, err := r.x.step(r.now, udpwire.AppendError(nil, c.Txn, "go away\x1b[31m\n"+strings.Repeat("x", 5000)))
	var refusal *Refusal
	if !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Reason, "go away?[31m?x") || len(refusal.Reason) > 500 {
		t.Errorf("%v", err)
	}
}

func FuzzUDPExchange(f *testing.F) {
	f.Add(uint64(1), udpwire.AppendConnectReply(nil, 0, 1), udpwire.AppendAnnounceReply(nil, udpwire.Announce, 0, 1, 2, 3))
	f.Fuzz(func(t *testing.T, seed uint64, first, second []byte) {
		x := newExchange(&udpwire.AnnounceRequest{}, rand.New(rand.NewPCG(seed, 0)))
		now := t0
		for _, packet := range [][]byte{nil, first, second, first, second} {
			if len(packet) >= 8 { // most packets should get past the check of the transaction
				for i := range 4 {
					packet[4+i] = byte(x.txn >> (24 - 8*i))
				}
			}
			if _, err := x.step(now, packet); err != nil || x.done {
				return
			}
			now = now.Add(7 * time.Second)
		}
	})
}
