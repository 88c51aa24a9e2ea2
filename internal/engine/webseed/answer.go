package webseed

import (
	"strconv"
	"strings"
	"time"
)

const (
	// maxSkip is how large a file may be that a server without ranges is asked
	// for as a whole for a part from its middle.
	maxSkip = 1 << 20
	// maxWait bounds a Retry-After: who wants to be left alone for longer than a
	// day is asked again tomorrow.
	maxWait = 24 * time.Hour
)

// Answer is the head of an HTTP answer.
type Answer struct {
	Status   int
	Range    string // Content-Range
	Length   int64  // Content-Length, -1 if unknown
	Encoding string // Content-Encoding
	// Wait is the Retry-After header, or BEP 17's number of seconds in the body
	// of a 503; 0 if there is none.
	Wait time.Duration
	// Page says that a browser's page reads the answer: it sees of another site's
	// headers only what that site allows, and the browser unpacks what comes packed.
	Page bool
}

// Check says how many bytes of the body lie before those that the part wants, or
// what is wrong with the answer.
func (p *Part) Check(a *Answer) (skip int64, problem *Problem) {
	wrong := func(why string) (int64, *Problem) { return 0, &Problem{Kind: Wrong, Why: why} }
	switch a.Status {
	case 200, 206:
	case 404, 410:
		return 0, &Problem{Kind: Gone, Why: "the server has no such file" + status(a.Status)}
	case 416:
		return wrong("the server's file is shorter than the torrent's" + status(a.Status))
	case 429, 503:
		return 0, &Problem{Kind: Busy, Why: "the server is busy" + status(a.Status), Wait: min(max(a.Wait, 0), maxWait)}
	default:
		return 0, &Problem{Kind: Failed, Why: "the server refused" + status(a.Status)}
	}
	whole := a.Status == 200 || p.Pieces
	if e := strings.TrimSpace(a.Encoding); e != "" && !strings.EqualFold(e, "identity") && !(a.Page && whole) {
		return wrong("the server compresses what it sends, so ranges of it are of no use")
	}
	if whole {
		switch {
		case a.Length >= 0 && a.Length != p.Size && !a.Page:
			return wrong(p.otherSize(a.Length))
		case p.From > 0 && p.Size > maxSkip:
			return wrong("the server does not answer requests for ranges")
		}
		return p.From, nil
	}
	if a.Range == "" && a.Page {
		if a.Length >= 0 && a.Length < p.Length {
			return wrong("the server sent less than it was asked for")
		}
		return 0, nil
	}
	first, last, total, ok := parseContentRange(a.Range)
	switch {
	case !ok || first != p.From:
		return wrong("the server answered with another range than it was asked for")
	case total >= 0 && total != p.Size:
		return wrong(p.otherSize(total))
	case last < p.From+p.Length-1, a.Length >= 0 && a.Length < p.Length:
		return wrong("the server sent less than it was asked for")
	}
	return 0, nil
}

func (p *Part) otherSize(n int64) string {
	return "the server has " + strconv.FormatInt(n, 10) + " bytes where the torrent has " + strconv.FormatInt(p.Size, 10)
}

func status(n int) string { return " (HTTP status " + strconv.Itoa(n) + ")" }

// EndOfBody is the problem of a body that ended before the part was complete;
// cut says that the connection broke or that more had been promised.
func EndOfBody(cut bool) *Problem {
	if cut {
		return &Problem{Kind: Cut, Why: "the connection broke in the middle of an answer"}
	}
	return &Problem{Kind: Wrong, Why: "the server sent less than it was asked for"}
}

// parseContentRange reads "bytes 0-99/1234" (RFC 9110, section 14.4). The total
// is -1 where the server does not tell it.
func parseContentRange(s string) (first, last, total int64, ok bool) {
	unit, rest, found := strings.Cut(strings.TrimSpace(s), " ")
	if !found || !strings.EqualFold(unit, "bytes") {
		return 0, 0, 0, false
	}
	span, size, found := strings.Cut(strings.TrimSpace(rest), "/")
	if !found {
		return 0, 0, 0, false
	}
	a, b, found := strings.Cut(span, "-")
	first, okA := parseNumber(a)
	last, okB := parseNumber(b)
	if !found || !okA || !okB || last < first {
		return 0, 0, 0, false
	}
	if size = strings.TrimSpace(size); size == "*" {
		return first, last, -1, true
	}
	total, ok = parseNumber(size)
	return first, last, total, ok && last < total
}

// ParseSeconds reads a Retry-After of seconds (RFC 9110, section 10.2.3), or the
// body of a BEP 17 answer. It reports false for anything else, dates included.
func ParseSeconds(s string) (time.Duration, bool) {
	n, ok := parseNumber(s)
	return time.Duration(min(n, int64(maxWait/time.Second))) * time.Second, ok
}

// parseNumber reads a decimal number of digits alone.
func parseNumber(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 18 {
		return 0, false
	}
	var n int64
	for k := range len(s) {
		if s[k] < '0' || s[k] > '9' {
			return 0, false
		}
		n = 10*n + int64(s[k]-'0')
	}
	return n, true
}
