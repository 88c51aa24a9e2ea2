// Package udp answers announces and scrapes by UDP, BEP 15 and 41.
//
// A packet costs no allocation and leaves nothing behind: whether a client can receive at its
// address is proven by connection ids that are computed, not kept.
package udp

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/udpio"
)

// Listen opens sockets for Serve on addr ("host:port"; an empty host means all
// addresses, of IPv4 and IPv6). On Linux it opens one for each core.
func Listen(addr string) ([]net.PacketConn, error) {
	list, err := udpio.Listen(addr, runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	conns := make([]net.PacketConn, len(list))
	for i, u := range list {
		conns[i] = u
	}
	return conns, nil
}

// Config says how a Server behaves. Everything must be set.
type Config struct {
	Core     *core.Core
	Counters *stats.Set
	Scrape   int // bounds the info hashes of one scrape
	// Queries is whether the query of a client's announce URL is wanted (BEP 41).
	Queries bool
	Now     func() time.Time
}

// A Server answers packets until Close. It may be used by many goroutines.
type Server struct {
	cfg Config
	ids *connIDs

	mu      sync.Mutex
	closed  bool
	packets map[net.PacketConn]struct{}
	workers []*worker // in the order in which they began

	done chan struct{}
	wg   sync.WaitGroup
}

// New returns a Server. It fails if the system has no randomness.
func New(cfg Config) (*Server, error) {
	ids, err := newConnIDs()
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, ids: ids, packets: make(map[net.PacketConn]struct{}), done: make(chan struct{})}, nil
}

// ErrClosed reports a call on a Server after Close.
var ErrClosed = errors.New("udp: closed")

// Serve answers what comes to conns, which it closes in the end. It blocks until Close, then it
// returns nil, or until one cannot be read any more.
func (s *Server) Serve(conns ...net.PacketConn) error {
	closeAll := func() {
		for _, pc := range conns {
			pc.Close()
		}
	}
	defer closeAll()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	for _, pc := range conns {
		s.packets[pc] = struct{}{}
	}
	s.wg.Add(1)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		for _, pc := range conns {
			delete(s.packets, pc)
		}
		s.mu.Unlock()
		s.wg.Done()
	}()

	ended := make(chan error, len(conns))
	for _, pc := range conns {
		w := s.newWorker()
		s.mu.Lock()
		s.workers = append(s.workers, w)
		s.mu.Unlock()
		go func() { ended <- w.serve(udpio.New(pc)) }()
	}
	var first error
	for i := range conns {
		if err := <-ended; i == 0 {
			first = err
			closeAll()
		}
	}
	return first
}

// Turns appends a number for each socket: odd while packets are answered, which takes milliseconds, and
// another one each time.
func (s *Server) Turns(dst []uint32) []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.workers {
		dst = append(dst, w.turns.Load())
	}
	return dst
}

// Close ends Serve and waits for that. It may be called any number of times.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	for pc := range s.packets {
		pc.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
