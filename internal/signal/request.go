package signal

// Parse reads a client's message. Session descriptions and Key alias b; the
// slices of m are reused. Errors are of type *SyntaxError or *FieldError; m
// then holds what was found of the action and the info hash, for AppendError.
func (m *Request) Parse(b []byte, lim Limits) error {
	offers, hashes := m.Announce.Offers[:0], m.Scrape.Hashes[:0]
	*m = Request{}
	m.Announce.NumWant, m.Announce.Left = NumWantUnset, LeftUnknown
	m.Announce.Offers, m.Scrape.Hashes = offers, hashes

	r := reader{lim: lim.withDefaults()}
	r.b = b
	if len(b) > r.lim.MaxMessage {
		r.fail("message too large")
		return r.err()
	}
	m.read(&r)
	if err := r.finish(); err != nil {
		return err
	}
	if m.Action == ActionScrape {
		m.Announce = Announce{Offers: offers}
		return nil
	}
	m.Announce.CandidatesCut = r.cut
	return m.check(&r)
}

// The keys of a request, as bits of reader.seen.
const (
	keyAction = iota
	keyInfoHash
	keyPeerID
	keyToPeerID
	keyOfferID
	keyOffers
	keyAnswer
	keyEvent
	keyNumWant
	keyUploaded
	keyDownloaded
	keyLeft
	keyKey
	keyTrackerID
	keyICE
)

// The ids of a message, as bits of reader.got.
const (
	gotHash = 1 << iota
	gotPeer
	gotToPeer
	gotOffer
)

func (m *Request) read(r *reader) {
	a := &m.Announce
	m.Scrape.All = true
	r.open('{')
	for first := true; r.more(first, '}'); first = false {
		key, ok := r.key(&r.fbuf)
		if !ok {
			return
		}
		switch string(key) {
		case "action":
			r.once("action", keyAction)
			m.Action = r.action()
		case "info_hash":
			r.once("info_hash", keyInfoHash)
			m.readInfoHash(r)
		case "peer_id":
			r.once("peer_id", keyPeerID)
			r.mark(gotPeer, r.id("peer_id", &a.PeerID))
		case "to_peer_id":
			r.once("to_peer_id", keyToPeerID)
			r.mark(gotToPeer, r.id("to_peer_id", &a.ToPeerID))
		case "offer_id":
			r.once("offer_id", keyOfferID)
			r.mark(gotOffer, r.id("offer_id", &a.OfferID))
		case "offers":
			r.once("offers", keyOffers)
			m.readOffers(r)
		case "answer":
			r.once("answer", keyAnswer)
			a.HasAnswer = r.peek() != 'n'
			a.Answer = r.description("answer")
		case "event":
			r.once("event", keyEvent)
			a.Event = r.event()
		case "numwant":
			r.once("numwant", keyNumWant)
			a.NumWant = r.small(NumWantUnset)
		case "uploaded":
			r.once("uploaded", keyUploaded)
			a.Uploaded = r.count(0)
		case "downloaded":
			r.once("downloaded", keyDownloaded)
			a.Downloaded = r.count(0)
		case "left":
			r.once("left", keyLeft)
			a.Left = r.left()
		case "key":
			r.once("key", keyKey)
			a.Key = r.clientKey()
		case "trackerid":
			r.once("trackerid", keyTrackerID)
			a.TrackerID = r.token(maxToken)
		case "ice":
			r.once("ice", keyICE)
			a.WantsICE = r.count(0) > 0
		default:
			r.skip()
		}
	}
	if m.Action == 0 {
		r.bad("action", whyMissing)
	}
}

// maxToken bounds tracker ids and client keys, in bytes of their JSON form.
const maxToken = 256

// check looks at an announce as a whole.
func (m *Request) check(r *reader) error {
	a := &m.Announce
	r.need("info_hash", gotHash)
	r.need("peer_id", gotPeer)
	if a.HasAnswer {
		r.need("to_peer_id", gotToPeer)
		r.need("offer_id", gotOffer)
		if len(a.Answer) == 0 {
			r.bad("answer", "has no sdp")
		}
	}
	m.Scrape = ScrapeRequest{Hashes: m.Scrape.Hashes[:0]}
	return r.finish()
}

func (r *reader) action() Action {
	if r.peek() == '"' {
		switch raw, _, _ := r.str(); string(raw) {
		case "announce":
			return ActionAnnounce
		case "scrape":
			return ActionScrape
		}
	} else {
		r.skip()
	}
	r.bad("action", "must be announce or scrape")
	return 0
}

func (r *reader) event() Event {
	if r.peek() != '"' {
		r.skip()
		return EventUpdate
	}
	switch raw, _, _ := r.str(); string(raw) {
	case "started":
		return EventStarted
	case "completed":
		return EventCompleted
	case "stopped":
		return EventStopped
	case "paused":
		return EventPaused
	}
	return EventUpdate
}

func (r *reader) clientKey() []byte {
	if r.peek() != '"' {
		r.skip()
		return nil
	}
	raw, fl, _ := r.str()
	if fl != 0 || len(raw) > maxToken {
		return nil
	}
	return raw
}

// readInfoHash reads the one key whose meaning depends on the action.
func (m *Request) readInfoHash(r *reader) {
	if r.peek() == '[' {
		m.Scrape.All = false
		m.Scrape.Hashes = r.ids("info_hash", m.Scrape.Hashes, r.lim.MaxHashes)
		return
	}
	if r.id("info_hash", &m.Announce.InfoHash) {
		r.mark(gotHash, true)
		m.Scrape.All = false
		m.Scrape.Hashes = append(m.Scrape.Hashes, m.Announce.InfoHash)
	}
}

func (m *Request) readOffers(r *reader) {
	a := &m.Announce
	if r.peek() != '[' {
		if r.peek() != 'n' {
			r.bad("offers", "is no array")
		}
		r.skip()
		return
	}
	r.open('[')
	for first := true; r.more(first, ']'); first = false {
		if r.peek() != '{' {
			r.skip()
			a.OffersDropped++
			continue
		}
		var o Offer
		if !r.offer(&o) {
			return
		}
		if len(o.SDP) == 0 || len(a.Offers) >= r.lim.MaxOffers {
			a.OffersDropped++
			continue
		}
		a.Offers = append(a.Offers, o)
	}
}

func (r *reader) offer(o *Offer) bool {
	hasOffer, hasID := false, false
	r.open('{')
	for first := true; r.more(first, '}'); first = false {
		key, ok := r.key(&r.fbuf)
		if !ok {
			return false
		}
		switch string(key) {
		case "offer":
			if hasOffer {
				r.bad("offer", whyTwice)
			}
			hasOffer = true
			o.SDP = r.description("offer")
		case "offer_id":
			if hasID {
				r.bad("offer_id", whyTwice)
			}
			hasID = true
			o.HasID = r.id("offer_id", &o.ID)
		default:
			r.skip()
		}
	}
	return r.msg == ""
}
