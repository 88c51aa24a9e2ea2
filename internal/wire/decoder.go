package wire

import "encoding/binary"

// The defaults of Limits, in bytes.
const (
	DefaultMaxBlock    = 128 << 10
	DefaultMaxBitfield = 2 << 20 // 2^24 pieces
	DefaultMaxPayload  = 1 << 20
)

// Limits bounds the frames that a Decoder accepts. A length is checked against
// them as soon as its message id is known, before anybody makes room for it.
type Limits struct {
	// MaxBlock is the largest block in a Piece, or named by a Request, Cancel
	// or Reject. 0 means DefaultMaxBlock.
	MaxBlock uint32
	// MaxBitfield is the largest Bitfield. 0 means DefaultMaxBitfield. A caller
	// that knows the torrent sets it to what the torrent needs.
	MaxBitfield uint32
	// MaxPayload is the largest body of an Extended, Hashes or unknown message.
	// 0 means DefaultMaxPayload.
	MaxPayload uint32
}

// hardMax bounds what Limits can allow, so that a frame's length fits an int
// on every platform with room to add to it.
const hardMax = 1 << 30

func limit(n, def uint32) uint32 {
	if n == 0 {
		return def
	}
	return min(n, hardMax)
}

// Decoder takes frames from a byte stream. Its zero value is ready to use. It
// keeps no bytes: what Next does not consume is passed again with more.
type Decoder struct {
	Limits Limits
}

// Need returns how many bytes buf must have for Next to return a message: 4 or
// 5 while even that is not known, PieceHeaderLen for a Piece, the whole frame
// for all others. A frame over its limit is an error here already, so room for
// Need bytes can be made without fear.
func (d *Decoder) Need(buf []byte) (int, error) {
	if len(buf) < 4 {
		return 4, nil
	}
	n := binary.BigEndian.Uint32(buf)
	if n == 0 {
		return 4, nil
	}
	if n > hardMax+9 {
		return 0, ErrFrameTooLarge
	}
	if len(buf) < 5 {
		return 5, nil
	}
	id := ID(buf[4])
	if err := d.check(id, n-1); err != nil {
		return 0, err
	}
	if id == Piece {
		return PieceHeaderLen, nil
	}
	return 4 + int(n), nil
}

// check says whether a message may have a body of n bytes.
func (d *Decoder) check(id ID, n uint32) error {
	want := uint32(0)
	switch id {
	case Choke, Unchoke, Interested, NotInterested, HaveAll, HaveNone:
	case Have, Suggest, AllowedFast:
		want = 4
	case Request, Cancel, Reject:
		want = 12
	case Port:
		want = 2
	case HashRequest, HashReject:
		want = hashRangeLen
	case Piece:
		switch {
		case n < 8:
			return ErrFrameLength
		case n == 8:
			return ErrBlockEmpty
		case n-8 > limit(d.Limits.MaxBlock, DefaultMaxBlock):
			return ErrBlockTooLarge
		}
		return nil
	case Bitfield:
		if n > limit(d.Limits.MaxBitfield, DefaultMaxBitfield) {
			return ErrFrameTooLarge
		}
		return nil
	default:
		switch {
		case n > limit(d.Limits.MaxPayload, DefaultMaxPayload):
			return ErrFrameTooLarge
		case id == Extended && n < 1, id == Hashes && n < hashRangeLen:
			return ErrFrameLength
		case id == Hashes && n%32 != hashRangeLen%32:
			return ErrHashCount
		}
		return nil
	}
	if n != want {
		return ErrFrameLength
	}
	return nil
}

// Next decodes the message at the start of buf. consumed is 0 without an error
// when more bytes are needed. A Piece is returned as soon as its header is
// there, with consumed = PieceHeaderLen: the caller then takes Length payload
// bytes from the stream itself. Payload slices alias buf. Errors are of type
// *ProtocolError.
func (d *Decoder) Next(buf []byte) (m Message, consumed int, err error) {
	need, err := d.Need(buf)
	if err != nil || len(buf) < need {
		return m, 0, err
	}
	if need == 4 {
		m.KeepAlive = true
		return m, 4, nil
	}
	be := binary.BigEndian
	m.ID = ID(buf[4])
	body := buf[5:need:need]
	switch m.ID {
	case Choke, Unchoke, Interested, NotInterested, HaveAll, HaveNone:
	case Have, Suggest, AllowedFast:
		m.Index = be.Uint32(body)
	case Request, Cancel, Reject:
		m.Index, m.Begin, m.Length = be.Uint32(body), be.Uint32(body[4:]), be.Uint32(body[8:])
		err = d.checkBlock(m.Begin, m.Length)
	case Piece:
		m.Index, m.Begin, m.Length = be.Uint32(body), be.Uint32(body[4:]), be.Uint32(buf)-9
		err = d.checkBlock(m.Begin, m.Length)
	case Port:
		m.Port = be.Uint16(body)
	case Extended:
		m.ExtID, m.Payload = body[0], body[1:]
	case HashRequest, HashReject:
		// Not checked: a request that makes no sense gets a reject, and
		// libtorrent does send a few.
		m.Hash = parseHashRange(body)
	case Hashes:
		m.Hash, m.Payload = parseHashRange(body), body[hashRangeLen:]
		if err = m.Hash.Check(); err == nil && len(m.Payload)/32 != int(m.Hash.Length)+m.Hash.Uncles() {
			err = ErrHashCount
		}
	default:
		m.Payload = body
	}
	if err != nil {
		return Message{}, 0, err
	}
	return m, need, nil
}

func (d *Decoder) checkBlock(begin, length uint32) error {
	switch {
	case length == 0:
		return ErrBlockEmpty
	case length > limit(d.Limits.MaxBlock, DefaultMaxBlock):
		return ErrBlockTooLarge
	case begin > ^uint32(0)-length:
		return ErrBlockOverflow
	}
	return nil
}
