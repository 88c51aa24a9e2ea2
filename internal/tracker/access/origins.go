package access

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Origins decides which web pages may use a tracker, by the Origin header of their
// WebSocket. Browsers send it and pages cannot change it; other programs may send what they like
// or nothing, so this keeps foreign sites away and nobody else.
type Origins struct {
	allow, deny []pattern
	required    bool
}

// A pattern is an origin taken apart. An empty scheme or port means any.
type pattern struct {
	scheme, host, port string
	below              bool // names below host, and not host itself
}

var (
	// ErrOrigin says that an origin is denied, or is not among those allowed.
	ErrOrigin = errors.New("this tracker does not serve your site")
	// ErrNoOrigin says that an origin is required and none was sent.
	ErrNoOrigin = errors.New("this tracker serves web pages only")
)

// NewOrigins returns Origins that refuse what one of deny matches, then, unless allow is
// empty, what none of allow matches. If required, clients without an origin, which
// are no browsers, are refused too. A pattern is one of
//
//	https://example.org        this origin; with :port if that is not the scheme's own
//	example.org                this host, by any scheme and port
//	*.example.org              every host below it, not itself
//	https://*.example.org:8443 both
//	null                       pages without an origin of their own, such as files
//
// The error names the pattern that is none.
func NewOrigins(allow, deny []string, required bool) (*Origins, error) {
	o := &Origins{required: required}
	for _, list := range []struct {
		from []string
		to   *[]pattern
	}{{allow, &o.allow}, {deny, &o.deny}} {
		for _, text := range list.from {
			p, err := parsePattern(text)
			if err != nil {
				return nil, err
			}
			*list.to = append(*list.to, p)
		}
	}
	return o, nil
}

// Check returns nil, ErrOrigin or ErrNoOrigin. origin is the header as it came.
func (o *Origins) Check(origin string) error {
	if origin == "" {
		if o.required {
			return ErrNoOrigin
		}
		return nil
	}
	if len(o.allow) == 0 && len(o.deny) == 0 {
		return nil
	}
	p, ok := parseOrigin(origin)
	if !ok || matchesAny(o.deny, p) || len(o.allow) > 0 && !matchesAny(o.allow, p) {
		return ErrOrigin
	}
	return nil
}

func matchesAny(patterns []pattern, origin pattern) bool {
	for _, p := range patterns {
		if p.matches(origin) {
			return true
		}
	}
	return false
}

func (p pattern) matches(o pattern) bool {
	if p.scheme != "" && (p.scheme != o.scheme || p.port != o.port) {
		return false
	}
	if p.port != "" && p.port != o.port {
		return false
	}
	if p.below {
		name, ok := strings.CutSuffix(o.host, p.host)
		return ok && len(name) > 1 && strings.HasSuffix(name, ".")
	}
	return p.host == o.host
}

func parsePattern(text string) (pattern, error) {
	bad := func(why string) (pattern, error) {
		return pattern{}, fmt.Errorf("origin %q: %s; write it like https://example.org, example.org or *.example.org", text, why)
	}
	if strings.EqualFold(text, "null") {
		return pattern{host: "null"}, nil
	}
	rest, scheme := text, ""
	if before, after, ok := strings.Cut(text, "://"); ok {
		if scheme, rest = strings.ToLower(before), after; scheme == "" {
			return bad("the scheme is missing")
		}
	}
	rest, below := strings.CutPrefix(rest, "*.")
	host, port, why := splitHost(rest)
	switch {
	case why != "":
		return bad(why)
	case strings.Contains(host, "*"):
		return bad("a star may only stand at the front, before a dot")
	}
	if scheme != "" && port == "" {
		port = ownPort(scheme)
	}
	return pattern{scheme, host, port, below}, nil
}

func parseOrigin(text string) (pattern, bool) {
	if text == "null" {
		return pattern{host: "null"}, true
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme == "" {
		return pattern{}, false
	}
	host, port, why := splitHost(rest)
	if why != "" {
		return pattern{}, false
	}
	scheme = strings.ToLower(scheme)
	if port == "" {
		port = ownPort(scheme)
	}
	return pattern{scheme: scheme, host: host, port: port}, true
}

// ownPort is the port that an origin with this scheme leaves out.
func ownPort(scheme string) string {
	switch scheme {
	case "https":
		return "443"
	case "http":
		return "80"
	}
	return ""
}

// splitHost takes "host", "host:port" or "[v6]:port" apart, and says why it cannot.
func splitHost(text string) (host, port, why string) {
	host = text
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		host, port = text[:i], text[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", "", "the port is not a number from 1 to 65535"
		}
	}
	if strings.HasPrefix(host, "[") {
		ip, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
		if err != nil || !strings.HasSuffix(host, "]") {
			return "", "", "the IPv6 address cannot be read"
		}
		return "[" + ip.String() + "]", port, ""
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" || strings.ContainsAny(host, "/\\?#@: \t") {
		return "", "", "there is no host, or something after it"
	}
	return host, port, ""
}
