package front

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

const plainText = "This port speaks TLS: use https:// or wss:// instead of http:// or ws://.\n"

// plainOnTLS tells a client that speaks HTTP where TLS is expected what to do: it would otherwise see
// the connection end, for which there are a hundred reasons.
func (c *httpConn) plainOnTLS(err error) {
	var not tls.RecordHeaderError
	if !errors.As(err, &not) || not.Conn == nil {
		return
	}
	switch string(not.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
	default:
		return
	}
	io.WriteString(c.tcp, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+plainText)
	// With bytes of the request unread, closing would take the answer back.
	if tcp, ok := c.tcp.(*net.TCPConn); ok {
		tcp.CloseWrite()
		tcp.SetReadDeadline(time.Now().Add(time.Second))
		io.CopyN(io.Discard, tcp, maxHead)
	}
}
