package admin

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// metrics is /metrics: the tracker's counts, the Go runtime's and the process's.
func (h *Handler) metrics() (http.Handler, error) {
	registry := prometheus.NewPedanticRegistry()
	for _, c := range []prometheus.Collector{
		newCollector(&h.cfg),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	if h.cfg.Hook != nil {
		if err := registry.Register(newHookCollector(h.cfg.Hook)); err != nil {
			return nil, err
		}
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}), nil
}

// A collector reads the counts when Prometheus asks for them.
type collector struct {
	cfg      *Config
	all      []*prometheus.Desc
	counters []*prometheus.Desc  // as in counters
	reasons  [3]*prometheus.Desc // by limit.Kind

	swarms, peers, seeders, conns, httpConns, buffers, draining, countries, build *prometheus.Desc

	swarmsLimit, peersLimit, connsLimit, buffersLimit *prometheus.Desc

	certificateEnd, reloadAt, reloadOK *prometheus.Desc

	clusterConnected, clusterNodes, clusterDirectory, clusterOffers, clusterAnswers,
	clusterUndelivered, clusterDropped, clusterMessages, clusterBytes *prometheus.Desc

	relaySessions, relayOpened, relayBytes, relayRefused *prometheus.Desc
}

func newCollector(cfg *Config) *collector {
	c := &collector{cfg: cfg}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		d := prometheus.NewDesc("shoal_tracker_"+name, help, labels, nil)
		c.all = append(c.all, d)
		return d
	}
	c.swarms = desc("swarms", "Swarms with a peer, or with a download counter still kept.")
	c.peers = desc("peers", "Peers, once for each swarm.", "kind")
	c.seeders = desc("seeders", "Peers that have everything, of either kind.")
	c.conns = desc("connections", "Open WebSocket connections.")
	c.httpConns = desc("http_connections", "Open connections that have not become WebSocket connections.")
	c.buffers = desc("buffers_bytes", "Memory in use for messages under way.")
	c.draining = desc("draining", "1 once the tracker is shutting down.")
	c.countries = desc("country_connections", "Open WebSocket connections by ISO 3166-1 code.", "country")
	c.build = desc("build_info", "1, with the program's version.", "version")
	c.reasons = [...]*prometheus.Desc{
		limit.Limited: desc("limited_total", "Connections, messages and announces above a limit.", "reason"),
		limit.Dropped: desc("dropped_total", "Offers and answers thrown away on their way to a peer.", "reason"),
		limit.Refused: desc("refused_reasons_total", "Requests that were refused for what they are.", "reason"),
	}
	for _, k := range counters {
		switch {
		case k.metric == "":
			c.counters = append(c.counters, nil)
		case k.label == "":
			c.counters = append(c.counters, desc(k.metric, k.help))
		default:
			c.counters = append(c.counters, desc(k.metric, k.help, k.label))
		}
	}
	if cfg.Limits != nil {
		c.connsLimit = desc("connections_limit", "Connections that may be open, of either kind; missing if that is not limited.")
		c.swarmsLimit = desc("swarms_limit", "Swarms that there may be.")
		c.peersLimit = desc("peers_limit", "Peers that there may be.")
		c.buffersLimit = desc("buffers_limit_bytes", "Memory that messages under way may use.")
	}
	if cfg.Certificates != nil {
		c.certificateEnd = desc("certificate_end_timestamp_seconds", "When a certificate ends, in Unix time.", "name")
	}
	if cfg.Reload != nil {
		c.reloadAt = desc("last_reload_timestamp_seconds", "When files were last read again, in Unix time; before that, the start.")
		c.reloadOK = desc("last_reload_successful", "1 if all files could be read that time.")
	}
	if cfg.Cluster != nil {
		c.clusterConnected = desc("cluster_connected", "1 while the message bus is reached.")
		c.clusterNodes = desc("cluster_nodes", "Nodes alive, with this one.")
		c.clusterDirectory = desc("cluster_directory_swarms", "Swarms that this node keeps account of.")
		c.clusterOffers = desc("cluster_offers_total", "Offers from and to other nodes.", "direction")
		c.clusterAnswers = desc("cluster_answers_total", "Answers from and to other nodes.", "direction")
		c.clusterUndelivered = desc("cluster_undelivered_total", "Offers and answers of other nodes whose peer had gone.")
		c.clusterDropped = desc("cluster_dropped_total", "Messages thrown away, with the bus or the node too slow.")
		c.clusterMessages = desc("cluster_messages_total", "Messages of the bus.", "direction")
		c.clusterBytes = desc("cluster_bytes_total", "Bytes in these messages.", "direction")
	}
	if cfg.Relay != nil {
		c.relaySessions = desc("relay_sessions", "TURN allocations open now.")
		c.relayOpened = desc("relay_opened_total", "TURN allocations made.")
		c.relayBytes = desc("relay_bytes_total", "Bytes relayed by TURN, either way.")
		c.relayRefused = desc("relay_refused_total", "TURN allocations refused.")
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.all {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	st := c.cfg.Tracker.Stats()
	set(c.swarms, float64(st.Swarms))
	set(c.peers, float64(st.WebRTCPeers), "webrtc")
	set(c.peers, float64(st.TCPPeers), "tcp")
	set(c.seeders, float64(st.Seeders))
	set(c.conns, float64(st.Conns))
	set(c.httpConns, float64(st.HTTPConns))
	set(c.buffers, float64(st.Buffers))
	set(c.draining, truth(st.Draining))
	set(c.build, 1, c.cfg.Version)
	for code, n := range countries(&st) {
		set(c.countries, float64(n), code)
	}
	for i, k := range counters {
		switch {
		case k.metric == "":
		case k.label == "":
			count(c.counters[i], k.of(&st))
		default:
			count(c.counters[i], k.of(&st), k.value)
		}
	}
	for r, n := range st.Reasons {
		if r := limit.Reason(r); r != limit.None {
			count(c.reasons[r.Kind()], n, r.String())
		}
	}
	c.collectHouse(set)
	if c.cfg.Cluster != nil {
		st := c.cfg.Cluster()
		set(c.clusterConnected, truth(st.Connected))
		set(c.clusterNodes, float64(st.Nodes))
		set(c.clusterDirectory, float64(st.Directory))
		count(c.clusterOffers, st.OffersIn, "in")
		count(c.clusterOffers, st.OffersOut, "out")
		count(c.clusterAnswers, st.AnswersIn, "in")
		count(c.clusterAnswers, st.AnswersOut, "out")
		count(c.clusterUndelivered, st.Undelivered)
		count(c.clusterDropped, st.Dropped)
		count(c.clusterMessages, st.MessagesIn, "in")
		count(c.clusterMessages, st.MessagesOut, "out")
		count(c.clusterBytes, st.BytesIn, "in")
		count(c.clusterBytes, st.BytesOut, "out")
	}
	if c.cfg.Relay != nil {
		st := c.cfg.Relay()
		set(c.relaySessions, float64(st.Sessions))
		count(c.relayOpened, st.Opened)
		count(c.relayBytes, st.Bytes)
		count(c.relayRefused, st.Refused)
	}
}

// collectHouse tells what is no work: limits, certificates, files.
func (c *collector) collectHouse(set func(d *prometheus.Desc, v float64, labels ...string)) {
	if l := c.cfg.Limits; l != nil {
		if l.Conns > 0 {
			set(c.connsLimit, float64(l.Conns))
		}
		set(c.swarmsLimit, float64(l.Swarms))
		set(c.peersLimit, float64(l.Peers))
		set(c.buffersLimit, float64(l.Buffers))
	}
	if c.cfg.Certificates != nil {
		ends := make(map[string]time.Time) // of several with one name, the first that ends
		for _, crt := range c.cfg.Certificates() {
			if end, ok := ends[crt.Name]; !ok || crt.End.Before(end) {
				ends[crt.Name] = crt.End
			}
		}
		for name, end := range ends {
			set(c.certificateEnd, float64(end.Unix()), name)
		}
	}
	if c.cfg.Reload != nil {
		r := c.cfg.Reload()
		set(c.reloadAt, float64(r.At.Unix()))
		set(c.reloadOK, truth(len(r.Failed) == 0))
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
