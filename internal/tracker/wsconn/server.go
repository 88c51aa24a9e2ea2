// Package wsconn holds the WebSocket connections of a tracker, RFC 6455: from a socket that has
// been upgraded to whole messages, and back.
//
// On Linux a loop for each processor reads from all connections by epoll: one that waits costs
// its Conn and the kernel's socket, no goroutine and no buffer. Elsewhere, and behind somebody
// else's TLS, a connection has a goroutine. Memory for frames that have begun and for replies
// that wait is lent by Buffers. What messages mean is a Handler's business.
package wsconn

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// MaxMessage is the largest message that a Server can be told to take, in bytes, in one frame or in
// parts. An announce with a hundred offers has a sixth of that.
const MaxMessage = 1 << 20

// A Handler is what one connection is for. Its methods are called by whoever owns the
// connection, one at a time, and must not block.
type Handler interface {
	// Message handles a whole message, which is gone when it returns. A Reason other than
	// None ends the connection. One that calls Conn.Pause must not have changed the message.
	Message(b *Batch, msg []byte) limit.Reason
	// Ended says, once, that the connection is no more.
	Ended(b *Batch)
	// Addr is the client's address. It may be called by any goroutine.
	Addr() netip.Addr
}

// Config says how a Server behaves. Everything must be set unless it says otherwise.
type Config struct {
	// MaxMessage bounds a message, inflated, in bytes: at most the constant MaxMessage.
	MaxMessage int
	// DeflateOut is whether messages of 1 KiB or more go deflated to those who can inflate.
	DeflateOut bool
	// PingInterval is how often a silent connection is pinged; it is closed after two and a
	// half intervals of silence.
	PingInterval time.Duration
	// Buffers lends the memory for what has begun and what waits.
	Buffers *Buffers
	// Counters is where all is counted.
	Counters *stats.Set
	// Work makes what Batch.Work is. nil means nothing.
	Work func() any
	// Now is the clock.
	Now func() time.Time
}

// A Server serves WebSocket connections until Close. It may be used by many goroutines.
type Server struct {
	cfg        Config
	buffers    *Buffers
	shared     *stats.Counters
	batches    sync.Pool
	loops      []*loop
	turn       atomic.Uint32 // whose turn it is to get a connection
	open       atomic.Int64
	drainUntil atomic.Int64 // Unix nanoseconds, 0 = no Drain yet

	mu      sync.Mutex
	closed  bool
	streams map[*Conn]struct{} // connections without a loop

	done chan struct{}
	wg   sync.WaitGroup
}

// New returns a Server, or an error if the system has no loops to give.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, buffers: cfg.Buffers, shared: cfg.Counters.Shared(), streams: make(map[*Conn]struct{}), done: make(chan struct{})}
	s.batches.New = func() any { return s.makeBatch(s.shared) }
	if err := s.startLoops(); err != nil {
		close(s.done)
		return nil, err
	}
	s.wg.Go(s.sweepStreams)
	return s, nil
}

// Open returns how many connections are open.
func (s *Server) Open() int { return int(s.open.Load()) }

// Serve serves a connection that is being upgraded. c is a new Conn, usually a part of what h
// is; buffered is what came behind the request; deflate says that deflated messages were agreed
// upon. accept, if it is not nil, tells the client; the connection counts as open before it is
// called, so that a client which knows of its connection is one that a drain finds. When accept
// fails the connection ends. Where no loop takes the connection, Serve blocks until it ends.
func (s *Server) Serve(c *Conn, h Handler, nc net.Conn, buffered []byte, deflate bool, accept func() error) {
	s.init(c, h, deflate)
	if accept != nil && accept() != nil {
		b := s.Begin()
		c.end(b)
		s.End(b)
		nc.Close()
		return
	}
	if !s.adopt(c, nc, buffered) {
		s.serveStream(c, nc, buffered)
	}
}

func (s *Server) init(c *Conn, h Handler, deflate bool) {
	c.srv, c.handler, c.home = s, h, -1
	if deflate {
		c.flags |= flagDeflate
		c.deflates = s.cfg.DeflateOut
	}
	c.heard.Store(s.cfg.Now().UnixNano())
	s.open.Add(1)
	s.shared.Accepted.Add(1)
}

// Drain ends the connections little by little until end.
func (s *Server) Drain(end time.Time) { s.drainUntil.CompareAndSwap(0, max(end.UnixNano(), 1)) }

// timeLeft returns how long a drain still has, and whether there is one.
func (s *Server) timeLeft(now time.Time) (time.Duration, bool) {
	until := s.drainUntil.Load()
	if until == 0 {
		return 0, false
	}
	// The last connections get their close frames before the end.
	return max(time.Unix(0, until).Sub(now)-500*time.Millisecond, 0), true
}

// sweepStreams looks now and then at the connections that have no loop.
func (s *Server) sweepStreams() {
	tick := time.NewTicker(max(s.cfg.PingInterval/5, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
		}
		all := s.allStreams()
		if len(all) == 0 {
			continue
		}
		b := s.Begin()
		_, draining := s.timeLeft(b.Now)
		for _, c := range all {
			if draining {
				c.Close(b, wsframe.CloseGone, limit.ShuttingDown)
			}
			c.sweep(b)
		}
		s.End(b)
	}
}

func (s *Server) allStreams() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.streams))
}

// Close ends all connections, waits for their end, and takes no more. It may be called any
// number of times.
func (s *Server) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		close(s.done)
		all := s.allStreams()
		b := s.Begin()
		for _, c := range all {
			c.Close(b, wsframe.CloseGone, limit.ShuttingDown)
		}
		s.End(b)
		for _, c := range all {
			time.AfterFunc(closeTimeout/4, c.kill)
		}
		s.pokeLoops()
	}
	s.wg.Wait()
}
