package wire

import "github.com/shoal-p2p/shoal/internal/bencode"

// MetadataType is the kind of a ut_metadata message.
type MetadataType uint8

// The kinds of BEP 9. A message of another kind parses as MetadataUnknown and
// is to be ignored.
const (
	MetadataRequest MetadataType = 0
	MetadataData    MetadataType = 1
	MetadataReject  MetadataType = 2
	MetadataUnknown MetadataType = 255
)

// MetadataPieceSize is the size of all pieces of the metadata but the last.
const MetadataPieceSize = 16 << 10

// MaxMetadataSize is the largest info dictionary that is accepted, in bytes.
const MaxMetadataSize = 32 << 20

// maxMetadataDict bounds what stands around the data in a message.
const maxMetadataDict = 1 << 10

// MetadataMessage is a ut_metadata message (BEP 9, "extension message").
type MetadataMessage struct {
	Type      MetadataType
	Piece     int
	TotalSize int    // bytes of the whole metadata, MetadataData only
	Data      []byte // MetadataData only
}

// Append appends the message to dst.
func (m *MetadataMessage) Append(dst []byte) []byte {
	dst = bencode.AppendInt(append(dst, "d8:msg_type"...), int64(m.Type))
	dst = bencode.AppendInt(append(dst, "5:piece"...), int64(m.Piece))
	if m.Type == MetadataData {
		dst = bencode.AppendInt(append(dst, "10:total_size"...), int64(m.TotalSize))
		return append(append(dst, 'e'), m.Data...)
	}
	return append(dst, 'e')
}

// ParseMetadata reads the payload of a ut_metadata message. Data aliases b and
// has exactly the length that Piece and TotalSize call for; whether TotalSize
// is the one the torrent was found with is for the caller to check. Errors are
// of type *ProtocolError.
func ParseMetadata(b []byte) (MetadataMessage, error) {
	var m MetadataMessage
	if len(b) > maxMetadataDict+MetadataPieceSize {
		return m, ErrMetadata
	}
	root, data, err := bencode.ParsePrefix(b, bencode.Options{
		MaxDepth: 4, MaxItems: 64, MaxSize: maxMetadataDict, AllowUnsorted: true,
	})
	if err != nil || root.Kind() != bencode.Dict {
		return m, ErrMetadata
	}
	kind, ok := dictInt(root, "msg_type")
	if !ok {
		return m, ErrMetadata
	}
	if kind < 0 || kind > int64(MetadataReject) {
		m.Type = MetadataUnknown
		return m, nil
	}
	piece, ok := dictInt(root, "piece")
	if !ok {
		return m, ErrMetadata
	}
	if piece < 0 || piece >= MaxMetadataSize/MetadataPieceSize {
		return m, ErrMetadataPiece
	}
	m.Type, m.Piece = MetadataType(kind), int(piece)
	if m.Type != MetadataData {
		return m, nil
	}
	total, ok := dictInt(root, "total_size")
	if !ok {
		return MetadataMessage{}, ErrMetadata
	}
	if total <= 0 || total > MaxMetadataSize {
		return MetadataMessage{}, ErrMetadataSize
	}
	begin := piece * MetadataPieceSize
	if begin >= total {
		return MetadataMessage{}, ErrMetadataPiece
	}
	if int64(len(data)) != min(total-begin, MetadataPieceSize) {
		return MetadataMessage{}, ErrMetadataData
	}
	m.TotalSize, m.Data = int(total), data
	return m, nil
}

func dictInt(d bencode.Value, key string) (int64, bool) {
	v, ok := d.Get(key)
	if !ok {
		return 0, false
	}
	return v.Int()
}
