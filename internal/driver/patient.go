//go:build !js

package driver

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// ErrNoSource is the error of a Patient that nobody could bring what it waited for.
var ErrNoSource = errors.New("there is no peer that has what is missing")

// lookEvery is how often a Patient looks who is there.
const lookEvery = time.Second

// Patient reads from a Reader for somebody who would rather be told that nothing comes
// than wait for good, as a player. It waits as long as anybody is connected who has
// something that is missing, web seeds too. While there is nobody, peers may still be
// looked up, or one may come back: it waits so long as it was told, then it fails.
type Patient struct {
	*Reader
	ctx  context.Context
	end  context.CancelCauseFunc
	turn atomic.Uint64 // odd while a Read is under way
}

// Patient returns one that waits alone for so long. It must be closed, and the Reader
// with it is.
func (r *Reader) Patient(ctx context.Context, alone time.Duration) *Patient {
	p := &Patient{Reader: r}
	p.ctx, p.end = context.WithCancelCause(ctx)
	go p.watch(alone)
	return p
}

func (p *Patient) watch(alone time.Duration) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last uint64
	var since time.Duration
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
		turn := p.turn.Load()
		if turn%2 == 0 || turn != last || p.t.Stats().Useful > 0 {
			last, since = turn, 0
			continue
		}
		if since += lookEvery; since >= alone {
			p.end(ErrNoSource)
			return
		}
	}
}

// Read is Reader.Read, but returns ErrNoSource, once and for all, when nobody comes.
func (p *Patient) Read(b []byte) (int, error) {
	p.turn.Add(1)
	defer p.turn.Add(1)
	n, err := p.ReadContext(p.ctx, b)
	if err != nil && p.ctx.Err() != nil {
		err = context.Cause(p.ctx)
	}
	return n, err
}

// Close closes the Reader.
func (p *Patient) Close() error {
	p.end(nil)
	return p.Reader.Close()
}
