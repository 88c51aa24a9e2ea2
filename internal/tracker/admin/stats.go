package admin

import (
	"encoding/json"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/tracker"
)

// statsJSON is /stats.json; the package comment says what the fields mean.
type statsJSON struct {
	Version      string             `json:"version"`
	Started      time.Time          `json:"started"`
	Uptime       int64              `json:"uptime_seconds"`
	Draining     bool               `json:"draining"`
	Swarms       int                `json:"swarms"`
	Peers        int                `json:"peers"`
	WebRTCPeers  int                `json:"webrtc_peers"`
	TCPPeers     int                `json:"tcp_peers"`
	Seeders      int                `json:"seeders"`
	Connections  int                `json:"connections"`
	HTTPConns    int                `json:"http_connections"`
	Buffers      int                `json:"buffers_bytes"`
	Totals       map[string]uint64  `json:"totals"`
	PerSecond    map[string]float64 `json:"per_second"`
	Reasons      map[string]uint64  `json:"reasons"`
	Success      *float64           `json:"success_rate"`
	SuccessTotal *float64           `json:"success_rate_total"`
	CPU          float64            `json:"cpu_cores"`
	Memory       uint64             `json:"memory_bytes"`
	Goroutines   int                `json:"goroutines"`
	Countries    map[string]int     `json:"countries"`
	Limits       []limitJSON        `json:"limits"`
	Certificates []Certificate      `json:"certificates,omitempty"`
	Reload       *Reload            `json:"reload,omitempty"`
	Pages        []string           `json:"pages"`
	Cluster      *Cluster           `json:"cluster,omitempty"`
	Relay        *Relay             `json:"relay,omitempty"`
	Hook         *Hook              `json:"hook,omitempty"`
}

func (h *Handler) stats() statsJSON {
	now := read(h.cfg.Tracker)
	h.mu.Lock()
	before := *h.history.before(now.at.Add(-time.Minute))
	h.mu.Unlock()
	s := &now.stats
	out := statsJSON{
		Version: h.cfg.Version, Started: h.started.UTC().Truncate(time.Second),
		Uptime: int64(now.at.Sub(h.started) / time.Second), Draining: s.Draining,
		Swarms: s.Swarms, Peers: s.WebRTCPeers + s.TCPPeers, WebRTCPeers: s.WebRTCPeers, TCPPeers: s.TCPPeers,
		Seeders: s.Seeders, Connections: s.Conns, HTTPConns: s.HTTPConns, Buffers: s.Buffers,
		Totals: make(map[string]uint64, len(counters)), PerSecond: make(map[string]float64, len(counters)),
		Reasons: make(map[string]uint64),
		Success: success(&before, &now), SuccessTotal: success(&sample{}, &now),
		CPU: cores(&before, &now), Memory: now.memory, Goroutines: runtime.NumGoroutine(),
		Countries: countries(s),
	}
	for r, n := range s.Reasons {
		if n > 0 {
			out.Reasons[limit.Reason(r).String()] = n
		}
	}
	for _, c := range counters {
		out.Totals[c.name] = c.of(s)
		out.PerSecond[c.name] = perSecond(c, &before, &now)
	}
	if h.cfg.Cluster != nil {
		c := h.cfg.Cluster()
		out.Cluster = &c
	}
	if h.cfg.Relay != nil {
		r := h.cfg.Relay()
		out.Relay = &r
	}
	out.Limits, out.Pages = h.limits(s, out.Relay), h.pages
	if h.cfg.Certificates != nil {
		out.Certificates = h.cfg.Certificates()
	}
	if h.cfg.Reload != nil {
		r := h.cfg.Reload()
		out.Reload = &r
	}
	if h.cfg.Hook != nil {
		k := h.cfg.Hook()
		out.Hook = &k
	}
	return out
}

const unknownCountry = "unknown"

// countries are the connections by country. What is no code of two capitals, for
// the data comes from a file of somebody else's, is counted as unknown.
func countries(s *tracker.Stats) map[string]int {
	out := make(map[string]int, len(s.Countries))
	for code, n := range s.Countries {
		if len(code) != 2 || code[0] < 'A' || code[0] > 'Z' || code[1] < 'A' || code[1] > 'Z' {
			code = unknownCountry
		}
		out[code] += n
	}
	return out
}

func (h *Handler) serveStats(w http.ResponseWriter, _ *http.Request) { sendJSON(w, h.stats()) }

// historyJSON is /history.json. All arrays are as long as Times. Counters are given as
// their growth per second since the sample before.
type historyJSON struct {
	Started  int64                `json:"started"`  // Unix time in milliseconds, differs after a restart
	Interval int64                `json:"interval"` // between two samples, in milliseconds
	Times    []int64              `json:"times"`    // Unix time in milliseconds
	Series   map[string][]float64 `json:"series"`
}

// since returns the samples later than a Unix time in milliseconds.
func (h *Handler) since(ms int64) historyJSON {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.history.ring)
	first := n
	for first > 1 && h.history.at(first-1).at.UnixMilli() > ms {
		first--
	}
	out := historyJSON{
		Started: h.started.UnixMilli(), Interval: sampleEvery.Milliseconds(),
		Times: make([]int64, 0, n-first), Series: make(map[string][]float64, len(gauges)+len(counters)+1),
	}
	column := func(name string, value func(before, s *sample) float64) {
		values := make([]float64, 0, n-first)
		for i := first; i < n; i++ {
			values = append(values, value(h.history.at(i-1), h.history.at(i)))
		}
		out.Series[name] = values
	}
	for i := first; i < n; i++ {
		out.Times = append(out.Times, h.history.at(i).at.UnixMilli())
	}
	for _, g := range gauges {
		column(g.name, func(_, s *sample) float64 { return g.of(s) })
	}
	for _, c := range counters {
		column(c.name, func(before, s *sample) float64 { return perSecond(c, before, s) })
	}
	column("cpu_cores", cores)
	return out
}

func (h *Handler) serveHistory(w http.ResponseWriter, r *http.Request) {
	var since int64
	if q := r.URL.Query().Get("since"); q != "" {
		var err error
		if since, err = strconv.ParseInt(q, 10, 64); err != nil {
			http.Error(w, "since is a Unix time in milliseconds", http.StatusBadRequest)
			return
		}
	}
	sendJSON(w, h.since(since))
}

func sendJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // what cannot be written has no reader left
}
