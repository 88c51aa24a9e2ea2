package wsconn

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/stats"
)

// A Batch is the handling of what came in at one time. It collects the connections that
// got something to send, so that each is written to once, and holds what the
// handling of a message needs for its duration.
type Batch struct {
	Now  time.Time
	N    *stats.Counters
	Work any // of Config.Work: what a Handler needs for the duration of a message

	dirty   []*Conn
	evicted []*Conn // that have to go, to make room for others
	inflate inflater
}

func (s *Server) makeBatch(n *stats.Counters) *Batch {
	b := &Batch{N: n}
	if s.cfg.Work != nil {
		b.Work = s.cfg.Work()
	}
	return b
}

// Begin returns a Batch for those who are no loop. End must follow.
func (s *Server) Begin() *Batch {
	b := s.batches.Get().(*Batch)
	b.Now = s.cfg.Now()
	return b
}

// End writes what the Batch has queued; nobody may use it any more.
func (s *Server) End(b *Batch) {
	b.flush()
	s.batches.Put(b)
}

// flush writes what the batch has queued.
func (b *Batch) flush() {
	for i, c := range b.evicted {
		b.evicted[i] = nil
		c.evict(b)
	}
	b.evicted = b.evicted[:0]
	for i, c := range b.dirty {
		b.dirty[i] = nil
		c.mu.Lock()
		c.dirty = false
		if c.state < cut && !c.blocked && len(c.out) > 0 {
			c.flush(b)
		}
		c.mu.Unlock()
	}
	b.dirty = b.dirty[:0]
}
