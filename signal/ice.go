package signal

import "strings"

// An ICEServer is a STUN or TURN server under one URL.
type ICEServer struct {
	URL                  string // stun:, turn: or turns:
	Username, Credential string // of a TURN server
}

// The bounds of what ParseICEServers takes.
const (
	maxICEServers = 4
	maxICEText    = 256 // bytes of a URL, a user name, a credential
)

// ParseICEServers reads Reply.ICEServers and returns the first four URLs that can be
// used. What is malformed is left out: a tracker that errs here still introduces peers.
func ParseICEServers(raw []byte) []ICEServer {
	var servers []ICEServer
	var r reader
	r.b = raw
	r.open('[')
	for first := true; r.more(first, ']'); first = false {
		if r.peek() != '{' {
			r.skip()
			continue
		}
		servers = r.iceServer(servers)
	}
	if r.finish() != nil {
		return nil
	}
	return servers
}

// iceServer reads one RTCIceServer and appends a server for each of its URLs.
func (r *reader) iceServer(servers []ICEServer) []ICEServer {
	had := len(servers)
	user, credential := "", ""
	r.open('{')
	for first := true; r.more(first, '}'); first = false {
		key, _ := r.key(&r.fbuf)
		switch string(key) {
		case "urls":
			if r.peek() != '[' {
				servers = r.iceURL(servers)
				continue
			}
			r.open('[')
			for first := true; r.more(first, ']'); first = false {
				servers = r.iceURL(servers)
			}
		case "username":
			user = r.iceText()
		case "credential":
			credential = r.iceText()
		default:
			r.skip()
		}
	}
	for i := len(servers) - 1; i >= had; i-- {
		s := &servers[i]
		switch {
		case strings.HasPrefix(s.URL, "stun"):
		case user == "" || credential == "":
			servers = append(servers[:i], servers[i+1:]...)
		default:
			s.Username, s.Credential = user, credential
		}
	}
	return servers
}

func (r *reader) iceURL(servers []ICEServer) []ICEServer {
	url := r.iceText()
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "stun", "turn", "turns":
		if rest != "" && len(servers) < maxICEServers {
			return append(servers, ICEServer{URL: url})
		}
	}
	return servers
}

// iceText reads a string of visible ASCII characters, "" if it is something else.
func (r *reader) iceText() string {
	s := r.token(maxICEText)
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return ""
		}
	}
	return s
}
