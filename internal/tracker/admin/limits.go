package admin

import (
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/tracker"
)

// limitJSON is a limit in force: one that is off is not listed.
type limitJSON struct {
	Setting string   `json:"setting"`         // its name in the settings
	Limit   float64  `json:"limit"`           // in Unit
	Unit    string   `json:"unit"`            // "" for a number, "bytes", "per_second" or "bytes_per_second"
	Burst   int      `json:"burst,omitempty"` // of a rate: how many may come at once
	Used    *float64 `json:"used"`            // of Limit, now; null where it is not counted
	Reason  string   `json:"reason"`          // what is counted when it is reached
	Hits    uint64   `json:"hits"`            // how often it was, since the start
}

// limits lists the limits in force; s is what the tracker counts now.
func (h *Handler) limits(s *tracker.Stats, relay *Relay) []limitJSON {
	out := []limitJSON{}
	add := func(setting string, most float64, unit string, used float64, why limit.Reason) {
		if most <= 0 {
			return
		}
		l := limitJSON{Setting: setting, Limit: most, Unit: unit, Reason: why.String(), Hits: s.Reasons[why]}
		if used >= 0 {
			l.Used = &used
		}
		out = append(out, l)
	}
	const each = -1 // nobody counts the use of each client
	number := func(setting string, most, used int, why limit.Reason) {
		add(setting, float64(most), "", float64(used), why)
	}
	rate := func(setting string, r tracker.Rate, why limit.Reason) {
		if add(setting, r.PerSecond, "per_second", each, why); r.PerSecond > 0 {
			out[len(out)-1].Burst = r.Burst
		}
	}
	if l := h.cfg.Limits; l != nil {
		number("max-conns", l.Conns, s.Conns+s.HTTPConns, limit.Conns)
		number("max-conns-per-addr", l.ConnsPerAddr, each, limit.ConnsPerAddr)
		number("max-conns-per-prefix", l.ConnsPerPrefix, each, limit.ConnsPerPrefix)
		rate("connect-rate-per-addr", l.ConnectsPerAddr, limit.ConnectRate)
		number("max-swarms", l.Swarms, s.Swarms, limit.Full)
		number("max-peers", l.Peers, s.WebRTCPeers+s.TCPPeers, limit.Full)
		number("max-peers-per-conn", l.PeersPerConn, each, limit.PeersPerConn)
		number("max-peers-per-addr", l.PeersPerAddr, each, limit.PeersPerAddr)
		add("max-buffers", float64(l.Buffers), "bytes", float64(s.Buffers), limit.Buffers)
		add("max-message", float64(l.Message), "bytes", each, limit.MessageSize)
		rate("announce-rate-per-conn", l.AnnouncesPerConn, limit.AnnouncesPerConn)
		rate("announce-rate-per-addr", l.AnnouncesPerAddr, limit.AnnouncesPerAddr)
		rate("announce-rate-per-prefix", l.AnnouncesPerPrefix, limit.AnnouncesPerPrefix)
		rate("offer-rate-per-conn", l.OffersPerConn, limit.OffersPerConn)
	}
	if relay != nil {
		number("turn-max-sessions", relay.MaxSessions, relay.Sessions, limit.RelaySessions)
		add("turn-total-rate", float64(relay.TotalRate), "bytes_per_second", each, limit.RelayRate)
	}
	return out
}
