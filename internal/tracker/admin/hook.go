package admin

import "github.com/prometheus/client_golang/prometheus"

// Hook counts what a web service that decides about announces was asked, and what it said.
type Hook struct {
	Allowed   uint64 `json:"allowed"`    // answers that allow
	Denied    uint64 `json:"denied"`     // answers that deny
	Failed    uint64 `json:"failed"`     // requests without an answer
	Cached    uint64 `json:"cached"`     // announces answered by what was known
	Away      uint64 `json:"away"`       // announces that found the service away
	Full      uint64 `json:"full"`       // announces for which there was no room to ask
	Waiting   int    `json:"waiting"`    // announces that wait for an answer now
	Entries   int    `json:"entries"`    // answers that are kept
	Down      bool   `json:"down"`       // the service is away
	LastError string `json:"last_error"` // of the last request that failed, "" if none has
}

// A hookCollector reads the counts of a Hook when Prometheus asks for them.
type hookCollector struct {
	stats                                    func() Hook
	answers, announces, waiting, entries, up *prometheus.Desc
}

func newHookCollector(stats func() Hook) *hookCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("shoal_tracker_hook_"+name, help, labels, nil)
	}
	return &hookCollector{
		stats:     stats,
		answers:   desc("requests_total", "Questions to the web service that decides about announces, by its answer.", "answer"),
		announces: desc("announces_total", "Announces decided without an answer of their own: by one that was kept, because it is away, because there was no room to ask.", "by"),
		waiting:   desc("waiting", "Announces that wait for its answer."),
		entries:   desc("entries", "Answers that are kept."),
		up:        desc("up", "0 while it is away."),
	}
}

// Describe implements prometheus.Collector.
func (c *hookCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.answers, c.announces, c.waiting, c.entries, c.up} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *hookCollector) Collect(out chan<- prometheus.Metric) {
	st := c.stats()
	count := func(d *prometheus.Desc, label string, n uint64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), label)
	}
	count(c.answers, "allowed", st.Allowed)
	count(c.answers, "denied", st.Denied)
	count(c.answers, "failed", st.Failed)
	count(c.announces, "cache", st.Cached)
	count(c.announces, "away", st.Away)
	count(c.announces, "full", st.Full)
	for d, v := range map[*prometheus.Desc]float64{c.waiting: float64(st.Waiting), c.entries: float64(st.Entries), c.up: truth(!st.Down)} {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
}
