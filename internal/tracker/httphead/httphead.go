// Package httphead reads the head of an HTTP/1.1 request, RFC 9112, as far as a
// tracker needs it.
//
//	GET /announce?info_hash=... HTTP/1.1 CRLF
//	Name: value CRLF
//	CRLF
//
// It is strict where two readers of one request could come to different ends: no folded
// lines, no bare CR, no space before a colon. Nothing is copied.
package httphead

import (
	"bytes"
	"errors"
)

// ErrMalformed reports bytes that are no HTTP/1 request head.
var ErrMalformed = errors.New("malformed request head")

// A Head is what a request says before its body. The slices alias the parsed bytes; those
// that the request does not have are empty.
type Head struct {
	IsGet  bool   // the method is GET
	Path   []byte // up to "?"
	Query  []byte // after it
	HTTP10 bool   // the version is 1.0: no keep-alive unless asked for

	Origin       []byte
	Upgrade      []byte
	Connection   []byte
	Key          []byte // Sec-WebSocket-Key
	Version      []byte // Sec-WebSocket-Version
	Extensions   []byte // Sec-WebSocket-Extensions, the first of them
	ForwardedFor []byte // X-Forwarded-For
	RealIP       []byte // X-Real-IP
	Forwarded    []byte // RFC 7239
	HasBody      bool   // Content-Length other than 0, or Transfer-Encoding
	Twice        bool   // Host or one of these came twice: not for somebody who reads no lists

	hasHost bool
}

// Parse reads the head at the beginning of b and returns its length; 0 and no error mean that
// it has not ended yet. The caller bounds b.
func Parse(b []byte) (h Head, n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		// What can be no request is refused before it has ended.
		if i := bytes.IndexByte(b, '\n'); i == 0 || i > 0 && b[i-1] != '\r' || len(b) > 0 && !isToken(b[0]) {
			return h, 0, ErrMalformed
		}
		return h, 0, nil
	}
	n = end + 4
	line, rest, _ := bytes.Cut(b[:end+2], crlf)
	if err := h.requestLine(line); err != nil {
		return h, 0, err
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, crlf)
		if err := h.header(line); err != nil {
			return h, 0, err
		}
	}
	return h, n, nil
}

var crlf = []byte("\r\n")

func (h *Head) requestLine(line []byte) error {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 || len(method) == 0 || len(target) == 0 || !clean(target) {
		return ErrMalformed
	}
	for _, c := range method {
		if !isToken(c) {
			return ErrMalformed
		}
	}
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		h.HTTP10 = true
	default:
		return ErrMalformed
	}
	h.IsGet = string(method) == "GET"
	h.Path, h.Query, _ = bytes.Cut(target, []byte("?"))
	return nil
}

func (h *Head) header(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || len(name) == 0 || !clean(value) {
		return ErrMalformed
	}
	for _, c := range name {
		if !isToken(c) {
			return ErrMalformed
		}
	}
	value = bytes.Trim(value, " \t")
	var to *[]byte
	switch len(name) {
	case 4:
		if Fold(name, "host") {
			h.Twice = h.Twice || h.hasHost
			h.hasHost = true
		}
	case 6:
		to = match(name, "origin", &h.Origin)
	case 7:
		to = match(name, "upgrade", &h.Upgrade)
	case 9:
		if to = match(name, "x-real-ip", &h.RealIP); to == nil {
			to = match(name, "forwarded", &h.Forwarded)
		}
	case 10:
		to = match(name, "connection", &h.Connection)
	case 14:
		if Fold(name, "content-length") && string(value) != "0" {
			h.HasBody = true
		}
	case 15:
		to = match(name, "x-forwarded-for", &h.ForwardedFor)
	case 17:
		if to = match(name, "sec-websocket-key", &h.Key); to == nil && Fold(name, "transfer-encoding") {
			h.HasBody = true
		}
	case 21:
		to = match(name, "sec-websocket-version", &h.Version)
	case 24:
		// Further offers in further lines may be ignored.
		if Fold(name, "sec-websocket-extensions") && h.Extensions == nil {
			h.Extensions = value
		}
	}
	if to != nil {
		if *to != nil {
			h.Twice = true
		}
		*to = value
	}
	return nil
}

func match(name []byte, want string, to *[]byte) *[]byte {
	if Fold(name, want) {
		return to
	}
	return nil
}

// Fold reports whether b is want, which is in lower case, in any case of ASCII.
func Fold(b []byte, want string) bool {
	if len(b) != len(want) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

// HasWord reports whether a list of words separated by commas holds want, which is in
// lower case.
func HasWord(list []byte, want string) bool {
	for len(list) > 0 {
		var word []byte
		word, list, _ = bytes.Cut(list, []byte(","))
		if Fold(bytes.Trim(word, " \t"), want) {
			return true
		}
	}
	return false
}

// clean reports that no control characters are in b; tabs may stand in values.
func clean(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func isToken(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return c > ' ' && c < 0x7f && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}
