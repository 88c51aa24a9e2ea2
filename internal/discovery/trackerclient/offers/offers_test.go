package offers

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newPool() *Pool {
	return New(Config{MaxAge: 50 * time.Second, ReuseAge: 30 * time.Second}, rand.New(rand.NewPCG(1, 2)))
}

func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

func TestOffersAreMadeOnceAndReused(t *testing.T) {
	p := newPool()
	if n := p.Want(at(0), 3); n != 3 {
		t.Fatalf("an empty pool wants %d", n)
	}
	if n := p.Want(at(0), 5); n != 2 {
		t.Errorf("with 3 in the making, %d more are wanted for 5", n)
	}
	if p.Ready(at(0), 3) {
		t.Error("ready before any is made")
	}
	ids := map[ID]bool{}
	for range 3 {
		ids[p.Made(at(0))] = true
	}
	if len(ids) != 3 || !p.Ready(at(0), 3) || p.Ready(at(0), 4) {
		t.Error("3 made: ready for 3, not for 4")
	}
	p.Lost()
	p.Lost()
	if !p.Ready(at(0), 5) {
		t.Error("nothing is in the making, waiting is useless")
	}
	if n := p.Want(at(20), 3); n != 0 {
		t.Errorf("fresh offers are not reused: %d wanted", n)
	}
	if n := p.Want(at(30), 3); n != 3 {
		t.Errorf("offers of 30 s would be sent again: %d wanted", n)
	}
}

func TestTakePrefersWhatWasSentLeast(t *testing.T) {
	p := newPool()
	p.Want(at(0), 4)
	a, b := p.Made(at(0)), p.Made(at(1))
	if got := p.Take(at(2), 5, nil); !slices.Equal(got, []ID{b, a}) {
		t.Errorf("%x", got)
	}
	c, d := p.Made(at(3)), p.Made(at(4))
	if got := p.Take(at(5), 3, nil); !slices.Equal(got, []ID{d, c, b}) {
		t.Errorf("%x", got)
	}
	// a has gone out once, the others less recently made: all once but b twice.
	if got := p.Take(at(6), 3, nil); !slices.Equal(got, []ID{d, c, a}) {
		t.Errorf("%x", got)
	}
	if got := p.Take(at(31), 9, nil); !slices.Equal(got, []ID{d, c}) && !slices.Equal(got, []ID{c, d}) {
		t.Errorf("stale offers go out: %x", got)
	}
	if got := p.Take(at(6), 0, nil); len(got) != 0 {
		t.Errorf("%x", got)
	}
}

func TestAnswers(t *testing.T) {
	p := newPool()
	p.Want(at(0), 2)
	a, b := p.Made(at(0)), p.Made(at(0))
	if !p.Answered(at(49), a) || p.Answered(at(49), a) {
		t.Error("the first answer counts, no other")
	}
	if p.Answered(at(50), b) {
		t.Error("an answer to a stale offer counts")
	}
	if p.Answered(at(1), ID{}) {
		t.Error("an answer to an unknown offer counts")
	}
	if p.Len() != 0 {
		t.Errorf("%d open", p.Len())
	}
}

func TestExpire(t *testing.T) {
	p := newPool()
	if _, ok := p.Deadline(); ok {
		t.Error("an empty pool waits")
	}
	p.Want(at(0), 2)
	a := p.Made(at(0))
	p.Made(at(10))
	if d, ok := p.Deadline(); !ok || d != at(50) {
		t.Errorf("deadline %v", d)
	}
	if got := p.Expire(at(49), nil); len(got) != 0 {
		t.Errorf("%x", got)
	}
	if got := p.Expire(at(50), nil); !slices.Equal(got, []ID{a}) || p.Len() != 1 {
		t.Errorf("%x", got)
	}
}

func TestRenewedOffersAreNotSentAgain(t *testing.T) {
	p := newPool()
	p.Want(at(0), 2)
	old := p.Made(at(0))
	p.Made(at(0))
	p.Renew()
	if n := p.Want(at(1), 2); n != 2 {
		t.Errorf("%d offers are to be made in place of two", n)
	}
	fresh := p.Made(at(1))
	p.Lost()
	if got := p.Take(at(2), 5, nil); !slices.Equal(got, []ID{fresh}) {
		t.Errorf("%x", got)
	}
	if !p.Answered(at(3), old) {
		t.Error("an answer to an old one is not taken")
	}
	if n := len(p.Expire(at(50), nil)); n != 1 {
		t.Errorf("%d expire", n)
	}
}

func TestOffersOfAnotherNetwork(t *testing.T) {
	p := newPool()
	if _, _, ok := p.Oldest(); ok {
		t.Error("an empty pool has an oldest")
	}
	p.Want(at(0), 2)
	old, fresh := p.Made(at(0)), p.Made(at(10))
	if id, made, ok := p.Oldest(); !ok || id != old || made != at(0) {
		t.Errorf("%x of %v", id, made)
	}
	p.Age(at(10))
	if got := p.Take(at(11), 5, nil); !slices.Equal(got, []ID{fresh}) {
		t.Errorf("%x", got)
	}
	if !p.Answered(at(12), old) {
		t.Error("an answer to an old one is not taken")
	}
}

func TestAnOfferPassesOn(t *testing.T) {
	p, other := newPool(), newPool()
	p.Want(at(0), 1)
	made := p.Remove(p.Made(at(0)))
	if made != at(0) || p.Len() != 0 || !p.Remove(ID{1}).IsZero() {
		t.Errorf("made at %v, %d open", made, p.Len())
	}
	other.Want(at(20), 1)
	fresh := other.Made(at(20))
	id := other.Adopt(made)
	if first, _, _ := other.Oldest(); first != id || other.Usable(at(21)) != 2 {
		t.Error("it is not the oldest")
	}
	if got := other.Expire(at(50), nil); !slices.Equal(got, []ID{id}) || other.Len() != 1 || !other.Answered(at(60), fresh) {
		t.Errorf("%x expire", got)
	}
}
