package signal

// Action is what a message is about.
type Action uint8

// The actions. The zero Action belongs to a message whose action was not read.
const (
	ActionAnnounce Action = iota + 1
	ActionScrape
)

// Event says why a client announces.
type Event string

// The events that mean something here. Whatever else a client sends ("update",
// "empty", anacrolix/torrent's "<regular>") parses as EventUpdate.
const (
	EventUpdate    Event = ""
	EventStarted   Event = "started"
	EventCompleted Event = "completed"
	EventStopped   Event = "stopped"
	EventPaused    Event = "paused" // a partial seed, BEP 21
)

// LeftUnknown is the Left of a client that does not know its size yet. It
// counts as a leecher.
const LeftUnknown = -1

// NumWantUnset is the NumWant of a client that did not say.
const NumWantUnset = -1

// Offer is a WebRTC offer that waits for a peer to take it.
type Offer struct {
	SDP   SDP
	ID    [20]byte
	HasID bool // false when the client sent none; it cannot be relayed then
}

// Announce is a client's announce. It is also the client's answer to an offer
// when HasAnswer is set.
type Announce struct {
	InfoHash, PeerID     [20]byte
	Event                Event
	NumWant              int   // how many peers are wanted, NumWantUnset if not said
	Uploaded, Downloaded int64 // bytes in this session, at least 0
	Left                 int64 // bytes, LeftUnknown if not known
	Offers               []Offer
	CandidatesCut        int // ICE candidates that Parse left out, beyond Limits.MaxCandidates
	OffersDropped        int // offers that Parse left out: no sdp, or beyond Limits.MaxOffers

	HasAnswer         bool
	Answer            SDP
	ToPeerID, OfferID [20]byte // who made the offer, and which it was

	Key       []byte // libtorrent's proof that it is the same client as before
	TrackerID string // what Reply.TrackerID said

	// WantsICE asks a Shoal tracker for STUN and TURN servers. It is not part of an answer.
	WantsICE bool
}

// ScrapeRequest asks for the counts of swarms.
type ScrapeRequest struct {
	All    bool // no info hash given: all swarms
	Hashes [][20]byte
}

// Request is a message from a client. Parse one into the same Request again
// and again to reuse its memory.
type Request struct {
	Action   Action
	Announce Announce      // with ActionAnnounce
	Scrape   ScrapeRequest // with ActionScrape
}

// ScrapeFile is the counts of one swarm.
type ScrapeFile struct {
	InfoHash                         [20]byte
	Complete, Incomplete, Downloaded int
}

// Reply is a message from a tracker: a failure when FailureReason is set, a
// relayed offer or answer when Offer or Answer is set, the counts of swarms
// with ActionScrape, else the reply to an announce.
type Reply struct {
	Action        Action
	InfoHash      [20]byte
	HasInfoHash   bool // false only for failures and scrapes; Append does not look at it
	FailureReason string

	Interval, MinInterval int // seconds, 0 if not given
	Complete, Incomplete  int // seeders and leechers, -1 if not given
	WarningMessage        string
	TrackerID             string

	Offer, Answer   SDP
	PeerID, OfferID [20]byte // with Offer and Answer: who made it, and to which offer it belongs

	// ICEServers is a JSON array of RTCIceServer objects for a client that said WantsICE; nil
	// if not given. ParseICEServers reads it. Append takes it as it is, and leaves out more
	// than MaxICEServers bytes.
	ICEServers []byte

	Files []ScrapeFile // with ActionScrape
}

// MaxICEServers bounds Reply.ICEServers, in bytes.
const MaxICEServers = 4 << 10

// Limits bounds what Parse accepts.
type Limits struct {
	MaxMessage int // bytes of a message, 0 means 128 KiB
	MaxSDP     int // bytes of a session description in its JSON form, 0 means 32 KiB; libtorrent takes 64 KiB
	MaxOffers  int // offers kept of one announce, 0 means 20
	MaxHashes  int // info hashes kept of a scrape or its reply, 0 means 100
	// MaxCandidates bounds the ICE candidates of a session description: further ones are cut
	// out of the parsed bytes. Each makes its receiver send packets to an address that the sender
	// chose. 0 means no bound.
	MaxCandidates int
}

func (l Limits) withDefaults() Limits {
	def := func(n *int, d int) {
		if *n <= 0 {
			*n = d
		}
	}
	def(&l.MaxMessage, 128<<10)
	def(&l.MaxSDP, 32<<10)
	def(&l.MaxOffers, 20)
	def(&l.MaxHashes, 100)
	return l
}

// SyntaxError says that a message is not the JSON that the protocol allows.
type SyntaxError struct {
	Offset int // in bytes
	Msg    string
}

// Error returns the message alone; it is short enough to send to a client.
func (e *SyntaxError) Error() string { return "invalid JSON: " + e.Msg }

// FieldError says that a field of a message is missing or not valid.
type FieldError struct {
	Field string
	Msg   string
}

// Error returns field and message; it is short enough to send to a client.
func (e *FieldError) Error() string { return "invalid " + e.Field + ": " + e.Msg }
