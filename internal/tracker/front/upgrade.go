package front

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/httphead"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

// handshake answers an upgrade, RFC 6455 section 4.2.2: with the whole response, and whether
// messages may be deflated, or with a status that refuses.
func (f *Front) handshake(dst []byte, h *httphead.Head) (resp []byte, deflate bool, status int) {
	switch {
	case !httphead.HasWord(h.Upgrade, "websocket") || !httphead.HasWord(h.Connection, "upgrade") || len(h.Key) != 24:
		return nil, false, http.StatusBadRequest
	case string(h.Version) != "13":
		return nil, false, http.StatusUpgradeRequired
	}
	sum := sha1.Sum(append(bytes.Clone(h.Key), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = base64.StdEncoding.AppendEncode(dst, sum[:])
	if deflate = f.cfg.Deflate && offersDeflate(h.Extensions); deflate {
		// Without context takeover neither side keeps 32 KiB for each connection.
		dst = append(dst, "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"...)
	}
	return append(dst, "\r\n\r\n"...), deflate, 0
}

// offersDeflate reports whether a client offers permessage-deflate with parameters that we
// can keep (RFC 7692 section 7.1).
func offersDeflate(extensions []byte) bool {
	for len(extensions) > 0 {
		var offer []byte
		offer, extensions, _ = bytes.Cut(extensions, []byte(","))
		name, params, _ := bytes.Cut(offer, []byte(";"))
		if !httphead.Fold(bytes.TrimSpace(name), "permessage-deflate") {
			continue
		}
		ok := true
		for len(params) > 0 {
			var param []byte
			param, params, _ = bytes.Cut(params, []byte(";"))
			key, value, _ := bytes.Cut(param, []byte("="))
			switch string(bytes.TrimSpace(key)) {
			case "client_max_window_bits", "client_no_context_takeover", "server_no_context_takeover":
			case "server_max_window_bits":
				ok = ok && string(bytes.Trim(value, " \t\"")) == "15"
			default:
				ok = false
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// A refusal says how to answer an upgrade that is not taken. The zero refusal is none.
type refusal struct {
	status int
	text   string
}

// admitUpgrade decides about an upgrade and counts the connection in for its client, unless slot
// says that it has been. The caller gives the slot back when the upgrade is refused.
func (f *Front) admitUpgrade(c *core.Client, h *httphead.Head, slot *limit.Slot) (resp []byte, deflate bool, no refusal) {
	if no = f.tooLate(c); no.status != 0 {
		return nil, false, no
	}
	if !c.Addr.IsValid() {
		f.shared.Limit(limit.AddressUnknown, c.Addr)
		return nil, false, refusal{http.StatusBadRequest, limit.AddressUnknown.Error()}
	}
	if !slot.Known() {
		if why := f.cfg.Clients.Name(f.cfg.Now(), slot, c.Addr); why != limit.None {
			f.shared.Limit(why, c.Addr)
			status := http.StatusTooManyRequests
			if why == limit.Conns {
				status = http.StatusServiceUnavailable
			}
			return nil, false, refusal{status, why.Error()}
		}
	}
	if allow := f.cfg.AllowClient; allow != nil {
		if err := allow(c); err != nil {
			f.shared.Refuse(stats.WebSocket, limit.ClientDenied, c.Addr)
			return nil, false, refusal{http.StatusForbidden, err.Error()}
		}
	}
	resp, deflate, status := f.handshake(nil, h)
	if status != 0 {
		return nil, false, refusal{status, "not a WebSocket handshake"}
	}
	return resp, deflate, refusal{}
}

// upgrade makes an accepted connection a WebSocket connection; n is the length of its request.
func (c *httpConn) upgrade(h *httphead.Head, client *core.Client, n int) {
	resp, deflate, no := c.f.admitUpgrade(client, h, &c.slot)
	if no.status != 0 {
		c.write(no.response())
		return
	}
	c.kept = true
	c.f.open.Add(-1)
	c.f.cfg.Core.Serve(client, c.slot, c.conn, c.buf[n:], deflate, func() error {
		if no := c.f.tooLate(client); no.status != 0 {
			c.write(no.response())
			return limit.ShuttingDown
		}
		return c.write(resp)
	})
}

// tooLate refuses an upgrade when the Front is stopped. It is asked before an upgrade is admitted, and
// once more when the connection counts as open: who stops the Front either finds it open, or it is refused.
func (f *Front) tooLate(c *core.Client) refusal {
	if !f.stopped.Load() {
		return refusal{}
	}
	f.shared.Limit(limit.ShuttingDown, c.Addr)
	return refusal{http.StatusServiceUnavailable, limit.ShuttingDown.Error()}
}

// response is a whole HTTP response.
func (r refusal) response() []byte {
	return []byte("HTTP/1.1 " + strconv.Itoa(r.status) + " " + http.StatusText(r.status) +
		"\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " +
		strconv.Itoa(len(r.text)+1) + "\r\n\r\n" + r.text + "\n")
}

// upgradeHTTP makes a request to somebody's http.Server a WebSocket connection.
func (f *Front) upgradeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &core.Client{Door: stats.WebSocket, Addr: f.ClientAddr(r), Origin: r.Header.Get("Origin"), Query: r.URL.RawQuery}
	get := func(name string) []byte { return []byte(strings.Join(r.Header.Values(name), ",")) }
	var slot limit.Slot
	resp, deflate, no := f.admitUpgrade(c, &httphead.Head{Upgrade: get("Upgrade"), Connection: get("Connection"),
		Key: get("Sec-WebSocket-Key"), Version: get("Sec-WebSocket-Version"), Extensions: get("Sec-WebSocket-Extensions")}, &slot)
	if no.status != 0 {
		f.cfg.Clients.Release(&slot)
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, no.text, no.status)
		return
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		f.cfg.Clients.Release(&slot)
		http.Error(w, "this server cannot upgrade a connection", http.StatusInternalServerError)
		return
	}
	wsconn.Tune(plainConn(nc))
	buffered, _ := rw.Reader.Peek(rw.Reader.Buffered())
	buffered = bytes.Clone(buffered)
	accept := func() error {
		nc.SetDeadline(time.Now().Add(writeTimeout))
		no := f.tooLate(c)
		if no.status != 0 {
			resp = no.response()
		}
		_, err := nc.Write(resp)
		if no.status != 0 {
			err = limit.ShuttingDown
		}
		return err
	}
	// Not in this goroutine: it would keep the request and its buffers alive.
	if !f.begin(func() { f.cfg.Core.Serve(c, slot, nc, buffered, deflate, accept) }) {
		f.cfg.Clients.Release(&slot)
		nc.Close()
	}
}
