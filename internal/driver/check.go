package driver

import (
	"context"
	"errors"
	"time"

	"github.com/shoal-p2p/shoal/storage"
)

// Errors of Recheck.
var (
	ErrChecking = errors.New("the torrent is being checked")
	ErrNoCheck  = errors.New("the content of this torrent cannot be checked")
)

// Recheck hashes everything that is stored, and forgets the pieces that are not
// genuine. Meanwhile there are no connections. It returns early with the context,
// leaving everything as it was, and when the torrent is closed. progress may be nil.
func (t *Torrent) Recheck(ctx context.Context, progress storage.Progress) error {
	free, err := t.hold()
	if err != nil {
		return err
	}
	defer t.work.Done()
	defer t.unhold()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	t.emit(Event{Kind: StateChanged})
	if free != nil {
		t.call(func() { t.obey(time.Now()) })
		select {
		case <-free:
		case <-ctx.Done():
			return t.why(ctx)
		}
	}
	if t.content.Check == nil {
		return ErrNoCheck
	}
	have, err := t.content.Check(ctx, progress)
	if ctx.Err() != nil {
		return t.why(ctx)
	}
	if have != nil {
		t.holds(have)
	}
	return err
}

// hold keeps the torrent from running. The channel, where there is one, is closed
// when its loop has ended.
func (t *Torrent) hold() (free <-chan struct{}, err error) {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	switch {
	case t.gate.phase == ended:
		return nil, ErrNotRunning
	case t.gate.phase == opening || t.gate.held:
		return nil, ErrChecking
	case t.store.Load() == nil:
		return nil, ErrNoCheck
	}
	t.gate.held = true
	t.work.Add(1)
	if t.gate.phase == parked {
		t.gate.phase = opening
		return nil, nil
	}
	t.gate.free = make(chan struct{})
	return t.gate.free, nil
}

// unhold ends hold, in whatever state.
func (t *Torrent) unhold() {
	t.gate.mu.Lock()
	t.gate.held, t.gate.free = false, nil
	t.gate.mu.Unlock()
	t.release()
	t.obeyed()
	t.emit(Event{Kind: StateChanged})
}

// why is what ended a context that ends with the torrent too.
func (t *Torrent) why(ctx context.Context) error {
	if t.ctx.Err() != nil {
		return ErrNotRunning
	}
	return ctx.Err()
}
