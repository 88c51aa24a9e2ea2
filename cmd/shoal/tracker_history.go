package main

import (
	"context"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/history"
	"github.com/shoal-p2p/shoal/tracker"
)

// historyEvery is how often counts are read and written: what a crash may lose.
const historyEvery = 30 * time.Second

// largestSeen is of how many swarms the history keeps the most peers: those that are largest at one time.
const largestSeen = 100

// A memory is a history as the tracker writes to it.
type memory struct{ *history.Store }

func (m memory) Completed(h [20]byte) { m.Store.Completed(h, time.Now()) }

// openHistory opens the file of the history, nil if there is none. A tracker that cannot keep it
// serves all the same.
func (p *trackerPlan) openHistory() *history.Store {
	if p.history == "" {
		return nil
	}
	s, err := history.Open(p.history, history.Config{})
	if err != nil {
		p.log.Error("nothing is kept over restarts", "error", oneLine(err))
		return nil
	}
	return s
}

// keepHistory adds the tracker's counts until ctx is done.
func (p *trackerPlan) keepHistory(ctx context.Context, s *history.Store, t *tracker.Tracker) {
	tick := time.NewTicker(historyEvery)
	defer tick.Stop()
	for {
		addTo(s, t)
		if err := s.Flush(time.Now()); err != nil {
			p.log.Error("the history is not written", "error", oneLine(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// closeHistory adds the last counts and closes the file.
func (p *trackerPlan) closeHistory(s *history.Store, t *tracker.Tracker) {
	addTo(s, t)
	if err := s.Close(time.Now()); err != nil {
		p.log.Error("the history is not written", "error", oneLine(err))
	}
}

func addTo(s *history.Store, t *tracker.Tracker) {
	for _, l := range t.Largest(largestSeen) {
		if peers := l.WebRTCPeers + l.TCPPeers; peers > 1 {
			s.Seen(l.InfoHash, peers, time.Now())
		}
	}
	n := t.Stats()
	var announces, refused uint64
	for i := range n.Announces {
		announces += n.Announces[i]
		refused += n.Refused[i]
	}
	s.Add(history.Sample{
		Swarms: uint64(n.Swarms), WebRTCPeers: uint64(n.WebRTCPeers), TCPPeers: uint64(n.TCPPeers),
		Seeders: uint64(n.Seeders), Connections: uint64(n.Conns),
		Announces: announces, Offers: n.Offers, Answers: n.Answers, Refused: refused, BytesIn: n.BytesIn, BytesOut: n.BytesOut,
	}, time.Now())
}
