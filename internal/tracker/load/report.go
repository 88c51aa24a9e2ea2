package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// A Report says what a run saw. Times of the measurement are those after the warmup.
type Report struct {
	Profile  string   `json:"profile"`
	URLs     []string `json:"urls"`
	Seconds  float64  `json:"seconds"` // of the measurement
	Conns    int64    `json:"connections"`
	Failed   int64    `json:"connections_failed"`
	Lost     int64    `json:"connections_lost"`
	Interval float64  `json:"interval_seconds,omitempty"`

	// As the tracker counts them: in is what it received.
	InPerSecond       float64 `json:"messages_in_per_second"`
	OutPerSecond      float64 `json:"messages_out_per_second"`
	BytesInPerSecond  float64 `json:"bytes_in_per_second"`
	BytesOutPerSecond float64 `json:"bytes_out_per_second"`

	// Of the trackers' processes, if they were named.
	CPU           float64 `json:"cpu_cores,omitempty"`
	CPUPerMessage float64 `json:"cpu_us_per_message,omitempty"`
	CPUPerConn    float64 `json:"cpu_us_per_connection,omitempty"` // to open it, with the first announce
	RSSBefore     float64 `json:"rss_before_mib,omitempty"`
	RSS           float64 `json:"rss_mib,omitempty"`
	RSSPeak       float64 `json:"rss_peak_mib,omitempty"`
	KiBPerConn    float64 `json:"kib_per_connection,omitempty"`

	Announces        int64 `json:"announces"`
	Skipped          int64 `json:"announces_skipped"` // due while the one before had no reply
	Replies          int64 `json:"replies"`
	Offers           int64 `json:"offers"`
	Deliverable      int64 `json:"offers_deliverable"` // for which there was a peer; 0 in lock-step, where that is not known
	Delivered        int64 `json:"offers_delivered"`
	Answers          int64 `json:"answers"`
	AnswersDelivered int64 `json:"answers_delivered"`

	ReplyLatency  Latency `json:"announce_to_reply"`
	OfferLatency  Latency `json:"offer_to_peer"`
	AnswerLatency Latency `json:"offer_to_answer"`

	Errors map[string]int `json:"errors"`

	Cluster *Cluster `json:"cluster,omitempty"`
	Attack  *Attack  `json:"attack,omitempty"` // of a hostile profile; all else is of the honest peers
	UDP     *Report  `json:"udp,omitempty"`    // of honest UDP clients beside spoofed packets
}

func (g *generator) report() *Report {
	c, w := &g.counts, g.window
	s := max(w.duration.Seconds(), 1e-9)
	const mib = 1 << 20
	r := &Report{
		Profile: g.Profile, URLs: g.URLs, Seconds: w.duration.Seconds(), Interval: g.Interval.Seconds(),
		Conns: c.connected.Load(), Failed: c.failed.Load(), Lost: c.lost.Load(),
		InPerSecond: float64(w.in) / s, OutPerSecond: float64(w.out) / s,
		BytesInPerSecond: float64(w.bytesIn) / s, BytesOutPerSecond: float64(w.bytesOut) / s,
		Announces: c.announces.Load(), Skipped: c.skipped.Load(), Replies: c.replies.Load(),
		Offers: c.offers.Load(), Deliverable: c.deliverable.Load(), Delivered: c.delivered.Load(),
		Answers: c.answers.Load(), AnswersDelivered: c.answered.Load(),
		ReplyLatency: c.reply.latency(), OfferLatency: c.offer.latency(), AnswerLatency: c.answer.latency(),
		Errors: g.errs.all(), Attack: g.attack, UDP: g.beside, Cluster: g.cluster,
	}
	if len(g.PIDs) > 0 {
		r.CPU = w.cpu.Seconds() / s
		// A few heartbeats say nothing, and what an attack costs is not the peers' doing.
		if n := w.in + w.out; n >= 1000 && g.attack == nil {
			r.CPUPerMessage = float64(w.cpu/time.Nanosecond) / 1e3 / float64(n)
		}
		if r.Conns >= 1000 && g.attack == nil {
			r.CPUPerConn = float64(g.opening/time.Nanosecond) / 1e3 / float64(r.Conns)
		}
		r.RSSBefore, r.RSS, r.RSSPeak = float64(g.empty.rss)/mib, float64(g.full.rss)/mib, float64(g.full.peak)/mib
		// A tracker that was busy before may have less now.
		if n := r.Conns - r.Lost; n > 0 && g.attack == nil && g.full.rss > g.empty.rss {
			r.KiBPerConn = float64(g.full.rss-g.empty.rss) / 1024 / float64(n)
		}
	}
	return r
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	p := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-22s "+format+"\n", append([]any{name}, args...)...)
	}
	p("profile", "%s for %.1f s", r.Profile, r.Seconds)
	p("connections", "%d open, %d failed, %d lost", r.Conns, r.Failed, r.Lost)
	p("messages", "%.0f/s in, %.0f/s out, %.0f/s together", r.InPerSecond, r.OutPerSecond, r.InPerSecond+r.OutPerSecond)
	p("bytes", "%.1f MB/s in, %.1f MB/s out", r.BytesInPerSecond/1e6, r.BytesOutPerSecond/1e6)
	if r.RSS > 0 {
		p("CPU", "%.2f cores%s", r.CPU, some(", %.2f µs per message", r.CPUPerMessage))
		if r.CPUPerConn > 0 {
			p("CPU of opening", "%.0f µs per connection", r.CPUPerConn)
		}
		p("memory", "%.1f MiB before, %.1f MiB then (peak %.1f)%s", r.RSSBefore, r.RSS, r.RSSPeak, some(": %.2f KiB per connection", r.KiBPerConn))
	}
	p("announces", "%d, replies %d, skipped %d", r.Announces, r.Replies, r.Skipped)
	if r.Offers > 0 {
		p("offers", "%d sent, %d deliverable, %d delivered%s", r.Offers, r.Deliverable, r.Delivered, share(r.Delivered, r.Deliverable))
		p("answers", "%d sent, %d delivered%s", r.Answers, r.AnswersDelivered, share(r.AnswersDelivered, r.Answers))
	}
	for _, l := range []struct {
		name string
		Latency
	}{{"announce to reply", r.ReplyLatency}, {"offer to peer", r.OfferLatency}, {"offer to answer", r.AnswerLatency}} {
		if l.Count > 0 {
			p(l.name, "p50 %.2f ms, p90 %.2f, p99 %.2f, max %.1f", l.P50, l.P90, l.P99, l.Max)
		}
	}
	if r.Cluster != nil {
		r.Cluster.print(p)
	}
	if r.Attack != nil {
		r.Attack.print(p)
	}
	if r.UDP != nil {
		p("honest by UDP", "%d announces, %d replies, p99 %.2f ms", r.UDP.Announces, r.UDP.Replies, r.UDP.ReplyLatency.P99)
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Errors)) {
		p("error", "%d x %s", r.Errors[kind], kind)
	}
}

// some is empty for zero.
func some(format string, v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(format, v)
}

func share(part, whole int64) string {
	if whole == 0 {
		return ""
	}
	return fmt.Sprintf(" (%.2f %%)", 100*float64(part)/float64(whole))
}
