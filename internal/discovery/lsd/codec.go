package lsd

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
)

const (
	// maxPacket is the size of the largest announce that is sent: "the packet
	// length should not exceed 1400 bytes" (BEP 14).
	maxPacket = 1400
	// maxRead is the size of the largest announce that is read.
	maxRead = 4096
	// maxCookie bounds what is compared.
	maxCookie = 64
)

// Announce is the content of one datagram.
type Announce struct {
	Host       string // the multicast group, as "host:port"
	Port       uint16
	InfoHashes [][20]byte
	Cookie     string // empty = none
}

// The reasons for which a datagram is refused.
var (
	ErrMethod   = errors.New("lsd: not a BT-SEARCH request")
	ErrHeader   = errors.New("lsd: malformed header")
	ErrEnd      = errors.New("lsd: header does not end")
	ErrPort     = errors.New("lsd: port is missing or out of range")
	ErrInfoHash = errors.New("lsd: no valid info hash")
	ErrSize     = errors.New("lsd: datagram is too long")
)

const requestLine = "BT-SEARCH * HTTP/1.1"

// Append appends the datagram to dst.
func (a *Announce) Append(dst []byte) []byte {
	dst = append(dst, requestLine+"\r\nHost: "...)
	dst = append(dst, a.Host...)
	dst = append(dst, "\r\nPort: "...)
	dst = strconv.AppendUint(dst, uint64(a.Port), 10)
	for i := range a.InfoHashes {
		dst = append(dst, "\r\nInfohash: "...)
		dst = hex.AppendEncode(dst, a.InfoHashes[i][:])
	}
	if a.Cookie != "" {
		dst = append(dst, "\r\ncookie: "...)
		dst = append(dst, a.Cookie...)
	}
	return append(dst, "\r\n\r\n\r\n"...)
}

// Parse reads a datagram. Info hashes that are not 40 hex digits are left out;
// one at least must be right.
func Parse(b []byte) (Announce, error) {
	var a Announce
	if len(b) > maxRead {
		return a, ErrSize
	}
	line, rest, ok := cutLine(b)
	if !ok || !bytes.EqualFold(line, []byte(requestLine)) {
		return a, ErrMethod
	}
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return Announce{}, ErrEnd
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || len(name) == 0 {
			return Announce{}, ErrHeader
		}
		value = bytes.Trim(value, " \t")
		switch string(bytes.ToLower(name)) {
		case "host":
			a.Host = string(value)
		case "port":
			n, err := strconv.ParseUint(string(value), 10, 16)
			if err != nil || n == 0 {
				return Announce{}, ErrPort
			}
			a.Port = uint16(n)
		case "infohash":
			var h [20]byte
			if len(value) == 40 {
				if _, err := hex.Decode(h[:], value); err == nil {
					a.InfoHashes = append(a.InfoHashes, h)
				}
			}
		case "cookie":
			if len(value) <= maxCookie {
				a.Cookie = string(value)
			}
		}
	}
	if a.Port == 0 {
		return Announce{}, ErrPort
	}
	if len(a.InfoHashes) == 0 {
		return Announce{}, ErrInfoHash
	}
	return a, nil
}

// cutLine splits after the first line. A bare LF ends a line, too.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	line, rest, ok = bytes.Cut(b, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest, ok
}
