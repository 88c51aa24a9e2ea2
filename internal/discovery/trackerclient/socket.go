package trackerclient

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/schedule"
	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/metainfo"
)

// maxMessage bounds what a WebSocket tracker may send at once, in bytes.
const maxMessage = 128 << 10

const (
	pingInterval = 50 * time.Second
	pingTimeout  = 20 * time.Second
	replyTimeout = 45 * time.Second
	writeTimeout = 15 * time.Second
)

// errNoPing reports a WebSocket that cannot ping.
var errNoPing = errors.New("tracker: no ping")

// A wsConn is an open WebSocket. Read is called by one goroutine; the others may be
// called by any. Close does not block, loses nothing that Write has returned
// for, and in the end makes Read fail.
type wsConn interface {
	Read() ([]byte, error)
	Write(ctx context.Context, b []byte) error
	Ping(ctx context.Context) error
	Close()
}

// A socketKey is the address of a tracker, and whether the user gave it: then it may lead to
// where others may not.
type socketKey struct {
	url   string
	named bool
}

// A socket is the one connection to a WebSocket tracker, shared by all torrents
// that announce there. It is opened again when it breaks, as long as
// somebody uses it.
type socket struct {
	c   *Client
	key socketKey
	ctx context.Context
	end context.CancelFunc

	servers []string // that the tracker handed out; guarded by c.mu

	mu       sync.Mutex
	users    map[metainfo.Hash][]socketUser
	count    int // of users
	up       bool
	queue    []outgoing
	asked    time.Time    // when the oldest unanswered announce was sent
	iceAt    time.Time    // when this connection was last asked for STUN and TURN servers
	iceKnown bool         // it has answered once
	waiting  []socketUser // for that answer, with their offers
	wake     chan struct{}
	retry    chan struct{} // a new user does not wait for the end of a backoff
	woken    chan struct{} // see Client.Wake
}

type socketUser struct {
	t *torrent
	w *wsTracker
}

type outgoing struct {
	b    []byte
	done func() // called when b is written, or never will be; may be nil
}

// join makes t a user of the socket to w.url. The torrent leaves in the end.
func (c *Client) join(t *torrent, w *wsTracker) *socket {
	key := socketKey{w.url, t.a.isNamed(w.url)}
	c.mu.Lock()
	s := c.sockets[key]
	if s == nil {
		s = &socket{c: c, key: key, users: make(map[metainfo.Hash][]socketUser), wake: make(chan struct{}, 1), retry: make(chan struct{}, 1), woken: make(chan struct{}, 1)}
		s.ctx, s.end = context.WithCancel(c.ctx)
		c.sockets[key] = s
		defer func() { go s.run() }()
	}
	s.mu.Lock()
	c.mu.Unlock()
	defer s.mu.Unlock()
	s.users[t.a.Key] = append(s.users[t.a.Key], socketUser{t, w})
	s.count++
	if s.up {
		t.post(func(t *torrent, now time.Time) { t.online(now, w) })
	}
	select {
	case s.retry <- struct{}{}:
	default:
	}
	return s
}

// each calls f for every user. Callers hold mu.
func (s *socket) each(f func(socketUser)) {
	for _, list := range s.users {
		for _, u := range list {
			f(u)
		}
	}
}

// leave ends the use of the socket by t; without users it is closed.
func (s *socket) leave(t *torrent) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.users[t.a.Key]
	for i, u := range list {
		if u.t == t {
			list = append(list[:i:i], list[i+1:]...)
			s.count--
			break
		}
	}
	if s.users[t.a.Key] = list; len(list) == 0 {
		delete(s.users, t.a.Key)
	}
	s.iceAt = time.Time{} // t may have asked for servers, and hears of none
	s.wakeWaiting()
	if s.count == 0 && s.c.sockets[s.key] == s {
		delete(s.c.sockets, s.key)
		s.c.hand(s, nil)
		s.end()
	}
}

// ask is send for a message that gets a reply.
func (s *socket) ask(b []byte) {
	s.mu.Lock()
	if s.asked.IsZero() {
		s.asked = time.Now()
	}
	s.mu.Unlock()
	s.send(b, nil)
}

// send queues a message. What is sent while the socket is down is lost: a
// torrent announces anew when it comes up. done may be nil.
func (s *socket) send(b []byte, done func()) {
	s.mu.Lock()
	if !s.up {
		s.mu.Unlock()
		if done != nil {
			done()
		}
		return
	}
	s.queue = append(s.queue, outgoing{b, done})
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run keeps the socket open.
func (s *socket) run() {
	rng := s.c.source()
	backoff := schedule.Backoff{Min: s.c.cfg.retryMin, Max: max(s.c.cfg.MaxRetry, s.c.cfg.retryMin)}
	defer func() { s.down(ErrClosed, time.Time{}) }()
	for s.ctx.Err() == nil {
		began := time.Now()
		err := s.session(&backoff)
		if s.ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			backoff.Reset()
		}
		wait := backoff.Next(rng)
		s.down(err, time.Now().Add(wait))
		if s.sleep(wait) {
			backoff.Reset()
		}
	}
}

// sleep waits, at least the shortest backoff, and longer only until a new user comes.
// It reports true, at once, when it is woken.
func (s *socket) sleep(wait time.Duration) (woken bool) {
	least := min(wait, s.c.cfg.retryMin)
	pause := func(d time.Duration, retry <-chan struct{}) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-s.ctx.Done():
			return false
		case <-retry:
			return false
		case <-s.woken:
			woken = true
			return false
		case <-timer.C:
			return true
		}
	}
	select {
	case <-s.retry: // of users that came before
	default:
	}
	if pause(least, nil) {
		pause(wait-least, s.retry)
	}
	return woken
}

// wakeUp ends a pause, or has the connection prove that it is alive. It does not block.
func (s *socket) wakeUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each(func(u socketUser) {
		u.t.post(func(t *torrent, now time.Time) { u.w.m.Wake(now) })
	})
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// session is one connection, from its opening to its end.
func (s *socket) session(backoff *schedule.Backoff) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.c.cfg.Timeout)
	conn, err := dialWS(ctx, s.key.url, s.key.named, s.c.cfg.UserAgent)
	cancel()
	if err != nil {
		return err
	}
	ctx, cancel = context.WithCancel(s.ctx)
	// Not by a canceled Read: that would break the connection off instead of
	// closing it.
	context.AfterFunc(ctx, conn.Close)
	var wg sync.WaitGroup
	wg.Add(2)
	go func() { defer wg.Done(); s.write(ctx, conn); cancel() }()
	go func() { defer wg.Done(); s.keepAlive(ctx, conn); cancel() }()
	s.setUp()
	err = s.read(conn, backoff)
	cancel()
	wg.Wait()
	return err
}

func (s *socket) read(conn wsConn, backoff *schedule.Backoff) error {
	for {
		b, err := conn.Read()
		if err != nil {
			return err
		}
		m := new(signal.Reply)
		if m.Parse(b, signal.Limits{MaxMessage: maxMessage}) != nil || m.Action != signal.ActionAnnounce || !m.HasInfoHash {
			continue // Not for us to judge: the next one may be good.
		}
		backoff.Reset()
		limit := maxWaiting
		if len(m.Offer) > 0 {
			limit = maxOffersWaiting
		}
		s.mu.Lock()
		s.asked = time.Time{}
		for _, u := range s.users[m.InfoHash] {
			u.t.postUpTo(limit, func(t *torrent, now time.Time) { t.relay(now, u.w, m) })
		}
		s.mu.Unlock()
	}
}

func (s *socket) write(ctx context.Context, conn wsConn) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		s.mu.Lock()
		queue := s.queue
		s.queue = nil
		s.mu.Unlock()
		var err error
		for _, m := range queue {
			if err == nil {
				wctx, cancel := context.WithTimeout(ctx, writeTimeout)
				err = conn.Write(wctx, m.b)
				cancel()
			}
			if m.done != nil {
				m.done()
			}
		}
		if err != nil {
			return
		}
	}
}

// keepAlive returns when the other end is gone without a word: it answers no
// ping, or, where we cannot ping, no announce.
func (s *socket) keepAlive(ctx context.Context, conn wsConn) {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.woken:
			if !s.proven(ctx, conn) {
				return
			}
			continue
		}
		pctx, cancel := context.WithTimeout(ctx, pingTimeout)
		err := conn.Ping(pctx)
		cancel()
		if err == errNoPing && !s.overdue(replyTimeout) {
			err = nil
		}
		if err != nil {
			return
		}
	}
}

// proven reports whether the tracker answers soon what it is asked: after a sleep, or in
// another network, a connection may be dead that looks open.
func (s *socket) proven(ctx context.Context, conn wsConn) bool {
	ctx, cancel := context.WithTimeout(ctx, s.c.cfg.proof)
	defer cancel()
	err := conn.Ping(ctx)
	if err == errNoPing {
		<-ctx.Done()
		return !s.overdue(s.c.cfg.proof / 2)
	}
	return err == nil
}

// overdue reports whether an announce has been unanswered for longer than that.
func (s *socket) overdue(limit time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.asked.IsZero() && time.Since(s.asked) > limit
}

func (s *socket) setUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.woken: // while it was opened
	default:
	}
	s.up, s.asked, s.iceAt, s.iceKnown, s.waiting = true, time.Time{}, time.Time{}, false, nil
	s.each(func(u socketUser) {
		u.t.post(func(t *torrent, now time.Time) { t.online(now, u.w) })
	})
}

// down tells the users that there is no connection until next.
func (s *socket) down(err error, next time.Time) {
	s.mu.Lock()
	s.up = false
	queue := s.queue
	s.queue = nil
	s.each(func(u socketUser) {
		u.t.post(func(t *torrent, _ time.Time) { t.offline(u.w, err, next) })
	})
	s.mu.Unlock()
	for _, m := range queue {
		if m.done != nil {
			m.done()
		}
	}
}

// keyText is the Client's key as trackers read it: 8 hexadecimal digits.
func (c *Client) keyText() []byte {
	return strconv.AppendUint(nil, uint64(c.key)|1<<32, 16)[1:]
}
