package admin

import (
	"encoding/hex"
	"net/http"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/history"
)

// topSwarms is how many swarms past.json names.
const topSwarms = 100

// pastJSON is /past.json.
type pastJSON struct {
	Hours []history.Point `json:"hours"` // of 31 days, oldest first, without those of which nothing is known
	Days  []history.Point `json:"days"`  // of three years
	Top   []topJSON       `json:"top"`   // the swarms with the most downloads, the first one first
}

type topJSON struct {
	InfoHash  string    `json:"info_hash"`
	Downloads uint64    `json:"downloads"`
	Seen      time.Time `json:"seen"` // when the last download was
}

func (h *Handler) servePast(w http.ResponseWriter, _ *http.Request) {
	past := h.cfg.Past
	out := pastJSON{Hours: past.Hours(), Days: past.Days(), Top: []topJSON{}}
	for _, s := range past.Top(topSwarms) {
		out.Top = append(out.Top, topJSON{hex.EncodeToString(s.InfoHash[:]), s.Downloads, s.Seen})
	}
	sendJSON(w, out)
}
