package admin

import (
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/history"
	"github.com/shoal-p2p/shoal/tracker"
)

const (
	// topSwarms is how many swarms past.json and swarms.json name.
	topSwarms = 100
	// swarmsFor is how long the same swarms are shown again: finding them takes a look at all.
	swarmsFor = 30 * time.Second
)

// pastJSON is /past.json.
type pastJSON struct {
	Hours []history.Point `json:"hours"` // of 31 days, oldest first, without those of which nothing is known
	Days  []history.Point `json:"days"`  // of three years
	Top   []topJSON       `json:"top"`   // the swarms with the most downloads, the first one first
}

type topJSON struct {
	InfoHash  string    `json:"info_hash"`
	Name      string    `json:"name,omitempty"` // where known
	Downloads uint64    `json:"downloads"`
	Peak      uint64    `json:"peak"` // the most peers at one time, as far as it was one of the largest swarms
	Seen      time.Time `json:"seen"` // when the last download was, or when it was last one of the largest swarms
}

func (h *Handler) servePast(w http.ResponseWriter, _ *http.Request) {
	past := h.cfg.Past
	sendJSON(w, pastJSON{Hours: past.Hours(), Days: past.Days(), Top: h.top.get(func() []topJSON {
		all := past.Top(topSwarms)
		hashes := make([][20]byte, len(all))
		for i := range all {
			hashes[i] = all[i].InfoHash
		}
		named := h.names.of(hashes)
		out := make([]topJSON, len(all))
		for i, s := range all {
			out[i] = topJSON{hex.EncodeToString(s.InfoHash[:]), named[s.InfoHash], s.Downloads, s.Peak, s.Seen}
		}
		return out
	})})
}

// swarmsJSON is /swarms.json.
type swarmsJSON struct {
	Swarms []swarmJSON `json:"swarms"` // the largest of now, the first one first
}

type swarmJSON struct {
	InfoHash    string `json:"info_hash"`
	Name        string `json:"name,omitempty"` // where known
	Seeders     int    `json:"seeders"`        // of either kind
	WebRTCPeers int    `json:"webrtc_peers"`
	TCPPeers    int    `json:"tcp_peers"`
	Downloads   int    `json:"downloads"`
}

func (h *Handler) serveSwarms(w http.ResponseWriter, _ *http.Request) {
	sendJSON(w, swarmsJSON{h.largest.get(func() []swarmJSON {
		all := h.cfg.Largest(topSwarms)
		named := h.names.of(hashesOf(all))
		out := make([]swarmJSON, len(all))
		for i, s := range all {
			out[i] = swarmJSON{hex.EncodeToString(s.InfoHash[:]), named[s.InfoHash], s.Seeders, s.WebRTCPeers, s.TCPPeers, s.Downloads}
		}
		return out
	})})
}

func hashesOf(swarms []tracker.Swarm) [][20]byte {
	out := make([][20]byte, len(swarms))
	for i := range swarms {
		out[i] = swarms[i].InfoHash
	}
	return out
}

// A kept value is made anew at most every swarmsFor.
type kept[T any] struct {
	mu   sync.Mutex
	made time.Time
	v    T
}

func (k *kept[T]) get(makeIt func() T) T {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); k.made.IsZero() || now.Sub(k.made) >= swarmsFor {
		k.v, k.made = makeIt(), now
	}
	return k.v
}
