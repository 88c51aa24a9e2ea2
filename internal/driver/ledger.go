package driver

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
)

const (
	// leastPieces is how many pieces a torrent may have in memory whatever the
	// others do: one that is coming, and one that is being hashed.
	leastPieces = 2
	// firstPieces is what one is granted that asks for the first time, if it is there.
	firstPieces = 8
)

// ledger shares out the memory for pieces that are being fetched among the torrents
// of a session. Each holds a grant, which grows by what it asks for as long as
// something is free, and shrinks when it is not used. When somebody waits who has
// less than an equal share, those who have more open no further pieces until they
// are down to it.
type ledger struct {
	total   int64
	waiting atomic.Int32 // torrents that have less than an equal share, and want more

	mu      sync.Mutex
	held    int64 // grants of all torrents
	holders int64 // torrents that have a grant
}

// grant is what one torrent holds. Its loop owns it.
type grant struct {
	bytes  int64 // that may be in use
	held   int64 // that the ledger counts: no less than what is in use
	waits  bool
	holder bool
}

// settled reports whether the ledger need not be asked.
func (l *ledger) settled(g *grant, used, piece int64, cramped bool) bool {
	switch {
	case cramped:
		return false
	case used == 0:
		return !g.holder && g.bytes > 0
	}
	return g.holder && l.waiting.Load() == 0 && used <= g.bytes && g.held == g.bytes && !roomy(g, used, piece)
}

// roomy reports whether a grant is much larger than what is used of it.
func roomy(g *grant, used, piece int64) bool { return g.bytes > firstPieces*piece && used < g.bytes/4 }

// settle adjusts a grant to what is used of it, in pieces of one size. It is cramped
// if more would be used.
func (l *ledger) settle(g *grant, used, piece int64, cramped bool) {
	if l.settled(g, used, piece, cramped) {
		return
	}
	cramped = cramped || g.waits && used+piece > g.bytes
	l.mu.Lock()
	defer l.mu.Unlock()
	if holder := used > 0 || cramped; holder != g.holder {
		g.holder = holder
		if holder {
			l.holders++
		} else {
			l.holders--
		}
	}
	least := leastPieces * piece
	fair := max(l.total/max(l.holders, 1), least)
	want := g.bytes
	switch {
	case !g.holder:
		want = 0
	case cramped:
		want = max(2*g.bytes, firstPieces*piece)
	case roomy(g, used, piece):
		want = g.bytes / 2
	}
	wanted := want
	if others := l.waiting.Load(); others > 1 || others == 1 && !g.waits {
		want = min(want, fair)
	}
	free := l.total - l.held + g.held
	g.bytes = max(min(want, free), least)
	l.wait(g, cramped && g.bytes < min(wanted, fair))
	if g.holder {
		l.hold(g, max(g.bytes, used))
	} else {
		l.hold(g, 0)
	}
}

func (l *ledger) hold(g *grant, n int64) {
	l.held += n - g.held
	g.held = n
}

func (l *ledger) wait(g *grant, on bool) {
	switch {
	case on && !g.waits:
		l.waiting.Add(1)
	case !on && g.waits:
		l.waiting.Add(-1)
	}
	g.waits = on
}

// release ends a grant.
func (l *ledger) release(g *grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.holder {
		l.holders--
	}
	l.wait(g, false)
	l.hold(g, 0)
	*g = grant{}
}

// balance has the machine know how much memory it may take now. The loop calls it
// after each step.
func (t *Torrent) balance(now time.Time) {
	info := t.info.Load()
	if info == nil {
		return
	}
	used, cramped := t.m.Buffers()
	was := t.grant.bytes
	t.s.ledger.settle(&t.grant, used, info.PieceLength, cramped)
	if t.grant.bytes != was {
		t.carryOut(t.m.Step(now, torrent.Budget{Bytes: t.grant.bytes}))
	}
}
