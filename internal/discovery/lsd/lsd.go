package lsd

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Config configures a [Service].
type Config struct {
	// Found is called for every announce of another client that names a torrent
	// we announce. It is called from the service's goroutines and must not
	// block, nor call Close.
	Found func(infoHash [20]byte, addr netip.AddrPort)
}

// maxPerSecond bounds the datagrams that are looked at.
const maxPerSecond = 100

// Service announces torrents on the local network. Its methods may be called
// from any goroutine.
type Service struct {
	found  func(infoHash [20]byte, addr netip.AddrPort)
	groups []group
	cookie string
	wake   chan struct{}
	done   chan struct{}
	wg     sync.WaitGroup

	mu     sync.Mutex
	plan   schedule
	wanted map[[20]byte]struct{}
	closed bool
}

// group is one multicast group. Sockets implement it; tests do without.
type group interface {
	// host is the group's address for the Host header.
	host() string
	// send sends to the group on every interface.
	send(b []byte) error
	// receive waits for a datagram. It returns net.ErrClosed after close.
	receive(b []byte) (n int, from netip.AddrPort, err error)
	close() error
}

// Listen joins the multicast groups of both address families. It fails only
// when neither can be joined.
func Listen(cfg Config) (*Service, error) {
	groups, err := join()
	if err != nil {
		return nil, err
	}
	return start(cfg, groups), nil
}

func start(cfg Config, groups []group) *Service {
	var cookie [8]byte
	rand.Read(cookie[:])
	s := &Service{
		found: cfg.Found, groups: groups, cookie: hex.EncodeToString(cookie[:]),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		wanted: make(map[[20]byte]struct{}),
	}
	for _, g := range groups {
		s.wg.Go(func() { s.listen(g) })
	}
	s.wg.Go(s.announce)
	return s
}

// Announce takes part in a torrent: it is announced within a minute and then
// every 5 minutes until Withdraw. port is where we listen for peers over TCP.
func (s *Service) Announce(infoHash [20]byte, port int) {
	if port <= 0 || port > 65535 {
		return
	}
	s.mu.Lock()
	s.wanted[infoHash] = struct{}{}
	s.plan.add(time.Now(), infoHash, uint16(port))
	s.mu.Unlock()
	s.poke()
}

// Withdraw ends Announce.
func (s *Service) Withdraw(infoHash [20]byte) {
	s.mu.Lock()
	delete(s.wanted, infoHash)
	s.plan.remove(infoHash)
	s.mu.Unlock()
	s.poke()
}

func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close leaves the groups. No call of Found is under way afterwards.
func (s *Service) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		close(s.done)
		for _, g := range s.groups {
			g.close()
		}
	}
	s.wg.Wait()
	return nil
}

// announce sends what the schedule says, when it says so.
func (s *Service) announce() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		s.mu.Lock()
		port, hashes := s.plan.take(now, s.batch())
		next := s.plan.next()
		s.mu.Unlock()
		if len(hashes) > 0 {
			s.send(port, hashes)
		}
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-s.done:
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// batch is how many info hashes fit into a datagram.
func (s *Service) batch() int {
	a := Announce{Host: "[ffff::ffff:ffff]:65535", Port: 65535, Cookie: s.cookie}
	return (maxPacket - len(a.Append(nil))) / len("Infohash: 0123456789012345678901234567890123456789\r\n")
}

func (s *Service) send(port uint16, hashes [][20]byte) {
	for _, g := range s.groups {
		a := Announce{Host: g.host(), Port: port, InfoHashes: hashes, Cookie: s.cookie}
		g.send(a.Append(nil)) // a network that cannot be reached now may be next time
	}
}

// listen reports the peers of our torrents.
func (s *Service) listen(g group) {
	buf := make([]byte, maxRead+1)
	var second time.Time
	count := 0
	for {
		n, from, err := g.receive(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			select {
			case <-s.done:
				return
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if now := time.Now(); now.Sub(second) > time.Second {
			second, count = now, 0
		}
		if count++; count > maxPerSecond {
			continue
		}
		s.heard(buf[:n], from)
	}
}

func (s *Service) heard(b []byte, from netip.AddrPort) {
	a, err := Parse(b)
	if err != nil || a.Cookie == s.cookie || s.found == nil {
		return
	}
	addr := netip.AddrPortFrom(from.Addr().Unmap(), a.Port)
	for _, h := range a.InfoHashes {
		s.mu.Lock()
		_, wanted := s.wanted[h]
		wanted = wanted && !s.closed
		s.mu.Unlock()
		if wanted {
			s.found(h, addr)
		}
	}
}
