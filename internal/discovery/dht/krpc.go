package dht

import (
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/bencode"
)

const (
	// MaxPacket is the size of the largest datagram that is read. BEP 32 asks
	// for 1024 at least; others send up to an Ethernet frame.
	MaxPacket = 2048
	// maxReply is the size of the largest datagram we send (BEP 32, "Maximum
	// packet size").
	maxReply = 1024
	// maxTID bounds what a query may make us echo.
	maxTID = 32
	// maxNodes bounds the nodes taken from one reply; K is what an honest one
	// has, some send more.
	maxNodes = 2 * K
)

// Kind is the type of a KRPC message, its "y" key.
type Kind byte

const (
	Query    Kind = 'q'
	Response Kind = 'r'
	Failure  Kind = 'e'
)

// Methods of BEP 5.
const (
	methodPing     = "ping"
	methodFindNode = "find_node"
	methodGetPeers = "get_peers"
	methodAnnounce = "announce_peer"
)

// Error codes of BEP 5.
const (
	codeGeneric  = 201
	codeServer   = 202
	codeProtocol = 203
	codeMethod   = 204
)

// Want is the set of node lists that a query asks for (BEP 32).
type Want uint8

const (
	Want4 Want = 1 << iota // "n4": the key "nodes"
	Want6                  // "n6": the key "nodes6"
)

// Message is a KRPC message. Byte slices refer to the packet it was parsed
// from. Fields that the kind or method does not have are zero.
type Message struct {
	Kind    Kind
	TID     []byte // transaction ID, 1 to 32 bytes
	Version []byte

	Method   string
	ReadOnly bool // "ro": the sender does not answer queries (BEP 43)
	ID       ID   // of the sender; zero in an error

	HasTarget bool
	Target    ID // "target" or "info_hash"
	// Want is the "want" key of a query that has one (HasWant); in a response
	// it says which of the keys "nodes" and "nodes6" are present.
	Want    Want
	HasWant bool
	Port    uint16
	Implied bool // "implied_port": use the packet's source port
	Token   []byte

	Nodes  []NodeInfo // "nodes" and "nodes6"
	Values []netip.AddrPort
	// Requester is the "ip" key: our address as the sender sees it (BEP 42).
	Requester netip.AddrPort

	Code int
	Text string
}

// ProtocolError says what is wrong with a packet.
type ProtocolError struct {
	Msg string
	// TID is set when the packet is a query that can be answered with an error.
	TID []byte
}

func (e *ProtocolError) Error() string { return "dht: malformed packet: " + e.Msg }

// ParseMessage reads one datagram. Its errors are of type *ProtocolError.
func ParseMessage(b []byte) (*Message, error) {
	if len(b) > MaxPacket {
		return nil, &ProtocolError{Msg: "over the size limit"}
	}
	// Real nodes send unsorted keys now and then; nothing here depends on order.
	v, err := bencode.Parse(b, bencode.Options{MaxDepth: 16, MaxItems: 1024, AllowUnsorted: true})
	if err != nil {
		return nil, &ProtocolError{Msg: err.Error()}
	}
	if v.Kind() != bencode.Dict {
		return nil, &ProtocolError{Msg: "not a dictionary"}
	}
	m := &Message{TID: stringOf(v, "t"), Version: stringOf(v, "v")}
	if len(m.TID) == 0 || len(m.TID) > maxTID {
		return nil, &ProtocolError{Msg: "transaction ID is missing or too long"}
	}
	if ip, ok := parseAddr(stringOf(v, "ip")); ok {
		m.Requester = ip
	}
	y := stringOf(v, "y")
	if len(y) != 1 {
		return nil, &ProtocolError{Msg: "message type is missing"}
	}
	m.Kind = Kind(y[0])
	var problem string
	switch m.Kind {
	case Query:
		problem = m.parseQuery(v)
	case Response:
		problem = m.parseResponse(v)
	case Failure:
		problem = m.parseFailure(v)
	default:
		return nil, &ProtocolError{Msg: "unknown message type"}
	}
	if problem != "" {
		e := &ProtocolError{Msg: problem}
		if m.Kind == Query {
			e.TID = m.TID
		}
		return nil, e
	}
	return m, nil
}

func stringOf(v bencode.Value, key string) []byte {
	x, _ := v.Get(key)
	b, _ := x.Bytes()
	return b
}

func intOf(v bencode.Value, key string) (int64, bool) {
	x, _ := v.Get(key)
	return x.Int()
}

func (m *Message) parseQuery(v bencode.Value) string {
	if n, _ := intOf(v, "ro"); n == 1 {
		m.ReadOnly = true
	}
	method := stringOf(v, "q")
	if len(method) == 0 || len(method) > 32 {
		return "method is missing or too long"
	}
	m.Method = string(method)
	a, _ := v.Get("a")
	id := stringOf(a, "id")
	if len(id) != len(m.ID) {
		return "id is not 20 bytes"
	}
	m.ID = ID(id)
	key := "target"
	if m.Method == methodGetPeers || m.Method == methodAnnounce {
		key = "info_hash"
	}
	if _, present := a.Get(key); present {
		target := stringOf(a, key)
		if len(target) != len(m.Target) {
			return key + " is not 20 bytes"
		}
		m.Target, m.HasTarget = ID(target), true
	}
	if w, ok := a.Get("want"); ok && w.Kind() == bencode.List {
		m.HasWant = true
		for s := range w.List() {
			switch b, _ := s.Bytes(); string(b) {
			case "n4":
				m.Want |= Want4
			case "n6":
				m.Want |= Want6
			}
		}
	}
	if n, _ := intOf(a, "implied_port"); n != 0 {
		m.Implied = true
	}
	if n, ok := intOf(a, "port"); ok {
		if n >= 1 && n <= 65535 {
			m.Port = uint16(n)
		} else if !m.Implied { // otherwise the port "should be ignored", BEP 5
			return "port is out of range"
		}
	}
	m.Token = stringOf(a, "token")
	return ""
}

func (m *Message) parseResponse(v bencode.Value) string {
	r, _ := v.Get("r")
	id := stringOf(r, "id")
	if len(id) != len(m.ID) {
		return "id is not 20 bytes"
	}
	m.ID = ID(id)
	m.Token = stringOf(r, "token")
	if _, present := r.Get("nodes"); present {
		m.Want |= Want4
		if !m.parseNodes(stringOf(r, "nodes"), 4) {
			return "nodes is not a list of 26-byte entries"
		}
	}
	if _, present := r.Get("nodes6"); present {
		m.Want |= Want6
		if !m.parseNodes(stringOf(r, "nodes6"), 16) {
			return "nodes6 is not a list of 38-byte entries"
		}
	}
	values, _ := r.Get("values")
	for s := range values.List() {
		b, _ := s.Bytes()
		if ap, ok := parseAddr(b); ok { // an arbitrary mixture of families, BEP 32
			m.Values = append(m.Values, ap)
		}
	}
	return ""
}

func (m *Message) parseFailure(v bencode.Value) string {
	e, _ := v.Get("e")
	i := 0
	for x := range e.List() {
		switch i {
		case 0:
			n, ok := x.Int()
			if !ok || n < 0 || n > 1<<31-1 {
				return "error code is not a number"
			}
			m.Code = int(n)
		case 1:
			m.Text, _ = x.Str()
		}
		i++
	}
	if i < 2 {
		return "error is not a list of code and text"
	}
	return ""
}

func parseAddr(b []byte) (netip.AddrPort, bool) {
	if len(b) != 6 && len(b) != 18 {
		return netip.AddrPort{}, false
	}
	n := len(b) - 2
	a, _ := netip.AddrFromSlice(b[:n])
	return netip.AddrPortFrom(a, uint16(b[n])<<8|uint16(b[n+1])), true
}

func (m *Message) parseNodes(b []byte, addrLen int) bool {
	size := 20 + addrLen + 2
	if len(b)%size != 0 {
		return false
	}
	for n := 0; len(b) > 0 && n < maxNodes; n++ {
		addr, _ := parseAddr(b[20:size])
		m.Nodes = append(m.Nodes, NodeInfo{ID: ID(b[:20]), Addr: addr})
		b = b[size:]
	}
	return true
}
