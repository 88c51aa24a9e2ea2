package webseed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/webseed"
	"github.com/shoal-p2p/shoal/metainfo"
)

var errForged = errors.New("the server sent data that does not match its hash")

// seed is one web seed. Its loop alone owns its machine; each flight has a
// goroutine that reads the answers.
type seed struct {
	Seed
	g *Group

	mu      sync.Mutex
	givenUp bool
	err     error
	events  []webseed.Event // for the machine

	// Of the loop, made anew for each run.
	m       *webseed.Machine
	feed    *driver.Feed
	wake    chan struct{}
	end     context.CancelFunc
	flights map[uint32]context.CancelFunc
	flying  sync.WaitGroup
}

func (s *seed) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Seed: s.Seed, GivenUp: s.givenUp, Err: s.err}
}

func (s *seed) giveUp(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.givenUp {
		s.givenUp, s.err = true, err
	}
}

// join makes the seed a peer and starts its loop. It reports false if it cannot
// be one.
func (s *seed) join(ctx context.Context, info *metainfo.Info) bool {
	m, err := webseed.New(webseed.Config{Info: info, URL: s.URL, Pieces: s.Pieces})
	if err != nil {
		s.giveUp(err)
		return false
	}
	ctx, s.end = context.WithCancel(ctx)
	s.m, s.events, s.wake, s.flights = m, nil, make(chan struct{}, 1), map[uint32]context.CancelFunc{}
	if s.feed = s.g.t.AddSource(s.URL, s); s.feed == nil {
		s.end()
		return false
	}
	s.g.wg.Go(func() {
		s.run(ctx)
		s.end()
		s.flying.Wait()
		s.feed.Leave()
		s.g.ended <- struct{}{}
	})
	return true
}

// Request implements driver.Source.
func (s *seed) Request(index, begin, length uint32) {
	s.report(webseed.Asked{Block: webseed.Block{Index: index, Begin: begin, Length: length}})
}

// Cancel implements driver.Source.
func (s *seed) Cancel(index, begin, length uint32) {
	s.report(webseed.Cancelled{Block: webseed.Block{Index: index, Begin: begin, Length: length}})
}

// Close implements driver.Source.
func (s *seed) Close(bad bool) {
	if bad {
		s.giveUp(errForged)
	}
	s.end()
}

func (s *seed) report(ev webseed.Event) {
	s.mu.Lock()
	s.events = append(s.events, ev)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run is the loop.
func (s *seed) run(ctx context.Context) {
	has := s.m.Offers()
	s.feed.Has(&has)
	s.feed.Choke(false)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		events := s.events
		s.events = nil
		s.mu.Unlock()
		for _, ev := range events {
			if ev, ok := ev.(webseed.Ended); ok {
				delete(s.flights, ev.Flight)
			}
		}
		if !s.carryOut(ctx, s.m.Step(time.Now(), events...)) {
			return
		}
		s.note(s.m.Problem())
		if at := s.m.Deadline(); !at.IsZero() {
			timer.Reset(max(0, time.Until(at)))
		}
	}
}

func (s *seed) note(p *webseed.Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.givenUp:
	case p == nil:
		s.err = nil
	default:
		s.err = p
	}
}

// carryOut does what the machine decided. It reports false when the server was
// given up.
func (s *seed) carryOut(ctx context.Context, effects []webseed.Effect) bool {
	for _, e := range effects {
		switch e := e.(type) {
		case webseed.Fetch:
			ctx, cancel := context.WithCancel(ctx)
			s.flights[e.Flight] = cancel
			s.flying.Go(func() {
				defer cancel()
				f := flight{s: s, id: e.Flight, blocks: e.Blocks}
				part, problem := f.fetch(ctx, e.Parts)
				s.report(webseed.Ended{Flight: e.Flight, Part: part, Problem: problem})
			})
		case webseed.Abort:
			if cancel := s.flights[e.Flight]; cancel != nil {
				cancel()
				delete(s.flights, e.Flight)
			}
		case webseed.Refuse:
			for _, b := range e.Blocks {
				s.feed.Reject(b.Index, b.Begin, b.Length)
			}
		case webseed.Rest:
			s.feed.Choke(e.On)
		case webseed.Offer:
			s.feed.Has(&e.Pieces)
		case webseed.GiveUp:
			s.giveUp(e.Err)
			return false
		}
	}
	return true
}
