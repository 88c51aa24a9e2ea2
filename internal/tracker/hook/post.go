package hook

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

const (
	// maxReply bounds what is read of a response's body, in bytes.
	maxReply = 4 << 10
	// maxReason bounds the reason that a client is told, in bytes.
	maxReason = 200
)

// body is a Question as the service gets it.
type body struct {
	InfoHash string `json:"info_hash"`
	PeerID   string `json:"peer_id"`
	Address  string `json:"address,omitempty"`
	Port     uint16 `json:"port,omitempty"`
	Event    string `json:"event,omitempty"`
	Left     int64  `json:"left"`
	Protocol string `json:"protocol,omitempty"`
	Origin   string `json:"origin,omitempty"`
	Query    string `json:"query,omitempty"`
}

func (q *Question) json() ([]byte, error) {
	b := body{
		InfoHash: hex.EncodeToString(q.InfoHash[:]), PeerID: hex.EncodeToString(q.PeerID[:]),
		Port: q.Port, Event: q.Event, Left: q.Left, Protocol: q.Protocol, Origin: q.Origin, Query: q.Query,
	}
	if q.Addr.IsValid() {
		b.Address = q.Addr.Unmap().String()
	}
	return json.Marshal(b)
}

// post asks the service. An error means that it is away; it does not name the URL, which may hold a
// password.
func (h *Hook) post(q *Question) (v Verdict, ttl time.Duration, err error) {
	ctx, cancel := context.WithTimeout(h.ctx, h.conf.Timeout)
	defer cancel()
	text, err := q.json()
	if err != nil {
		return v, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.conf.URL, bytes.NewReader(text))
	if err != nil {
		return v, 0, errors.New("hook: the request cannot be made")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "shoal-tracker")
	// Not sent: it lets net/http ask once more when the service closes a connection that was at rest.
	req.Header["X-Idempotency-Key"] = nil
	if h.conf.Secret != nil {
		if secret := h.conf.Secret(); secret != "" {
			req.Header.Set("Authorization", "Bearer "+secret)
		}
	}
	resp, err := h.conf.Client.Do(req)
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			return v, 0, fmt.Errorf("hook: no answer within %v", h.conf.Timeout)
		}
		if inner := errors.Unwrap(err); inner != nil { // a url.Error
			err = inner
		}
		return v, 0, fmt.Errorf("hook: %w", err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return v, 0, fmt.Errorf("hook: the answer broke off: %w", err)
	}
	return parseReply(resp.StatusCode, reply)
}

// parseReply reads what the service says. A ttl of 0 is none.
func parseReply(status int, text []byte) (v Verdict, ttl time.Duration, err error) {
	switch {
	case status >= 200 && status < 300:
		v.Answer = Allowed
	case status == 401, status == 403, status == 404, status == 410:
		v = Verdict{Denied, limit.HookDenied.Error()}
	default:
		return Verdict{}, 0, fmt.Errorf("hook: the service says %d %s", status, http.StatusText(status))
	}
	var r struct {
		Reason string  `json:"reason"`
		TTL    float64 `json:"ttl"`
	}
	// A page for people, or one that is too long, is no reason.
	if len(text) > maxReply || json.Unmarshal(text, &r) != nil {
		return v, 0, nil
	}
	if reason := tidy(r.Reason); v.Answer == Denied && reason != "" {
		v.Reason = reason
	}
	if r.TTL > 0 {
		ttl = time.Duration(max(min(r.TTL, maxTTL.Seconds()), 1) * float64(time.Second))
	}
	return v, ttl, nil
}

// tidy makes one printable line of a text.
func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	for i, r := range s {
		if i+utf8.RuneLen(r) > maxReason {
			return strings.TrimRight(s[:i], " ")
		}
	}
	return s
}
