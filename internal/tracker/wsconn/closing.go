package wsconn

import (
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"

	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// EndAt says when what lets the client in has an end: the connection is closed a few seconds later. Any
// goroutine may call it.
func (c *Conn) EndAt(t time.Time) {
	if t.Unix() < math.MaxInt64/int64(time.Second) { // what is beyond that, in 2262, has no end here
		c.until.Store(t.UnixNano())
	}
}

// closeAnswer returns what a client's close frame is answered with: its own code, or why it may
// not send that one (RFC 6455 sections 5.5.1, 7.4.1 and 7.4.2). Code 0 stands for none.
func closeAnswer(payload []byte) (code int, why string) {
	if len(payload) == 0 {
		return 0, ""
	}
	if len(payload) == 1 {
		return wsframe.CloseProtocol, "half a close code"
	}
	code = int(binary.BigEndian.Uint16(payload))
	switch {
	// 1004 is reserved, 1005, 1006 and 1015 never travel, 1012 to 1014 came to IANA's list later.
	case code < 1000, code >= 1004 && code <= 1006, code >= 1015 && code < 3000, code > 4999:
		return wsframe.CloseProtocol, "no code to close with"
	case !utf8.Valid(payload[2:]):
		return wsframe.CloseInvalid, "close reason is not UTF-8"
	}
	return code, ""
}
