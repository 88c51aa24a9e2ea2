package core

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

const (
	// scrapePart is how many swarms one message of a full scrape tells of: some 25 KiB, which clients
	// take that bound messages, and beside which the connection's queue has room for offers.
	scrapePart = 200
	// scrapePause is how long a full scrape waits when the client has not read what it got.
	scrapePause = 20 * time.Millisecond
	// scrapePatience is how long it waits in all for one part.
	scrapePatience = 10 * time.Second
)

// streamScrape answers a full scrape that is too long for one message by several, as fast as the
// client reads. One at a time runs for a connection; it reports false if one does.
func (s *Session) streamScrape(hashes []swarm.Hash) bool {
	if !s.scraping.CompareAndSwap(false, true) {
		return false
	}
	t, c := s.core, *s.client
	t.wg.Go(func() {
		defer s.scraping.Store(false)
		var out []byte
		for part := range slices.Chunk(hashes, scrapePart) {
			m := signal.Reply{Action: signal.ActionScrape}
			for _, h := range part {
				m.Files = append(m.Files, t.scrapeFile(&c, h))
			}
			out = m.Append(out[:0])
			if !s.sendPatiently(out) {
				return
			}
		}
	})
	return true
}

// sendPatiently sends when there is room, and reports false if that does not come.
func (s *Session) sendPatiently(msg []byte) bool {
	for end := time.Now().Add(scrapePatience); ; {
		b := s.core.conns.Begin()
		r := s.conn.Send(b, msg)
		s.core.conns.End(b)
		switch r {
		case limit.None:
			return true
		case limit.ReceiverSlow, limit.ReceiverBuffer:
		default:
			return false
		}
		select {
		case <-s.core.done:
			return false
		case now := <-time.After(scrapePause):
			if now.After(end) {
				return false
			}
		}
	}
}

func (t *Core) scrapeFile(c *Client, h swarm.Hash) signal.ScrapeFile {
	n := t.Scrape(c, h)
	return signal.ScrapeFile{InfoHash: h, Complete: n.Complete, Incomplete: n.Incomplete, Downloaded: n.Downloaded}
}
