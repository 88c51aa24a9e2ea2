package admin

import (
	"math"
	"runtime/metrics"
	"time"

	"github.com/shoal-p2p/shoal/tracker"
)

// A sample is what one reading of all counts said.
type sample struct {
	at     time.Time
	stats  tracker.Stats
	memory uint64        // bytes
	cpu    time.Duration // of the process since its start
}

func read(t Source) sample {
	mem := [2]metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(mem[:])
	return sample{
		at: time.Now(), stats: t.Stats(), cpu: cpuTime(),
		memory: mem[0].Value.Uint64() - mem[1].Value.Uint64(),
	}
}

// A gauge is a count of now.
type gauge struct {
	name string
	of   func(s *sample) float64
}

var gauges = []gauge{
	{"swarms", func(s *sample) float64 { return float64(s.stats.Swarms) }},
	{"webrtc_peers", func(s *sample) float64 { return float64(s.stats.WebRTCPeers) }},
	{"tcp_peers", func(s *sample) float64 { return float64(s.stats.TCPPeers) }},
	{"seeders", func(s *sample) float64 { return float64(s.stats.Seeders) }},
	{"connections", func(s *sample) float64 { return float64(s.stats.Conns) }},
	{"http_connections", func(s *sample) float64 { return float64(s.stats.HTTPConns) }},
	{"buffers_bytes", func(s *sample) float64 { return float64(s.stats.Buffers) }},
	{"memory_bytes", func(s *sample) float64 { return float64(s.memory) }},
}

// A counter only grows.
type counter struct {
	name string // in JSON
	of   func(s *tracker.Stats) uint64

	metric, help, label, value string // for Prometheus; "" where it has the reasons instead
}

var counters = buildCounters()

func buildCounters() []counter {
	var all []counter
	doors := []tracker.Door{tracker.WebSocket, tracker.HTTP, tracker.UDP}
	for _, d := range doors {
		all = append(all, counter{"announces_" + d.String(), func(s *tracker.Stats) uint64 { return s.Announces[d] },
			"announces_total", "Announces taken.", "door", d.String()})
	}
	for _, d := range doors {
		all = append(all, counter{"scrapes_" + d.String(), func(s *tracker.Stats) uint64 { return s.Scrapes[d] },
			"scrapes_total", "Scrape requests answered.", "door", d.String()})
	}
	for _, d := range doors {
		all = append(all, counter{"refused_" + d.String(), func(s *tracker.Stats) uint64 { return s.Refused[d] },
			"refused_total", "Requests answered with a failure.", "door", d.String()})
	}
	return append(all,
		counter{"offers", func(s *tracker.Stats) uint64 { return s.Offers },
			"offers_total", "WebRTC offers relayed.", "", ""},
		counter{"answers", func(s *tracker.Stats) uint64 { return s.Answers },
			"answers_total", "WebRTC answers relayed.", "", ""},
		counter{"unplaced", func(s *tracker.Stats) uint64 { return s.Unplaced },
			"offers_unplaced_total", "WebRTC offers for which no peer was found.", "", ""},
		counter{"dropped", func(s *tracker.Stats) uint64 { return s.Dropped },
			"", "", "", ""},
		counter{"limited", func(s *tracker.Stats) uint64 { return s.Limited },
			"", "", "", ""},
		counter{"malformed", func(s *tracker.Stats) uint64 { return s.Malformed },
			"malformed_total", "Messages and packets that could not be read.", "", ""},
		counter{"accepted", func(s *tracker.Stats) uint64 { return s.Accepted },
			"connections_accepted_total", "WebSocket connections taken.", "", ""},
		counter{"tls_failures", func(s *tracker.Stats) uint64 { return s.TLSFailures },
			"tls_handshake_failures_total", "TLS handshakes that failed, without those of clients that said nothing.", "", ""},
		counter{"messages_in", func(s *tracker.Stats) uint64 { return s.MessagesIn },
			"messages_total", "WebSocket messages.", "direction", "in"},
		counter{"messages_out", func(s *tracker.Stats) uint64 { return s.MessagesOut },
			"messages_total", "WebSocket messages.", "direction", "out"},
		counter{"bytes_in", func(s *tracker.Stats) uint64 { return s.BytesIn },
			"bytes_total", "Bytes of WebSocket connections, without TLS.", "direction", "in"},
		counter{"bytes_out", func(s *tracker.Stats) uint64 { return s.BytesOut },
			"bytes_total", "Bytes of WebSocket connections, without TLS.", "direction", "out"},
	)
}

// perSecond is how fast a counter grew between two samples. A counter that was set
// back counts from zero.
func perSecond(c counter, from, to *sample) float64 {
	a, b := c.of(&from.stats), c.of(&to.stats)
	if b < a {
		a = 0
	}
	return over(float64(b-a), from, to)
}

// cores is the processor time used between two samples, in cores.
func cores(from, to *sample) float64 { return over(max(to.cpu-from.cpu, 0).Seconds(), from, to) }

// over divides by the seconds between two samples. Readings so near each other that the
// quotient says nothing give 0.
func over(n float64, from, to *sample) float64 {
	d := to.at.Sub(from.at)
	if d < 100*time.Millisecond {
		return 0
	}
	return rounded(n / d.Seconds())
}

// success is how many of the offers between two samples were answered, at most 1 since an
// answer may belong to an earlier offer. It is nil where there were none.
func success(from, to *sample) *float64 {
	offers := float64(to.stats.Offers - from.stats.Offers)
	answers := float64(to.stats.Answers - from.stats.Answers)
	if to.stats.Offers <= from.stats.Offers || to.stats.Answers < from.stats.Answers {
		return nil
	}
	rate := rounded(min(answers/offers, 1))
	return &rate
}

func rounded(x float64) float64 { return math.Round(x*1000) / 1000 }

// samples are the last ones in a ring, oldest first. One more than asked for is
// kept, so that each of them has one before it to grow from.
type samples struct {
	ring []sample
	size int
	next int
}

func newSamples(size int) samples { return samples{size: size + 1} }

func (h *samples) add(s sample) {
	if len(h.ring) < h.size {
		h.ring = append(h.ring, s)
		return
	}
	h.ring[h.next] = s
	h.next = (h.next + 1) % h.size
}

// at returns the i-th of the samples, from the oldest.
func (h *samples) at(i int) *sample { return &h.ring[(h.next+i)%len(h.ring)] }

// before returns the newest sample of t or earlier, or the oldest there is.
func (h *samples) before(t time.Time) *sample {
	for i := len(h.ring) - 1; i > 0; i-- {
		if s := h.at(i); !s.at.After(t) {
			return s
		}
	}
	return h.at(0)
}
