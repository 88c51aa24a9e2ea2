// Package hook asks an operator's web service whether a peer may announce.
//
// For each peer that a tracker does not know yet it sends a POST request with a JSON object:
//
//	{"info_hash": "40 hexadecimal digits", "peer_id": "40 hexadecimal digits",
//	 "address": "203.0.113.5", "port": 6881, "event": "started", "left": 12345,
//	 "protocol": "websocket", "origin": "https://example.org", "query": "token=…"}
//
// A field that is not known is left out; left is -1 where a peer does not know it. The
// status of the response is the answer: 200 to 299 allows, 401, 403, 404 and 410 deny. Anything else, a
// redirect too, means that the service is away. The body may be a JSON object
//
//	{"reason": "what the client is told when it is denied", "ttl": 60}
//
// in which ttl is for how many seconds the answer holds; else the Config says that.
package hook

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// An Answer is what is known about a question.
type Answer uint8

// The answers.
const (
	Pending Answer = iota // it is asked; the answer follows
	Allowed
	Denied
)

// A Verdict is an Answer, and why.
type Verdict struct {
	Answer Answer
	Reason string // for the client; empty unless Denied
}

// Away reports whether nobody has answered: the verdict is Config.Away's. Only a denial tells.
func (v Verdict) Away() bool { return v.Answer == Denied && v.Reason == ReasonAway }

// A Key says who asks for what. Answers are kept by it.
type Key struct {
	InfoHash, PeerID [20]byte
	Addr             netip.Addr
}

// A Question is an announce. What is not in the Key is told to the service and does not matter for
// how long the answer holds.
type Question struct {
	Key
	Port     uint16 // 0: none
	Left     int64  // bytes the peer lacks; -1: it does not know
	Event    string // "started", "stopped", "completed" or ""
	Protocol string // "websocket", "http" or "udp"
	Origin   string // of the page; "" if there is none
	Query    string // of the announce URL, without the question mark
}

// Config says how a Hook asks.
type Config struct {
	// URL is the service, http or https.
	URL string
	// Secret, when set, returns what is sent as "Authorization: Bearer SECRET"; it is called for each
	// request, so that a secret can change. An empty one is not sent.
	Secret func() string
	// Client sends the requests. nil means one that keeps as many connections as Concurrent says,
	// and uses no proxy. Redirects are not followed.
	Client *http.Client

	// Timeout bounds one request. 0 means 2 seconds.
	Timeout time.Duration
	// Concurrent bounds the requests under way. 0 means 64.
	Concurrent int
	// Queue bounds the questions that wait to be asked, and the announces that wait for
	// answers, each. 0 means 16,384.
	Queue int
	// PerAddr bounds the questions of one IPv4 address or IPv6 /64 under way or waiting, so that one
	// cannot take the place of all. 0 means 128.
	PerAddr int
	// Entries bounds the answers that are kept; the oldest goes first. One takes about 80
	// bytes. 0 means 65,536.
	Entries int

	// AllowFor is how long an answer that allows holds, DenyFor one that denies. 0 means
	// 10 minutes and 1 minute. What the service says itself is taken up to a day.
	AllowFor, DenyFor time.Duration
	// Away is the answer while the service is away, or there is no room to ask: Allowed or
	// Denied. 0 means Denied. It is not kept.
	Away Answer
	// Changed, when set, is told that the service is away, with the last error, and that it is back: once
	// each. It is called by the goroutines that ask, and must not block.
	Changed func(away bool, err error)
	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// ReasonAway is the Reason of Denied while the service is away.
var ReasonAway = limit.HookAway.Error()

const (
	// failures in a row mean that the service is away. Then one question at a time tries it, at most
	// one each retry, and the others get Config.Away at once.
	failures = 3
	retry    = 5 * time.Second
	maxTTL   = 24 * time.Hour
	// maxWait is how long a question may wait to be asked: whoever waits behind so many others gets
	// Config.Away, before its client has given up. With Timeout that bounds how long an announce waits.
	maxWait = 10 * time.Second
)

// Stats counts what a Hook has done.
type Stats struct {
	Allowed, Denied uint64 // answers of the service
	Failed          uint64 // requests without an answer
	Cached          uint64 // announces answered by what was known
	Away            uint64 // announces answered by Config.Away, because the service is away
	Full            uint64 // announces answered by Config.Away, because there is no room
	Waiting         int    // announces that wait
	Entries         int    // answers kept
	Down            bool   // the service is away
	LastError       string // of the last request that failed
}

// A Hook asks a service and keeps what it says. Its methods may be called by any goroutine; none
// of them waits for the service.
type Hook struct {
	conf   Config
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	answers cache
	flights map[Key]*flight
	queue   []*flight // not asked yet
	peraddr map[uint64]int
	asking  int // goroutines
	waiting int
	failed  int       // in a row
	again   time.Time // when an away service is tried
	stats   Stats
}

// A flight is a question and those who wait for its answer.
type flight struct {
	Question
	since   time.Time
	waiting []func(Verdict)
}

// New returns a Hook that asks until Close. The error says what of the Config is wrong.
func New(conf Config) (*Hook, error) {
	u, err := url.Parse(conf.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("hook: write the address of the service like https://example.org/announce")
	}
	if conf.Timeout < 0 || conf.Concurrent < 0 || conf.Queue < 0 || conf.PerAddr < 0 || conf.Entries < 0 || conf.AllowFor < 0 || conf.DenyFor < 0 {
		return nil, errors.New("hook: a bound is negative")
	}
	def(&conf.Timeout, 2*time.Second)
	def(&conf.Concurrent, 64)
	def(&conf.Queue, 16_384)
	def(&conf.PerAddr, 128)
	def(&conf.Entries, 65_536)
	def(&conf.AllowFor, 10*time.Minute)
	def(&conf.DenyFor, time.Minute)
	def(&conf.Away, Denied)
	if conf.Now == nil {
		conf.Now = time.Now
	}
	if conf.Client == nil {
		conf.Client = &http.Client{Transport: &http.Transport{
			MaxConnsPerHost: conf.Concurrent, MaxIdleConnsPerHost: conf.Concurrent, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: 16 << 10, ForceAttemptHTTP2: true, TLSHandshakeTimeout: conf.Timeout,
		}}
	}
	client := *conf.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	conf.Client = &client
	h := &Hook{conf: conf, flights: make(map[Key]*flight), peraddr: make(map[uint64]int)}
	h.answers.init(conf.Entries)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h, nil
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Known returns an answer that is kept, and whether there is one.
func (h *Hook) Known(k *Key) (Verdict, bool) {
	now := h.conf.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	v, ok := h.answers.get(k, now)
	if ok {
		h.stats.Cached++
	}
	return v, ok
}

// Ask returns what is known. If that is Pending, later is called once with Allowed or Denied, by another
// goroutine, which must not be held up. Announces with the same Key wait for one request.
func (h *Hook) Ask(q *Question, later func(Verdict)) Verdict {
	now := h.conf.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if v, ok := h.answers.get(&q.Key, now); ok {
		h.stats.Cached++
		return v
	}
	addr := netaddr.Key(q.Addr)
	f, ok := h.flights[q.Key]
	switch {
	case h.closed, !ok && h.failed >= failures && (len(h.flights) > 0 || now.Before(h.again)):
		h.stats.Away++
		return h.away()
	case h.waiting >= h.conf.Queue+h.conf.Concurrent, !ok && (len(h.queue) >= h.conf.Queue || h.peraddr[addr] >= h.conf.PerAddr):
		h.stats.Full++
		return h.away()
	case ok && len(f.waiting) >= h.conf.PerAddr:
		// The same peer announces again and again.
		h.stats.Full++
		return h.away()
	case !ok:
		f = &flight{Question: *q, since: now}
		h.flights[q.Key] = f
		h.peraddr[addr]++
		h.queue = append(h.queue, f)
		if h.asking < h.conf.Concurrent {
			h.asking++
			h.wg.Add(1)
			go h.askAll()
		}
	}
	f.waiting = append(f.waiting, later)
	h.waiting++
	return Verdict{}
}

func (h *Hook) away() Verdict {
	if h.conf.Away == Allowed {
		return Verdict{Answer: Allowed}
	}
	return Verdict{Answer: Denied, Reason: ReasonAway}
}

// askAll asks what waits until nothing does.
func (h *Hook) askAll() {
	defer h.wg.Done()
	for {
		h.mu.Lock()
		if len(h.queue) == 0 {
			h.asking--
			h.mu.Unlock()
			return
		}
		f := h.queue[0]
		h.queue[0] = nil
		if h.queue = h.queue[1:]; len(h.queue) == 0 {
			h.queue = nil
		}
		// Who waited when the service went away does not wait for a timeout each.
		now := h.conf.Now()
		skip := h.closed || h.failed >= failures && now.Before(h.again)
		h.mu.Unlock()

		var v Verdict
		var ttl time.Duration
		var err error
		switch {
		case skip:
			err = errSkipped
		case now.Sub(f.since) > maxWait:
			err = errLate
		default:
			v, ttl, err = h.post(&f.Question)
		}
		waiting, changed := h.land(f, &v, ttl, err)
		if changed && h.conf.Changed != nil {
			h.conf.Changed(err != nil, err)
		}
		for _, later := range waiting {
			later(v)
		}
	}
}

// Why a question was not asked.
var (
	errSkipped = errors.New("hook: the service is away")
	errLate    = errors.New("hook: too many questions before this one")
)

// land takes in how a question ended, and returns who waits for it, and whether the service has gone
// away by this, or is back. Without an answer v becomes that of an away service.
func (h *Hook) land(f *flight, v *Verdict, ttl time.Duration, err error) (waiting []func(Verdict), changed bool) {
	now := h.conf.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.flights, f.Key)
	addr := netaddr.Key(f.Addr)
	if h.peraddr[addr]--; h.peraddr[addr] == 0 {
		delete(h.peraddr, addr)
	}
	h.waiting -= len(f.waiting)
	if err != nil {
		switch {
		case err == errLate:
			h.stats.Full += uint64(len(f.waiting))
		case err != errSkipped && !h.closed:
			h.stats.Failed++
			h.stats.LastError = err.Error()
			h.failed++
			changed = h.failed == failures
			h.again = now.Add(retry)
			fallthrough
		default:
			h.stats.Away += uint64(len(f.waiting))
		}
		*v = h.away()
		return f.waiting, changed
	}
	changed = h.failed >= failures
	h.failed = 0
	if v.Answer == Allowed {
		h.stats.Allowed++
		def(&ttl, h.conf.AllowFor)
	} else {
		h.stats.Denied++
		def(&ttl, h.conf.DenyFor)
	}
	h.answers.put(&f.Key, *v, now.Add(min(ttl, maxTTL)))
	return f.waiting, changed
}

// Stats returns what the Hook has done so far.
func (h *Hook) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stats
	s.Waiting, s.Entries, s.Down = h.waiting, len(h.answers.ring), h.failed >= failures
	return s
}

// Forget drops all answers, so that everybody is asked about again: after the service has
// other rules.
func (h *Hook) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers.init(h.conf.Entries)
}

// Close ends all requests; who waits gets Config.Away. It returns when the last was called.
func (h *Hook) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	h.wg.Wait()
	h.conf.Client.CloseIdleConnections()
	return nil
}
