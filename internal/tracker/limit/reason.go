package limit

import "sync/atomic"

// A Reason says why a client did not get what it asked for. It is what metrics are labelled
// with, what a log line names, and where the text comes from that the client reads.
//
// A Reason is an error, so that what decides can return it as one. None is no error: compare
// with it before.
type Reason uint8

// The reasons. New ones go before NumReasons, with a line in the table below.
const (
	None Reason = iota

	// Connections.
	ConnectRate    // an address opens connections too fast
	Conns          // so many are open in all
	ConnsPerAddr   // so many are open of its address
	ConnsPerPrefix // so many are open of its prefix
	Pending        // so many have not said yet what they want
	RequestSize    // the head of a request is too large
	RequestTime    // the head of a request takes too long
	SlowReader     // its replies are not read for too long
	Buffers        // the memory for messages and replies is used up: who held some longest goes
	BuffersPerAddr // its address holds its share of that memory
	RequestBody    // a request has a body, or one that is too large

	// Messages.
	MessageSize // too large, as sent or inflated
	MessageTime // takes too long from its first byte to its last
	BadMessages // one too many that could not be answered
	Candidates  // offers or answers with too many ICE candidates; they count without the rest

	// Announces.
	AnnouncesPerConn   // too many of a connection
	AnnouncesPerAddr   // too many of its address
	AnnouncesPerPrefix // too many of its prefix
	OffersPerConn      // too many offers of a connection; the announce counts without them
	PeersPerConn       // too many (info hash, peer id) pairs on a connection
	PeersPerAddr       // so many (info hash, peer) pairs of an address
	PeerIDs            // so many peer ids of a connection in one swarm
	Full               // as many swarms or peers as there may be
	UDPErrors          // too many error replies by UDP in a second: this one gets none

	// Relays that did not arrive.
	NoRoute        // nobody has the peer id, or gave no offer
	ReceiverGone   // the receiver's connection is ending
	ReceiverSlow   // the receiver does not read, and enough waits for it
	ReceiverBuffer // the memory for replies is used up

	// Requests that were refused for what they are.
	Malformed      // cannot be read
	ClientDenied   // by the operator: an origin, a token
	AnnounceDenied // by the operator: an info hash, a token
	HookDenied     // by the operator's web service
	HookAway       // by the tracker, because that service cannot be asked
	PeerIDTaken    // another connection has the peer id
	FullScrape     // a scrape without info hash
	AddressUnknown // nobody knows where the client is
	ConnectionID   // not one that the tracker gave (BEP 15)
	ShuttingDown   // the tracker drains
	TokenEnded     // the token of a WebSocket connection has expired

	// The TURN relay.
	RelaySessions // so many sessions or connections are open, in all or of its address
	RelayUnproven // packets of an address that has no session
	RelayAuth     // wrong or old credentials
	RelayPeer     // a peer that nothing is relayed to
	RelayRate     // bytes of a session, its address or all of them: thrown away

	// Between the nodes of a cluster.
	ClusterGone      // an offer or answer of another node whose peer has left
	ClusterOverload  // a message, with NATS or the node too slow
	ClusterMalformed // a message that could not be read
	NumReasons       = int(ClusterMalformed) + 1
)

// A Kind says what became of what a Reason hit.
type Kind uint8

// The kinds.
const (
	Limited Kind = iota // it was above a limit
	Dropped             // it was thrown away on its way to another client
	Refused             // it was answered with a failure, however much there was of it
)

var reasons = [NumReasons]struct {
	name string
	text string
	kind Kind
}{
	None:               {"none", "", Limited},
	ConnectRate:        {"connect_rate", tooManyConns, Limited},
	Conns:              {"connections", noMoreConns, Limited},
	ConnsPerAddr:       {"connections_address", tooManyConns, Limited},
	ConnsPerPrefix:     {"connections_prefix", tooManyConns, Limited},
	Pending:            {"connections_pending", noMoreConns, Limited},
	RequestSize:        {"request_size", "request is too large", Limited},
	RequestTime:        {"request_time", "request takes too long", Limited},
	SlowReader:         {"slow_reader", "nothing is read", Limited},
	Buffers:            {"buffers", "tracker is out of memory", Limited},
	BuffersPerAddr:     {"buffers_address", "too much has begun or waits for this address", Limited},
	RequestBody:        {"request_body", "requests have no body here", Limited},
	MessageSize:        {"message_size", "message is too large", Limited},
	MessageTime:        {"message_time", "message takes too long", Limited},
	BadMessages:        {"bad_messages", "too many bad messages", Limited},
	Candidates:         {"candidates", "", Limited},
	AnnouncesPerConn:   {"announces_connection", slowDown, Limited},
	AnnouncesPerAddr:   {"announces_address", slowDown, Limited},
	AnnouncesPerPrefix: {"announces_prefix", slowDown, Limited},
	OffersPerConn:      {"offers_connection", "too many offers, slow down", Limited},
	PeersPerConn:       {"peers_connection", "too many peers on one connection", Limited},
	PeersPerAddr:       {"peers_address", "too many torrents from this address", Limited},
	PeerIDs:            {"peer_ids", "too many peer ids in one swarm on one connection", Limited},
	Full:               {"full", "tracker is full", Limited},
	UDPErrors:          {"udp_errors", "", Limited},
	NoRoute:            {"no_route", "", Dropped},
	ReceiverGone:       {"receiver_gone", "", Dropped},
	ReceiverSlow:       {"receiver_slow", "", Dropped},
	ReceiverBuffer:     {"receiver_buffer", "", Dropped},
	Malformed:          {"malformed", "request cannot be read", Refused},
	ClientDenied:       {"client_denied", "client is not served here", Refused},
	AnnounceDenied:     {"announce_denied", "info hash is not served here", Refused},
	HookDenied:         {"hook_denied", "the site does not let you announce here", Refused},
	HookAway:           {"hook_away", "this tracker cannot check right now whether you may announce, try again later", Refused},
	PeerIDTaken:        {"peer_id_taken", "peer id is in use by another connection", Refused},
	FullScrape:         {"full_scrape", "name the info hashes to scrape", Refused},
	AddressUnknown:     {"address_unknown", "the address of the client is unknown", Refused},
	ConnectionID:       {"connection_id", "connection id is not valid", Refused},
	TokenEnded:         {"token_ended", "the token has expired, load the page again", Refused},
	RelaySessions:      {"relay_sessions", "", Limited},
	RelayUnproven:      {"relay_unproven", "", Limited},
	RelayAuth:          {"relay_auth", "credentials are wrong or have ended", Refused},
	RelayPeer:          {"relay_peer", "nothing is relayed to this address", Refused},
	RelayRate:          {"relay_rate", "", Dropped},
	ClusterGone:        {"cluster_gone", "", Dropped},
	ClusterOverload:    {"cluster_overload", "", Dropped},
	ClusterMalformed:   {"cluster_malformed", "", Dropped},
	ShuttingDown:       {"shutting_down", "tracker is shutting down", Refused},
}

const (
	tooManyConns = "too many connections from this address"
	noMoreConns  = "tracker takes no more connections"
	slowDown     = "too many announces, slow down"
)

// String returns the name that metrics and logs have, in small letters with underscores. It is
// stable.
func (r Reason) String() string { return reasons[r].name }

// Error returns the text for the client: a failure reason, the body of an HTTP error, or the
// text of a close frame. It is empty where the client gets none.
func (r Reason) Error() string { return reasons[r].text }

// Kind returns what became of what the Reason hit.
func (r Reason) Kind() Kind { return reasons[r].kind }

// Proven reports whether the address is the client's own for certain: it has answered from there. Others
// may have been forged.
func (r Reason) Proven() bool {
	return r != ConnectionID && r != UDPErrors && r != RelayUnproven && r != RelayAuth
}

// Counts counts by Reason. It may be used by many goroutines.
type Counts [NumReasons]atomic.Uint64

// Add counts one.
func (c *Counts) Add(r Reason) { c[r].Add(1) }

// AddTo adds the counts to sum.
func (c *Counts) AddTo(sum *[NumReasons]uint64) {
	for r := range c {
		sum[r] += c[r].Load()
	}
}

// Of returns the sum of the counts of a kind.
func Of(counts *[NumReasons]uint64, k Kind) (sum uint64) {
	for r, n := range counts {
		if Reason(r).Kind() == k {
			sum += n
		}
	}
	return sum
}
