package wire

import "encoding/binary"

// AppendDontHave appends the payload of an lt_donthave message to dst: the
// sender no longer has the piece (BEP 54).
func AppendDontHave(dst []byte, index uint32) []byte {
	return binary.BigEndian.AppendUint32(dst, index)
}

// ParseDontHave reads the payload of an lt_donthave message.
func ParseDontHave(b []byte) (index uint32, err error) {
	if len(b) != 4 {
		return 0, ErrDontHave
	}
	return binary.BigEndian.Uint32(b), nil
}

// AppendUploadOnly appends the payload of an upload_only message to dst: the
// value of the handshake's key (BEP 21) has changed.
func AppendUploadOnly(dst []byte, on bool) []byte {
	if on {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// ParseUploadOnly reads the payload of an upload_only message. libtorrent
// ignores one of another length and keeps the connection.
func ParseUploadOnly(b []byte) (on bool, err error) {
	if len(b) != 1 {
		return false, ErrUploadOnly
	}
	return b[0] != 0, nil
}
