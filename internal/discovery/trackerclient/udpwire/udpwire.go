// Package udpwire is the codec of the UDP tracker protocol, BEP 15 with the
// options of BEP 41. All numbers are big-endian.
//
//	request   connect   8 magic 0x41727101980, 4 action 0, 4 transaction      16 bytes
//	          announce  8 connection id, 4 action 1, 4 transaction,
//	                    20 info hash, 20 peer id, 8 downloaded, 8 left,
//	                    8 uploaded, 4 event, 4 IPv4 address, 4 key,
//	                    4 num want, 2 port                                    98 bytes
//	                    then options: 0 end | 1 nothing | 2 length bytes (URL data)
//	          scrape    8 connection id, 4 action 2, 4 transaction,
//	                    20 info hash each                                     36 bytes or more
//	          announce6 an announce with action 4 and 16 bytes IPv6 address  110 bytes
//	reply     connect   4 action 0, 4 transaction, 8 connection id            16 bytes
//	          announce  4 action 1, 4 transaction, 4 interval, 4 leechers,
//	                    4 seeders, then 6 or 18 bytes each peer               20 bytes or more
//	          scrape    4 action 2, 4 transaction, then 4 seeders,
//	                    4 completed, 4 leechers each                          8 bytes or more
//	          error     4 action 3, 4 transaction, text                       8 bytes or more
//
// Longer packets than these are valid; what is not understood at the end is
// ignored. Peers in a reply have the size of the address family of the packet.
// announce6 is older than BEP 15's rule for IPv6, and some clients still send it;
// its reply is that to an announce, with action 4 and peers of 18 bytes.
package udpwire

import (
	"encoding/binary"
	"errors"
)

// Magic stands in place of the connection id in a connect request.
const Magic = 0x41727101980

// An Action says what a packet is.
type Action uint32

// The actions.
const (
	Connect Action = iota
	Announce
	Scrape
	Error
	Announce6
)

// The events of an announce.
const (
	EventNone uint32 = iota
	EventCompleted
	EventStarted
	EventStopped
)

// MaxScrape is how many info hashes fit a scrape request.
const MaxScrape = 74

// Errors of the parsers.
var (
	ErrShort  = errors.New("udp tracker: packet is too short")
	ErrAction = errors.New("udp tracker: unknown action")
	ErrMagic  = errors.New("udp tracker: connect without the magic number")
)

// An AnnounceRequest is the body of an announce.
type AnnounceRequest struct {
	InfoHash, PeerID           [20]byte
	Downloaded, Left, Uploaded int64 // Left -1 = unknown
	Event                      uint32
	IP                         [4]byte // zero for the source of the packet
	Key                        uint32
	NumWant                    int32 // -1 = the tracker's default
	Port                       uint16
	URLData                    []byte // path and query of the tracker's URL (BEP 41)
}

// A Request is a packet to a tracker.
type Request struct {
	Action   Action
	ConnID   uint64 // not of a connect
	Txn      uint32
	Announce AnnounceRequest
	Hashes   []byte // of a scrape: 20 bytes each, a part of the packet

	joined []byte // where URL data in several parts is put together
}

// AppendConnect appends a connect request.
func AppendConnect(dst []byte, txn uint32) []byte {
	dst = binary.BigEndian.AppendUint64(dst, Magic)
	dst = binary.BigEndian.AppendUint32(dst, uint32(Connect))
	return binary.BigEndian.AppendUint32(dst, txn)
}

func appendHead(dst []byte, conn uint64, a Action, txn uint32) []byte {
	dst = binary.BigEndian.AppendUint64(dst, conn)
	dst = binary.BigEndian.AppendUint32(dst, uint32(a))
	return binary.BigEndian.AppendUint32(dst, txn)
}

// AppendAnnounce appends an announce request.
func AppendAnnounce(dst []byte, conn uint64, txn uint32, a *AnnounceRequest) []byte {
	dst = appendHead(dst, conn, Announce, txn)
	dst = append(dst, a.InfoHash[:]...)
	dst = append(dst, a.PeerID[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.Downloaded))
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.Left))
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.Uploaded))
	dst = binary.BigEndian.AppendUint32(dst, a.Event)
	dst = append(dst, a.IP[:]...)
	dst = binary.BigEndian.AppendUint32(dst, a.Key)
	dst = binary.BigEndian.AppendUint32(dst, uint32(a.NumWant))
	dst = binary.BigEndian.AppendUint16(dst, a.Port)
	for url := a.URLData; len(url) > 0; {
		n := min(len(url), 255)
		dst = append(dst, 2, byte(n))
		dst = append(dst, url[:n]...)
		url = url[n:]
	}
	return dst
}

// AppendScrape appends a scrape request for at most MaxScrape info hashes.
func AppendScrape(dst []byte, conn uint64, txn uint32, hashes ...[20]byte) []byte {
	dst = appendHead(dst, conn, Scrape, txn)
	for i := range min(len(hashes), MaxScrape) {
		dst = append(dst, hashes[i][:]...)
	}
	return dst
}

// Parse reads a packet that a tracker received. The slices of r alias b, except for
// URL data in several parts, which alias memory that the next Parse uses again.
// ErrShort, ErrAction, ErrMagic.
func (r *Request) Parse(b []byte) error {
	*r = Request{joined: r.joined[:0]}
	if len(b) < 16 {
		return ErrShort
	}
	r.ConnID = binary.BigEndian.Uint64(b)
	r.Action = Action(binary.BigEndian.Uint32(b[8:]))
	r.Txn = binary.BigEndian.Uint32(b[12:])
	switch r.Action {
	case Connect:
		if r.ConnID != Magic {
			return ErrMagic
		}
		return nil
	case Announce:
		return r.parseAnnounce(b, 4)
	case Announce6:
		return r.parseAnnounce(b, 16)
	case Scrape:
		n := (len(b) - 16) / 20
		if n == 0 {
			return ErrShort
		}
		r.Hashes = b[16 : 16+20*n]
		return nil
	}
	return ErrAction
}

// parseAnnounce reads an announce whose address has the given size.
func (r *Request) parseAnnounce(b []byte, address int) error {
	if len(b) < 94+address {
		return ErrShort
	}
	a := &r.Announce
	copy(a.InfoHash[:], b[16:])
	copy(a.PeerID[:], b[36:])
	a.Downloaded = int64(binary.BigEndian.Uint64(b[56:]))
	a.Left = int64(binary.BigEndian.Uint64(b[64:]))
	a.Uploaded = int64(binary.BigEndian.Uint64(b[72:]))
	a.Event = binary.BigEndian.Uint32(b[80:])
	if address == len(a.IP) {
		copy(a.IP[:], b[84:])
	}
	b = b[84+address:]
	a.Key = binary.BigEndian.Uint32(b)
	a.NumWant = int32(binary.BigEndian.Uint32(b[4:]))
	a.Port = binary.BigEndian.Uint16(b[8:])
	a.URLData = r.urlData(b[10:])
	return nil
}

// urlData joins the URL data options. A broken option ends the list: old clients
// send garbage here.
func (r *Request) urlData(b []byte) (url []byte) {
	for len(b) > 0 {
		switch b[0] {
		case 0:
			return url
		case 1:
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return url
		}
		n := 2 + int(b[1])
		if b[0] == 2 {
			if len(url) == 0 {
				url = b[2:n]
			} else {
				if len(r.joined) == 0 {
					r.joined = append(r.joined, url...)
				}
				r.joined = append(r.joined, b[2:n]...)
				url = r.joined
			}
		}
		b = b[n:]
	}
	return url
}

// A Reply is a packet from a tracker.
type Reply struct {
	Action            Action
	Txn               uint32
	ConnID            uint64 // of a connect
	Interval          uint32 // seconds
	Leechers, Seeders uint32
	Peers             []byte // of an announce: 6 or 18 bytes each, as in package compact
	Counters          []byte // of a scrape: 12 bytes each, read them with Counter
	Message           []byte // of an error
}

// AppendConnectReply appends the reply to a connect.
func AppendConnectReply(dst []byte, txn uint32, conn uint64) []byte {
	dst = appendReply(dst, Connect, txn)
	return binary.BigEndian.AppendUint64(dst, conn)
}

func appendReply(dst []byte, a Action, txn uint32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(a))
	return binary.BigEndian.AppendUint32(dst, txn)
}

// AppendAnnounceReply appends the reply to an Announce or Announce6, without peers:
// they follow, packed by package compact.
func AppendAnnounceReply(dst []byte, a Action, txn, interval, leechers, seeders uint32) []byte {
	dst = appendReply(dst, a, txn)
	dst = binary.BigEndian.AppendUint32(dst, interval)
	dst = binary.BigEndian.AppendUint32(dst, leechers)
	return binary.BigEndian.AppendUint32(dst, seeders)
}

// AppendScrapeReply appends the head of a reply to a scrape; an AppendCounter for
// each info hash follows.
func AppendScrapeReply(dst []byte, txn uint32) []byte { return appendReply(dst, Scrape, txn) }

// AppendCounter appends the counters of one info hash.
func AppendCounter(dst []byte, seeders, completed, leechers uint32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, seeders)
	dst = binary.BigEndian.AppendUint32(dst, completed)
	return binary.BigEndian.AppendUint32(dst, leechers)
}

// AppendError appends an error reply.
func AppendError(dst []byte, txn uint32, msg string) []byte {
	return append(appendReply(dst, Error, txn), msg...)
}

// ParseReply reads a packet that a client received. Its slices alias b.
func ParseReply(b []byte) (r Reply, err error) {
	if len(b) < 8 {
		return r, ErrShort
	}
	r.Action = Action(binary.BigEndian.Uint32(b))
	r.Txn = binary.BigEndian.Uint32(b[4:])
	switch r.Action {
	case Connect:
		if len(b) < 16 {
			return r, ErrShort
		}
		r.ConnID = binary.BigEndian.Uint64(b[8:])
	case Announce, Announce6:
		if len(b) < 20 {
			return r, ErrShort
		}
		r.Interval = binary.BigEndian.Uint32(b[8:])
		r.Leechers = binary.BigEndian.Uint32(b[12:])
		r.Seeders = binary.BigEndian.Uint32(b[16:])
		r.Peers = b[20:]
	case Scrape:
		r.Counters = b[8:]
	case Error:
		r.Message = b[8:]
	default:
		return r, ErrAction
	}
	return r, nil
}

// Counter returns the i-th counters of a scrape reply, or false when there are
// not so many.
func (r *Reply) Counter(i int) (seeders, completed, leechers uint32, ok bool) {
	if i < 0 || i >= len(r.Counters)/12 {
		return 0, 0, 0, false
	}
	b := r.Counters[12*i:]
	return binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), true
}
