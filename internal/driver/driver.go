// Package driver runs engine machines on real streams, stores and clocks.
//
// One goroutine per torrent owns its machine; two per connection move bytes. The
// same code runs natively and in a browser's worker: what differs, dialling,
// listening and discovery, is given to it.
package driver

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/engine/verify"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Version is what peers and users are told.
const Version = "0.1.0"

const (
	handshakeTimeout = 20 * time.Second
	dialTimeout      = 10 * time.Second
)

// Config says how a session behaves. The zero value works without dialling.
type Config struct {
	PeerID [20]byte // zero: random with our prefix
	// Dial opens a stream to an address; nil: addresses are not dialled.
	Dial func(ctx context.Context, addr netip.AddrPort) (transport.Conn, error)
	// Hasher replaces Go's hashes where the platform has faster ones; nil: Go's.
	Hasher verify.Hasher
	// Workers is the number of pieces hashed at a time; 0: one per core.
	Workers int
	// ReadBuffer is the largest read buffer of a connection whose transport cannot
	// put payloads in their place by itself, in bytes; 0: 256 KiB.
	ReadBuffer int
	// DHTNode is told of DHT nodes that peers name (BEP 5); nil: nobody is. It is
	// called by the loops of torrents, and must not wait.
	DHTNode func(netip.AddrPort)
	// Links says that there are streams of transport.Links: peers on them are met in
	// further swarms without a further connection.
	Links bool
	// GotExt is told of messages of the application's extensions, see
	// Machine.Extensions; nil drops them. The torrent's loop waits for it.
	GotExt func(*Torrent, swarm.GotExt)
	// MaxConns bounds the connections of all torrents together; 0: 500. When
	// three quarters are taken, a torrent gets no more than its equal share.
	MaxConns int
	// MaxDials bounds the dials under way in all torrents together; 0: 64.
	MaxDials int
	// MaxOpening is how many contents are opened and hashed at a time; 0: 4.
	MaxOpening int
	// Quiet is how long a complete torrent that has no peers keeps its machine
	// and its goroutine; 0: one minute.
	Quiet time.Duration
	// Encryption says where Message Stream Encryption is used. A tab has none.
	Encryption transport.Encryption
	// Machine is the template of every torrent's machine: limits only. BufferBytes
	// is for all torrents together, but each may have two pieces.
	Machine torrent.Config
}

// Session is a set of torrents that share an identity and incoming streams.
type Session struct {
	cfg     Config
	pool    *pool
	workers chan struct{}
	up      throttle
	down    throttle
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	places  places
	dialler turnstile
	openers turnstile
	ledger  ledger

	mu       sync.Mutex
	torrents map[metainfo.Hash]*Torrent // under every key of its swarms
	bans     swarm.Bans
	links    map[transport.Link]*acquaintance
	veil     veil
	closed   bool
}

// NewPeerID returns a random peer id with our prefix (BEP 20).
func NewPeerID() (id [20]byte) {
	copy(id[:], "-SH0001-")
	const chars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for i := 8; i < len(id); i++ {
		id[i] = chars[rand.IntN(len(chars))]
	}
	return id
}

// NewSession returns a session without torrents.
func NewSession(cfg Config) *Session {
	if cfg.PeerID == ([20]byte{}) {
		cfg.PeerID = NewPeerID()
	}
	if cfg.Workers == 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.ReadBuffer == 0 {
		cfg.ReadBuffer = 256 << 10
	}
	if cfg.Machine.BufferBytes == 0 {
		cfg.Machine.BufferBytes = 64 << 20
	}
	def(&cfg.MaxConns, 500)
	def(&cfg.MaxDials, 64)
	def(&cfg.MaxOpening, 4)
	def(&cfg.Quiet, defaultQuiet)
	ctx, cancel := context.WithCancel(context.Background())
	return &Session{
		cfg: cfg, ctx: ctx, cancel: cancel,
		pool:     newPool(int(cfg.Machine.BufferBytes)),
		workers:  make(chan struct{}, cfg.Workers),
		torrents: map[metainfo.Hash]*Torrent{},
		links:    map[transport.Link]*acquaintance{},
		places:   places{most: cfg.MaxConns},
		dialler:  turnstile{most: cfg.MaxDials},
		openers:  turnstile{most: cfg.MaxOpening},
		ledger:   ledger{total: cfg.Machine.BufferBytes},
	}
}

func def[T ~int | ~int64](p *T, v T) {
	if *p <= 0 {
		*p = v
	}
}

// PeerID is our identity in handshakes and announces.
func (s *Session) PeerID() [20]byte { return s.cfg.PeerID }

// newRand seeds a machine's random source from the runtime's own, which the
// system seeds. crypto/rand would add 300 kB of big numbers to the tab's engine.
func newRand() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }

// Torrent returns the torrent with that key, nil if there is none.
func (s *Session) Torrent(key metainfo.Hash) *Torrent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.torrents[key]
}

// Torrents returns all torrents, each once, in no particular order.
func (s *Session) Torrents() []*Torrent {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Torrent
	for key, t := range s.torrents {
		if key == t.key {
			list = append(list, t)
		}
	}
	return list
}

// Errors of a session.
var (
	ErrClosed = errors.New("the session is closed")
	ErrExists = errors.New("the torrent is already there")
)

// Close ends every torrent and waits for its connections. What is being opened or
// hashed is told to stop before anything is waited for.
func (s *Session) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	for _, t := range s.Torrents() {
		t.Close()
	}
	s.wg.Wait()
	s.pool.close()
}

// spawn runs f beside everything else, unless the session is closed.
func (s *Session) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.wg.Go(f)
	}
	return !s.closed
}

// Accept takes an incoming stream of whatever torrent the other side names.
func (s *Session) Accept(c transport.Conn) {
	started := s.spawn(func() {
		raw := c
		c, h, err := s.hear(raw)
		if err != nil {
			raw.Close()
			return
		}
		t := s.Torrent(h.InfoHash)
		if t == nil || s.isBanned(c, h.PeerID) {
			c.Close()
			return
		}
		mine := t.handshake(t.answerTo(h))
		if _, err := c.Write(mine.Append(nil)); err != nil {
			c.Close()
			return
		}
		if e, ok := raw.(interface{ Established() }); ok {
			e.Established() // it no longer counts as half-open
		}
		t.join(c, h, false)
	})
	if !started {
		c.Close()
	}
}

// Join takes a stream that is known to belong to a torrent, as WebRTC streams
// are. Both sides send their handshake at once.
func (s *Session) Join(key metainfo.Hash, c transport.Conn, outgoing bool) {
	t := s.Torrent(key)
	if t == nil || s.refused(c) {
		c.Close()
		return
	}
	if !s.spawn(func() {
		if err := t.introduce(s.ctx, c, key, outgoing); err != nil {
			c.Close()
		}
	}) {
		c.Close()
	}
}

// refused reports whether a stream comes from where we take none, before its
// handshake says who it is.
func (s *Session) refused(c transport.Conn) bool { return s.isBanned(c, [20]byte{}) }

func (s *Session) isBanned(c transport.Conn, id [20]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bans.Has(time.Now(), mark(c, id))
}

func (s *Session) ban(c transport.Conn, id [20]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bans.Add(time.Now(), mark(c, id))
}

// mark is what identifies a peer for a ban. Where its address is not known, as
// behind a relay, that is its id alone.
func mark(c transport.Conn, id [20]byte) swarm.Mark {
	return swarm.Mark{ID: id, Addr: origin(c)}
}

// origin is the address that a transport vouches for; invalid where there is none.
func origin(c transport.Conn) netip.AddrPort {
	a, _ := netip.ParseAddrPort(c.RemoteAddr())
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// hurry bounds the time for a handshake, and ends it with ctx. What it returns lifts
// the bound.
func hurry(ctx context.Context, c transport.Conn) (done func()) {
	at := time.Now().Add(handshakeTimeout)
	c.SetReadDeadline(at)
	c.SetWriteDeadline(at)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	return func() {
		stop()
		c.SetReadDeadline(time.Time{})
		c.SetWriteDeadline(time.Time{})
	}
}

// readHandshake reads 68 bytes and refuses a stranger at the first wrong one.
func readHandshake(ctx context.Context, c transport.Conn) (wire.Handshake, error) {
	defer hurry(ctx, c)()
	var buf [wire.HandshakeLen]byte
	if _, err := readGreeting(c, &buf); err != nil {
		return wire.Handshake{}, err
	}
	return wire.ParseHandshake(buf[:])
}

// readGreeting reads a handshake, and as far as it is one: after wire.ErrHandshake, n
// bytes were read of something else.
func readGreeting(c transport.Conn, buf *[wire.HandshakeLen]byte) (n int, err error) {
	for n < len(buf) {
		k, err := c.Read(buf[n:])
		n += k
		if !wire.IsHandshakePrefix(buf[:n]) {
			return n, wire.ErrHandshake
		}
		if err != nil && n < len(buf) {
			return n, io.ErrUnexpectedEOF
		}
	}
	return n, nil
}
