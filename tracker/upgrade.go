package tracker

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/httphead"
)

// handshake answers an upgrade, RFC 6455 section 4.2.2: with the whole response, and whether
// messages may be deflated, or with a status that refuses.
func (t *Tracker) handshake(dst []byte, h *httphead.Head) (resp []byte, deflate bool, status int) {
	switch {
	case !httphead.HasWord(h.Upgrade, "websocket") || !httphead.HasWord(h.Connection, "upgrade") || len(h.Key) != 24:
		return nil, false, http.StatusBadRequest
	case string(h.Version) != "13":
		return nil, false, http.StatusUpgradeRequired
	}
	sum := sha1.Sum(append(bytes.Clone(h.Key), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = base64.StdEncoding.AppendEncode(dst, sum[:])
	if deflate = t.cfg.Compression != CompressOff && offersDeflate(h.Extensions); deflate {
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

// invite decides about an upgrade and counts the connection in, unless slots says that it has
// been. Without a response, status and why say how to refuse; the caller gives the slots back.
func (t *Tracker) invite(c *Client, h *httphead.Head, slots *connSlots) (resp []byte, deflate bool, status int, why string) {
	if t.stopped() {
		return nil, false, http.StatusServiceUnavailable, reasonShutdown
	}
	if !slots.taken {
		var err error
		if *slots, err = t.take(c.Addr); err != nil {
			t.shared.limited.Add(1)
			if errors.Is(err, errFull) {
				return nil, false, http.StatusServiceUnavailable, err.Error()
			}
			return nil, false, http.StatusTooManyRequests, err.Error()
		}
	}
	if f := t.cfg.AllowClient; f != nil {
		if err := f(c); err != nil {
			t.shared.refused.Add(1)
			return nil, false, http.StatusForbidden, err.Error()
		}
	}
	if resp, deflate, status = t.handshake(nil, h); status != 0 {
		return nil, false, status, "not a WebSocket handshake"
	}
	return resp, deflate, 0, ""
}

// upgrade makes a visit a WebSocket connection; n is the length of its request.
func (v *visit) upgrade(h *httphead.Head, c *Client, n int) {
	resp, deflate, status, why := v.t.invite(c, h, &v.slots)
	if status != 0 {
		v.conn.Write([]byte("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) +
			"\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " +
			strconv.Itoa(len(why)+1) + "\r\n\r\n" + why + "\n"))
		return
	}
	if _, err := v.conn.Write(resp); err != nil {
		return
	}
	v.kept = true
	v.t.welcome(c, v.slots, deflate, v.conn, v.buf[n:])
}

// upgradeHTTP makes a request to somebody's http.Server a WebSocket connection.
func (t *Tracker) upgradeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &Client{Door: WebSocket, Addr: t.clientIP(r), Origin: r.Header.Get("Origin"), Query: r.URL.RawQuery}
	get := func(name string) []byte { return []byte(r.Header.Get(name)) }
	var slots connSlots
	resp, deflate, status, why := t.invite(c, &httphead.Head{Upgrade: get("Upgrade"), Connection: get("Connection"),
		Key: get("Sec-WebSocket-Key"), Version: get("Sec-WebSocket-Version"), Extensions: get("Sec-WebSocket-Extensions")}, &slots)
	if status != 0 {
		t.release(&slots)
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, why, status)
		return
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.release(&slots)
		http.Error(w, "this server cannot upgrade a connection", http.StatusInternalServerError)
		return
	}
	nc.SetDeadline(time.Now().Add(writeTimeout))
	if _, err := nc.Write(resp); err != nil {
		t.release(&slots)
		nc.Close()
		return
	}
	buffered, _ := rw.Reader.Peek(rw.Reader.Buffered())
	buffered = bytes.Clone(buffered)
	// Not in this goroutine: it would keep the request and its buffers alive.
	if !t.begin(func() { t.welcome(c, slots, deflate, nc, buffered) }) {
		t.release(&slots)
		nc.Close()
	}
}

// welcome begins to serve a WebSocket connection; where no loop takes it, it blocks until the
// connection ends.
func (t *Tracker) welcome(c *Client, slots connSlots, deflate bool, nc net.Conn, buffered []byte) {
	w := &conn{t: t, client: c, slots: slots, home: -1, place: t.place(c.Addr)}
	if deflate {
		w.flags |= flagDeflate
		w.deflates = t.cfg.Compression == CompressBoth
	}
	w.heard.Store(t.cfg.Now().UnixNano())
	t.arrived(w)
	if !t.adopt(w, nc, buffered) {
		t.serveStream(w, nc, buffered)
	}
}
