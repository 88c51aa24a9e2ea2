package sctp

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	port = 5000 // RFC 8841: the number in the description; all use this one

	headerLen      = 12
	chunkHeaderLen = 4
	dataHeaderLen  = 16
)

// Chunk types.
const (
	ctData             = 0
	ctInit             = 1
	ctInitAck          = 2
	ctSack             = 3
	ctHeartbeat        = 4
	ctHeartbeatAck     = 5
	ctAbort            = 6
	ctShutdown         = 7
	ctShutdownAck      = 8
	ctCookieEcho       = 10
	ctCookieAck        = 11
	ctShutdownComplete = 14
	ctReconfig         = 130
)

// Flags of DATA.
const (
	flagEnd       = 1
	flagBegin     = 2
	flagImmediate = 8 // RFC 7053: acknowledge at once
)

var (
	be         = binary.BigEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// before reports whether one serial number comes before another (RFC 1982).
func before(a, b uint32) bool { return int32(a-b) < 0 }

func pad(n int) int { return (n + 3) &^ 3 }

// appendHeader begins a packet; seal ends it.
func appendHeader(b []byte, tag uint32) []byte {
	b = be.AppendUint16(b, port)
	b = be.AppendUint16(b, port)
	b = be.AppendUint32(b, tag)
	return append(b, 0, 0, 0, 0)
}

// seal fills the checksum of a packet in.
func seal(packet []byte) {
	binary.LittleEndian.PutUint32(packet[8:], crc32.Checksum(packet, castagnoli))
}

// appendChunk adds a chunk of which the value is given.
func appendChunk(b []byte, kind, flags byte, value []byte) []byte {
	b = append(b, kind, flags)
	b = be.AppendUint16(b, uint16(chunkHeaderLen+len(value)))
	b = append(b, value...)
	return append(b, make([]byte, pad(len(value))-len(value))...)
}

// nextChunk splits the first chunk off; ok is false where there is none, or a broken one.
func nextChunk(b []byte) (kind, flags byte, value, rest []byte, ok bool) {
	if len(b) < chunkHeaderLen {
		return 0, 0, nil, nil, false
	}
	n := int(be.Uint16(b[2:]))
	if n < chunkHeaderLen || n > len(b) {
		return 0, 0, nil, nil, false
	}
	return b[0], b[1], b[chunkHeaderLen:n], b[min(pad(n), len(b)):], true
}

// nextParam splits the first parameter of a chunk off.
func nextParam(b []byte) (kind uint16, value, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, nil, false
	}
	n := int(be.Uint16(b[2:]))
	if n < 4 || n > len(b) {
		return 0, nil, nil, false
	}
	return be.Uint16(b), b[4:n], b[min(pad(n), len(b)):], true
}

func appendParam(b []byte, kind uint16, value []byte) []byte {
	b = be.AppendUint16(b, kind)
	b = be.AppendUint16(b, uint16(4+len(value)))
	b = append(b, value...)
	return append(b, make([]byte, pad(len(value))-len(value))...)
}
