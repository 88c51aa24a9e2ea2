package wire

import "encoding/binary"

// ID is the id byte of a message.
type ID uint8

// The messages of BEP 3, 5, 6, 10 and 52.
const (
	Choke         ID = 0
	Unchoke       ID = 1
	Interested    ID = 2
	NotInterested ID = 3
	Have          ID = 4
	Bitfield      ID = 5
	Request       ID = 6
	Piece         ID = 7
	Cancel        ID = 8
	Port          ID = 9
	Suggest       ID = 13
	HaveAll       ID = 14
	HaveNone      ID = 15
	Reject        ID = 16
	AllowedFast   ID = 17
	Extended      ID = 20
	HashRequest   ID = 21
	Hashes        ID = 22
	HashReject    ID = 23
)

// PieceHeaderLen is the number of bytes of a Piece frame before its payload.
const PieceHeaderLen = 13

// Message is one frame. Which fields count depends on the ID; the others are
// zero. It is one flat struct so that decoding allocates nothing.
type Message struct {
	// Payload belongs to Bitfield (the bits), Extended (after the extension
	// id), Hashes (32 bytes each) and unknown ids (the body). For Piece it is
	// set by the sender only. From a Decoder it is a slice of the input.
	Payload []byte
	// Hash belongs to HashRequest, Hashes and HashReject.
	Hash HashRange
	// Index is the piece of Have, Request, Piece, Cancel, Suggest, Reject and
	// AllowedFast. Begin and Length are in bytes and belong to Request, Piece,
	// Cancel and Reject; the Length of a Piece is that of its payload.
	Index, Begin, Length uint32
	Port                 uint16 // UDP port of the DHT node
	ID                   ID
	ExtID                uint8 // the receiver's number for an extension, 0 is its handshake
	KeepAlive            bool  // the empty frame; nothing else counts then
}

// Append appends the whole frame to dst. A Piece without Payload appends its
// 13-byte header for a payload of Length bytes, which the caller sends next.
func (m *Message) Append(dst []byte) []byte {
	if m.KeepAlive {
		return append(dst, 0, 0, 0, 0)
	}
	be := binary.BigEndian
	switch m.ID {
	case Choke, Unchoke, Interested, NotInterested, HaveAll, HaveNone:
		return append(dst, 0, 0, 0, 1, byte(m.ID))
	case Have, Suggest, AllowedFast:
		return be.AppendUint32(append(dst, 0, 0, 0, 5, byte(m.ID)), m.Index)
	case Request, Cancel, Reject:
		dst = append(dst, 0, 0, 0, 13, byte(m.ID))
		dst = be.AppendUint32(dst, m.Index)
		dst = be.AppendUint32(dst, m.Begin)
		return be.AppendUint32(dst, m.Length)
	case Piece:
		n := m.Length
		if m.Payload != nil {
			n = uint32(len(m.Payload))
		}
		dst = append(be.AppendUint32(dst, 9+n), byte(Piece))
		dst = be.AppendUint32(dst, m.Index)
		dst = be.AppendUint32(dst, m.Begin)
		return append(dst, m.Payload...)
	case Port:
		return be.AppendUint16(append(dst, 0, 0, 0, 3, byte(Port)), m.Port)
	case Extended:
		dst = append(be.AppendUint32(dst, uint32(2+len(m.Payload))), byte(Extended), m.ExtID)
		return append(dst, m.Payload...)
	case HashRequest, HashReject:
		return m.Hash.append(append(dst, 0, 0, 0, 1+hashRangeLen, byte(m.ID)))
	case Hashes:
		dst = append(be.AppendUint32(dst, uint32(1+hashRangeLen+len(m.Payload))), byte(Hashes))
		return append(m.Hash.append(dst), m.Payload...)
	}
	dst = append(be.AppendUint32(dst, uint32(1+len(m.Payload))), byte(m.ID))
	return append(dst, m.Payload...)
}
