//go:build js

package browser

// totals are the payload bytes that have passed since the engine started.
type totals struct{ fromPeers, fromWebSeeds, toPeers int64 }

func (s *totals) add(t *tabTorrent) {
	down, up, _ := t.Totals()
	web := t.Stats().FromWebSeeds
	s.fromPeers += max(down-web, 0)
	s.fromWebSeeds += web
	s.toPeers += up
}

// sendTotals tells the page of all torrents together, those that were removed included, when
// something has passed.
func (c *Client) sendTotals(list []*tabTorrent) {
	c.mu.Lock()
	sum := c.past
	c.mu.Unlock()
	for _, t := range list {
		sum.add(t)
	}
	if sum == c.told {
		return
	}
	c.told = sum
	event(map[string]any{
		"type":      "totals",
		"fromPeers": sum.fromPeers, "fromWebSeeds": sum.fromWebSeeds, "toPeers": sum.toPeers,
	})
}
