package signal

// The bounds of texts from a tracker, in bytes.
const maxText = 300

// The keys of a reply, as bits of reader.seen.
const (
	keyFailure = iota + 16
	keyWarning
	keyInterval
	keyMinInterval
	keyComplete
	keyIncomplete
	keyOffer
	keyFiles
	keyICEServers
)

// Parse reads a tracker's message. Offer, Answer and ICEServers alias b, Files is reused.
// Errors are of type *SyntaxError or *FieldError.
//
// Trackers answer what they cannot read with a failure that has neither action
// nor info hash; it parses as the failure of an announce, with HasInfoHash
// false.
func (m *Reply) Parse(b []byte, lim Limits) error {
	*m = Reply{Files: m.Files[:0], Complete: -1, Incomplete: -1}
	r := reader{lim: lim.withDefaults()}
	r.b = b
	if len(b) > r.lim.MaxMessage {
		r.fail("message too large")
		return r.err()
	}
	hasAction := m.read(&r)
	if r.msg == "" && r.field == "" {
		m.check(&r, hasAction)
	}
	return r.finish()
}

func (m *Reply) read(r *reader) (hasAction bool) {
	r.open('{')
	for first := true; r.more(first, '}'); first = false {
		key, ok := r.key(&r.fbuf)
		if !ok {
			return
		}
		switch string(key) {
		case "action":
			r.once("action", keyAction)
			hasAction = true
			m.Action = r.action()
		case "info_hash":
			r.once("info_hash", keyInfoHash)
			m.HasInfoHash = r.id("info_hash", &m.InfoHash)
		case "failure reason":
			r.once("failure reason", keyFailure)
			if m.FailureReason = r.text(maxText); m.FailureReason == "" {
				m.FailureReason = "no reason given"
			}
		case "warning message":
			r.once("warning message", keyWarning)
			m.WarningMessage = r.text(maxText)
		case "interval":
			r.once("interval", keyInterval)
			m.Interval = r.small(0)
		case "min interval", "min_interval":
			m.MinInterval = r.small(0)
		case "complete":
			r.once("complete", keyComplete)
			m.Complete = r.small(-1)
		case "incomplete":
			r.once("incomplete", keyIncomplete)
			m.Incomplete = r.small(-1)
		case "tracker id", "trackerid":
			m.TrackerID = r.token(maxToken)
		case "peer_id":
			r.once("peer_id", keyPeerID)
			r.mark(gotPeer, r.id("peer_id", &m.PeerID))
		case "offer_id":
			r.once("offer_id", keyOfferID)
			r.mark(gotOffer, r.id("offer_id", &m.OfferID))
		case "offer":
			r.once("offer", keyOffer)
			m.Offer = r.description("offer")
		case "answer":
			r.once("answer", keyAnswer)
			m.Answer = r.description("answer")
		case "files":
			r.once("files", keyFiles)
			m.readFiles(r)
		case "ice_servers":
			r.once("ice_servers", keyICEServers)
			m.ICEServers = r.array(MaxICEServers)
		default:
			r.skip()
		}
	}
	return hasAction
}

// check looks at the message as a whole.
func (m *Reply) check(r *reader, hasAction bool) {
	if !hasAction {
		if m.FailureReason == "" {
			r.bad("action", whyMissing)
			return
		}
		m.Action = ActionAnnounce
	}
	if m.Action == ActionAnnounce && m.FailureReason == "" && !m.HasInfoHash {
		r.bad("info_hash", whyMissing)
	}
	if len(m.Offer) > 0 || len(m.Answer) > 0 {
		r.need("peer_id", gotPeer)
		r.need("offer_id", gotOffer)
		if len(m.Offer) > 0 && len(m.Answer) > 0 {
			r.bad("answer", "comes with an offer")
		}
	}
}

func (m *Reply) readFiles(r *reader) {
	if r.peek() != '{' {
		if r.peek() != 'n' {
			r.bad("files", "is no object")
		}
		r.skip()
		return
	}
	r.open('{')
	for first := true; r.more(first, '}'); first = false {
		raw, _, ok := r.str()
		if !ok {
			return
		}
		var f ScrapeFile
		if !decodeID(raw, &f.InfoHash) {
			r.bad("files", whyID)
		}
		if r.peek() != ':' {
			r.fail("missing colon")
			return
		}
		r.i++
		if r.peek() != '{' {
			r.bad("files", "is no object of objects")
			r.skip()
			continue
		}
		r.file(&f)
		if len(m.Files) < r.lim.MaxHashes {
			m.Files = append(m.Files, f)
		}
	}
}

func (r *reader) file(f *ScrapeFile) {
	r.open('{')
	for first := true; r.more(first, '}'); first = false {
		key, ok := r.key(&r.fbuf)
		if !ok {
			return
		}
		switch string(key) {
		case "complete":
			f.Complete = r.small(0)
		case "incomplete":
			f.Incomplete = r.small(0)
		case "downloaded":
			f.Downloaded = r.small(0)
		default:
			r.skip()
		}
	}
}
