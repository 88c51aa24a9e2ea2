// Package admin shows an operator what a tracker does.
//
// New returns a handler for an address that only the operator reaches:
//
//	/              a page with plots of the last hour, of days and weeks, limits and top swarms
//	/stats.json    the counts of now, see below
//	/history.json  the samples that the plots are made of
//	/swarms.json   the largest swarms of now
//	/past.json     hours, days and the swarms with the most downloads, where they are kept over restarts
//	/metrics       the same and more for Prometheus
//	/health        200, or 503 once the tracker drains; needs no password
//
// Landing is the page for the public address, for people who open it in a browser.
// Nothing here names a peer or an address, and only swarms.json and past.json name torrents.
//
// # stats.json
//
// Names are stable: fields may be added, none is renamed or removed.
//
//	version              of the program, "" if unknown
//	started              when New was called, RFC 3339
//	uptime_seconds       since then
//	draining             whether the tracker is shutting down
//	swarms               swarms with a peer, or with a download counter still kept
//	peers                webrtc_peers and tcp_peers
//	webrtc_peers         peers that came by WebSocket, once for each swarm
//	tcp_peers            peers that came by HTTP or UDP, once for each swarm
//	seeders              of either kind
//	connections          open WebSocket connections
//	http_connections     open connections that are none
//	buffers_bytes        memory for messages under way that is in use
//	totals               counters since the start, by the names below
//	reasons              what of it was limited, dropped or refused, by the names of limit.Reason
//	per_second           their rates over the last minute
//	success_rate         answers for each offer relayed in the last minute, 0 to 1; null without offers
//	success_rate_total   the same since the start
//	cpu_cores            processor time per second over the last minute; 1 is one core
//	memory_bytes         held by the Go runtime, without what it gave back to the system
//	goroutines           running or waiting
//	countries            open WebSocket connections by ISO 3166-1 code, or "unknown"
//	limits               those in force: setting, limit, unit, used (null where that is not
//	                     counted), reason, hits
//	certificates         name and end of each; missing without TLS
//	reload               when files were last read, and those that could not be; missing if none is
//	pages                what else there is beside history.json: swarms.json, past.json
//	cluster, relay, hook see Cluster, Relay and Hook; missing when there is none
//
// The counters are announces, scrapes and refused, each with _ws, _http or _udp at the
// end; offers, answers, unplaced, dropped, limited, malformed, accepted, tls_failures;
// messages_in, messages_out, bytes_in, bytes_out. They are those of tracker.Stats.
package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/history"
	"github.com/shoal-p2p/shoal/tracker"
)

// A Source has the counts of a tracker; *tracker.Tracker is one.
type Source interface{ Stats() tracker.Stats }

// Config says what a Handler shows, and to whom.
type Config struct {
	// Tracker is what is shown. It must be set.
	Tracker Source
	// Version is the program's, as it shall be shown. It may be empty.
	Version string
	// Logins are asked of everybody except at /health, by HTTP basic authentication: each is
	// USER:PASSWORD, and any will do. None means that nobody is asked.
	Logins []string
	// Cluster returns the counts of this node's part in a cluster. nil means there is none.
	Cluster func() Cluster
	// Relay returns the counts of the TURN server. nil means there is none.
	Relay func() Relay
	// Hook returns the counts of the web service that decides about announces. nil means there is none.
	Hook func() Hook
	// Past is what is kept over restarts. nil means nothing is.
	Past *history.Store
	// Largest returns the largest swarms, such as tracker.Tracker's. nil means that they are not shown.
	Largest func(n int) []tracker.Swarm
	// Names are lists of info hashes: what stands behind the # in a line is shown as the torrent's name.
	Names []string
	// Limits are those in force. nil means that none are shown.
	Limits *tracker.Limits
	// Certificates returns those that clients get. nil means that there is no TLS.
	Certificates func() []Certificate
	// Reload returns when files were last read. nil means that none is read.
	Reload func() Reload
}

// Cluster counts what a node of a cluster holds and has done.
type Cluster struct {
	Connected   bool   `json:"connected"`    // to the message bus
	Nodes       int    `json:"nodes"`        // alive, with this one
	Directory   int    `json:"directory"`    // swarms that this node keeps account of
	OffersIn    uint64 `json:"offers_in"`    // offers that came from other nodes
	OffersOut   uint64 `json:"offers_out"`   // offers passed to them
	AnswersIn   uint64 `json:"answers_in"`   // answers that came from other nodes
	AnswersOut  uint64 `json:"answers_out"`  // answers passed to them
	Undelivered uint64 `json:"undelivered"`  // offers and answers that came for a peer that had gone
	Dropped     uint64 `json:"dropped"`      // messages thrown away, with the bus or the node too slow
	MessagesIn  uint64 `json:"messages_in"`  // messages from the bus
	MessagesOut uint64 `json:"messages_out"` // messages to the bus
	BytesIn     uint64 `json:"bytes_in"`     // bytes in the messages from the bus
	BytesOut    uint64 `json:"bytes_out"`    // bytes in the messages to the bus
}

// Relay counts what a TURN server holds and has done.
type Relay struct {
	Sessions int    `json:"sessions"` // allocations open now
	Opened   uint64 `json:"opened"`   // allocations made so far
	Bytes    uint64 `json:"bytes"`    // relayed, either way
	Refused  uint64 `json:"refused"`  // allocations refused: credentials, limits

	MaxSessions int `json:"max_sessions"` // allocations that may be open
	TotalRate   int `json:"total_rate"`   // bytes a second that may be relayed; 0 is no limit
}

// A Certificate is one that clients get.
type Certificate struct {
	Name string    `json:"name"` // the first that it is for
	End  time.Time `json:"end"`
}

// A Reload says how reading settings' files again went.
type Reload struct {
	At     time.Time `json:"at"`     // the last time, or the start
	Failed []string  `json:"failed"` // what could not be read: the old one stays in use; empty if all is well
}

// The history: a sample every five seconds, an hour of them.
const (
	sampleEvery = 5 * time.Second
	sampleCount = int(time.Hour / sampleEvery)
)

// A Handler is what New returns. It keeps a history until Close.
type Handler struct {
	cfg     Config
	mux     *http.ServeMux
	logins  atomic.Pointer[[][sha256.Size]byte] // never empty; nil asks nobody
	started time.Time

	pages   []string // beside those that are always there
	names   names
	largest kept[[]swarmJSON]
	top     kept[[]topJSON]

	mu      sync.Mutex
	history samples

	done  chan struct{}
	close sync.Once
	wg    sync.WaitGroup
}

// New returns a Handler, which samples the tracker until Close. It fails if the Config
// makes no sense.
func New(cfg Config) (*Handler, error) {
	if cfg.Tracker == nil {
		return nil, errors.New("admin: Config.Tracker is missing")
	}
	h := &Handler{
		cfg: cfg, mux: http.NewServeMux(), started: time.Now(),
		history: newSamples(sampleCount), done: make(chan struct{}), pages: []string{}, names: names{paths: cfg.Names},
	}
	if len(cfg.Logins) > 0 {
		if err := h.SetLogins(cfg.Logins); err != nil {
			return nil, err
		}
	}
	metrics, err := h.metrics()
	if err != nil {
		return nil, err
	}
	h.mux.HandleFunc("GET /health", Health(cfg.Tracker))
	h.mux.Handle("GET /metrics", h.private(metrics))
	h.mux.Handle("GET /stats.json", h.private(http.HandlerFunc(h.serveStats)))
	h.mux.Handle("GET /history.json", h.private(http.HandlerFunc(h.serveHistory)))
	if cfg.Largest != nil {
		h.pages = append(h.pages, "swarms.json")
		h.mux.Handle("GET /swarms.json", h.private(http.HandlerFunc(h.serveSwarms)))
	}
	if cfg.Past != nil {
		h.pages = append(h.pages, "past.json")
		h.mux.Handle("GET /past.json", h.private(http.HandlerFunc(h.servePast)))
	}
	h.mux.Handle("GET /{$}", h.private(http.HandlerFunc(dashboard.serve)))
	h.sample()
	h.wg.Add(1)
	go h.run()
	return h, nil
}

func (h *Handler) run() {
	defer h.wg.Done()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-tick.C:
			h.sample()
		}
	}
}

func (h *Handler) sample() {
	s := read(h.cfg.Tracker)
	s.stats.Countries = nil // of now alone: the history's size is fixed
	h.mu.Lock()
	defer h.mu.Unlock()
	h.history.add(s)
}

// Close ends the sampling. It may be called any number of times.
func (h *Handler) Close() error {
	h.close.Do(func() { close(h.done) })
	h.wg.Wait()
	return nil
}

// ServeHTTP answers as the package comment says.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guard(w.Header())
	h.mux.ServeHTTP(w, r)
}

// guard sets what keeps other sites and caches away from an answer.
func guard(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// Health answers 200, or 503 once the tracker drains: for load balancers.
func Health(t Source) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if t.Stats().Draining {
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, "draining\n")
			return
		}
		io.WriteString(w, "ok\n")
	}
}

// private asks for the password, if there is one.
func (h *Handler) private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if !h.knows(user + ":" + password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="tracker", charset="UTF-8"`)
			http.Error(w, "user and password, please", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// SetLogins changes Config.Logins of a Handler that has some. On error they stay as they were.
func (h *Handler) SetLogins(logins []string) error {
	if len(logins) == 0 {
		return errors.New("admin: there is no login")
	}
	sums := make([][sha256.Size]byte, len(logins))
	for i, l := range logins {
		// A user's name holds no colon (RFC 7617, section 2), so no two logins look the same.
		if user, password, _ := strings.Cut(l, ":"); user == "" || password == "" {
			return errors.New("admin: a login is not USER:PASSWORD")
		}
		// Sums have one length for all, so that comparing tells nothing of the length either.
		sums[i] = sha256.Sum256([]byte(l))
	}
	h.logins.Store(&sums)
	return nil
}

// knows reports whether a login is one of those that are asked for.
func (h *Handler) knows(login string) bool {
	all := h.logins.Load()
	if all == nil {
		return true
	}
	got, found := sha256.Sum256([]byte(login)), 0
	for i := range *all {
		found |= subtle.ConstantTimeCompare(got[:], (*all)[i][:])
	}
	return found == 1
}
