package signal

import "strconv"

// Append appends the message that announces a to a tracker. Offers without an
// id or a description are left out. What a does not know is left out too: a
// left of null makes a seeder of its sender at bittorrent-tracker.
func (a *Announce) Append(dst []byte) []byte {
	dst = append(dst, `{"action":"announce","info_hash":`...)
	dst = appendID(dst, &a.InfoHash)
	dst = append(dst, `,"peer_id":`...)
	dst = appendID(dst, &a.PeerID)
	if a.HasAnswer {
		dst = append(dst, `,"to_peer_id":`...)
		dst = appendID(dst, &a.ToPeerID)
		dst = append(dst, `,"offer_id":`...)
		dst = appendID(dst, &a.OfferID)
		dst = append(dst, `,"answer":{"type":"answer","sdp":"`...)
		dst = append(append(dst, a.Answer...), `"}`...)
	} else {
		dst = a.appendCounts(dst)
	}
	if len(a.Key) > 0 {
		dst = appendText(dst, `,"key":"`, string(a.Key))
	}
	if a.TrackerID != "" {
		dst = appendText(dst, `,"trackerid":"`, a.TrackerID)
	}
	return append(dst, '}')
}

func (a *Announce) appendCounts(dst []byte) []byte {
	if a.NumWant >= 0 {
		dst = appendInt(dst, `,"numwant":`, int64(a.NumWant))
	}
	dst = appendInt(dst, `,"uploaded":`, a.Uploaded)
	dst = appendInt(dst, `,"downloaded":`, a.Downloaded)
	if a.Left >= 0 {
		dst = appendInt(dst, `,"left":`, a.Left)
	}
	if a.Event != EventUpdate {
		dst = appendText(dst, `,"event":"`, string(a.Event))
	}
	if a.WantsICE {
		dst = append(dst, `,"ice":1`...)
	}
	first := true
	for i := range a.Offers {
		o := &a.Offers[i]
		if !o.HasID || len(o.SDP) == 0 {
			continue
		}
		if first {
			dst = append(dst, `,"offers":[`...)
			first = false
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"offer":{"type":"offer","sdp":"`...)
		dst = append(dst, o.SDP...)
		dst = append(dst, `"},"offer_id":`...)
		dst = append(appendID(dst, &o.ID), '}')
	}
	if !first {
		dst = append(dst, ']')
	}
	return dst
}

// Append appends the message that asks a tracker for counts.
func (s *ScrapeRequest) Append(dst []byte) []byte {
	dst = append(dst, `{"action":"scrape"`...)
	switch {
	case s.All:
	case len(s.Hashes) == 1:
		dst = append(dst, `,"info_hash":`...)
		dst = appendID(dst, &s.Hashes[0])
	default:
		dst = append(dst, `,"info_hash":[`...)
		for i := range s.Hashes {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendID(dst, &s.Hashes[i])
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// Append appends the message to a client. A failure gets both an action and an
// info hash, whatever m has of them.
func (m *Reply) Append(dst []byte) []byte {
	if m.Action == ActionScrape {
		dst = append(dst, `{"action":"scrape"`...)
		if m.FailureReason == "" {
			return append(m.appendFiles(dst), '}')
		}
	} else {
		dst = append(dst, `{"action":"announce"`...)
	}
	dst = append(dst, `,"info_hash":`...)
	dst = appendID(dst, &m.InfoHash)
	switch {
	case m.FailureReason != "":
		dst = appendText(dst, `,"failure reason":"`, m.FailureReason)
	case len(m.Offer) > 0:
		dst = m.appendRelay(dst, `,"offer":{"type":"offer","sdp":"`, m.Offer)
	case len(m.Answer) > 0:
		dst = m.appendRelay(dst, `,"answer":{"type":"answer","sdp":"`, m.Answer)
	default:
		dst = m.appendCounts(dst)
	}
	return append(dst, '}')
}

func (m *Reply) appendRelay(dst []byte, before string, sdp SDP) []byte {
	dst = append(dst, `,"peer_id":`...)
	dst = appendID(dst, &m.PeerID)
	dst = append(dst, `,"offer_id":`...)
	dst = appendID(dst, &m.OfferID)
	dst = append(append(dst, before...), sdp...)
	return append(dst, `"}`...)
}

func (m *Reply) appendCounts(dst []byte) []byte {
	if m.Interval > 0 {
		dst = appendInt(dst, `,"interval":`, int64(m.Interval))
	}
	if m.MinInterval > 0 {
		// libtorrent reads the second one, webtorrent.js the first.
		dst = appendInt(dst, `,"min interval":`, int64(m.MinInterval))
		dst = appendInt(dst, `,"min_interval":`, int64(m.MinInterval))
	}
	if m.Complete >= 0 {
		dst = appendInt(dst, `,"complete":`, int64(m.Complete))
	}
	if m.Incomplete >= 0 {
		dst = appendInt(dst, `,"incomplete":`, int64(m.Incomplete))
	}
	if m.WarningMessage != "" {
		dst = appendText(dst, `,"warning message":"`, m.WarningMessage)
	}
	if m.TrackerID != "" {
		dst = appendText(dst, `,"tracker id":"`, m.TrackerID)
	}
	if len(m.ICEServers) > 0 && len(m.ICEServers) <= MaxICEServers {
		dst = append(append(dst, `,"ice_servers":`...), m.ICEServers...)
	}
	return dst
}

func (m *Reply) appendFiles(dst []byte) []byte {
	dst = append(dst, `,"files":{`...)
	for i := range m.Files {
		f := &m.Files[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendID(dst, &f.InfoHash)
		dst = appendInt(dst, `:{"complete":`, int64(f.Complete))
		dst = appendInt(dst, `,"incomplete":`, int64(f.Incomplete))
		dst = appendInt(dst, `,"downloaded":`, int64(f.Downloaded))
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// AppendError appends the failure that answers a request which Parse refused
// with err. req is what Parse left of it.
func AppendError(dst []byte, req *Request, err error) []byte {
	m := Reply{Action: req.Action, InfoHash: req.Announce.InfoHash, FailureReason: err.Error()}
	return m.Append(dst)
}

func appendInt(dst []byte, before string, n int64) []byte {
	return strconv.AppendInt(append(dst, before...), n, 10)
}

// appendText appends a string up to its closing quote; before has the opening
// one.
func appendText(dst []byte, before, text string) []byte {
	return append(appendEncoded(append(dst, before...), text), '"')
}
