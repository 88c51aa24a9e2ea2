//go:build !js

package shoal

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Stats is how far a torrent is.
type Stats struct {
	// Pieces counts the pieces, 0 while unknown; Have those that are stored.
	Pieces, Have int
	// Lost counts the pieces that were stored, are not what they were any more, and are
	// not fetched again: a shared file was changed or moved away. They count again as
	// soon as it is as it was.
	Lost int
	// Left is what is wanted and not stored yet, in bytes of whole pieces; -1 while
	// unknown.
	Left int64
	// Wanted is what is wanted, stored or not, in bytes of whole pieces; 0 while
	// unknown.
	Wanted int64
	// Downloaded and Uploaded count the bytes of content that passed since the
	// torrent was added.
	Downloaded, Uploaded int64
	// Ratio is Uploaded by Downloaded, or by the torrent's size where it was complete
	// from the start. Seeded is how long it has been seeded, up to five seconds ago.
	// Both count earlier runs too where Config.StateDir keeps them.
	Ratio  float64
	Seeded time.Duration
	// DownRate and UpRate are bytes a second, averaged over the last five seconds,
	// or since the calls of Stats before that; 0 in the first call.
	DownRate, UpRate float64
	// Peers counts the connections.
	Peers int
	// Sources counts those, web seeds too, that have something which is wanted and not
	// stored yet.
	Sources int
}

// Stats returns a snapshot. It never waits for the torrent's own work, so it may be
// called at any rate, for thousands of torrents.
func (t *Torrent) Stats() Stats {
	var s Stats
	s.Downloaded, s.Uploaded, s.Left = t.n.Totals()
	s.Ratio, s.Seeded = t.n.Ratio(), t.n.Seeded()
	s.Lost = t.n.NumGone()
	s.Peers, s.Sources = t.n.NumPeers(), t.n.Stats().Useful
	if info := t.Info(); info != nil {
		s.Pieces, s.Have, s.Wanted = info.NumPieces(), t.n.NumHave(), t.wishes.size(info)
	}
	s.DownRate, s.UpRate = t.rates.sample(time.Now(), s.Downloaded, s.Uploaded)
	return s
}

const (
	rateWindow  = 5 * time.Second
	rateSamples = 16
)

// rates turns totals that are looked at now and then into rates.
type rates struct {
	mu      sync.Mutex
	samples []rateSample // oldest first, rateWindow/rateSamples apart or more
}

type rateSample struct {
	at       time.Time
	down, up int64
}

func (r *rates) sample(now time.Time, down, up int64) (downRate, upRate float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.samples) > 1 && now.Sub(r.samples[1].at) >= rateWindow {
		r.samples = slices.Delete(r.samples, 0, 1)
	}
	if n := len(r.samples); n == 0 || now.Sub(r.samples[n-1].at) >= rateWindow/rateSamples {
		r.samples = append(r.samples, rateSample{now, down, up})
	}
	oldest := r.samples[0]
	dt := now.Sub(oldest.at).Seconds()
	if dt <= 0 {
		return 0, 0
	}
	return float64(down-oldest.down) / dt, float64(up-oldest.up) / dt
}

// Peer is a snapshot of one connection.
type Peer struct {
	ID        PeerID
	Addr      string  // host:port, "" where unknown
	Transport string  // tcp, webrtc, http or custom
	Client    string  // what the peer calls itself, a stranger's text; a web seed's URL
	Progress  float64 // of the peer, 0 to 1
	// DownRate and UpRate are bytes of content a second, Downloaded and Uploaded
	// those of the whole connection, all from our side.
	DownRate, UpRate     float64
	Downloaded, Uploaded int64
	// Choking says that we do not serve the peer, Choked that it does not serve us.
	Choking, Choked bool
	// Extensions are those of Config.Extensions that the peer speaks too.
	Extensions []string
}

// Peers returns a snapshot of every connection, busiest first.
func (t *Torrent) Peers() []Peer {
	stats := t.n.Stats()
	list := make([]Peer, 0, len(stats.Peers))
	for i := range stats.Peers {
		p := &stats.Peers[i]
		kind := p.Kind.String()
		if p.Kind == customKind {
			kind = "custom"
		}
		list = append(list, Peer{
			ID: PeerID(p.Peer), Addr: p.Addr, Transport: kind, Client: p.Client, Progress: p.Progress, DownRate: p.Down, UpRate: p.Up,
			Downloaded: p.TotalDown, Uploaded: p.TotalUp, Choking: p.Choking, Choked: p.Choked,
			Extensions: p.Extensions,
		})
	}
	slices.SortStableFunc(list, func(a, b Peer) int { return int(b.DownRate + b.UpRate - a.DownRate - a.UpRate) })
	return list
}

// TrackerStatus is what a tracker said last.
type TrackerStatus struct {
	URL string
	// Seeders and Leechers are those that the tracker counts, -1 where it did not say.
	Seeders, Leechers int
	// Err is why the last announce failed, nil when it succeeded.
	Err error
	// Warning is what the tracker wants its user to read.
	Warning string
	// Next is when it will be asked again, the zero time when that is not planned.
	Next time.Time
}

// Trackers returns what each tracker said last, sorted by URL. One that has not
// been asked yet is not among them.
func (t *Torrent) Trackers() []TrackerStatus {
	var list []TrackerStatus
	for url, s := range t.n.Trackers() {
		list = append(list, TrackerStatus{url, s.Seeders, s.Leechers, s.Err, s.Warning, s.NextAnnounce})
	}
	slices.SortFunc(list, func(a, b TrackerStatus) int { return strings.Compare(a.URL, b.URL) })
	return list
}

// WebSeedStatus is what is known of an HTTP server that is said to have the content.
type WebSeedStatus struct {
	URL string
	// Err is what went wrong last, nil if nothing did.
	Err error
	// GivenUp says that it will not be asked again.
	GivenUp bool
}

// WebSeeds returns what is known of each web seed, in the order in which they are asked.
func (t *Torrent) WebSeeds() []WebSeedStatus {
	var list []WebSeedStatus
	for _, s := range t.n.WebSeeds() {
		list = append(list, WebSeedStatus{s.URL, s.Err, s.GivenUp})
	}
	return list
}
