package signal

import "strings"

// The bounds of what ParseICEServers takes.
const (
	maxICEServers = 4
	maxICEText    = 256 // bytes of a URL, a user name, a credential
)

// ParseICEServers reads Reply.ICEServers and returns the first four servers that can be
// used, as "stun:host:port" and "turn:user:password@host:port", or turns:. What is malformed
// is left out: a tracker that errs here still introduces peers.
func ParseICEServers(raw []byte) (servers []string) {
	var r reader
	r.b = raw
	r.open('[')
	for first := true; r.more(first, ']'); first = false {
		if r.peek() == '{' {
			servers = r.iceServer(servers)
		} else {
			r.skip()
		}
	}
	if r.msg != "" {
		return nil
	}
	return servers
}

// iceServer reads one RTCIceServer and appends a server for each of its URLs.
func (r *reader) iceServer(servers []string) []string {
	var urls []string
	user, credential := "", ""
	r.open('{')
	for first := true; r.more(first, '}'); first = false {
		key, _ := r.key(&r.fbuf)
		switch string(key) {
		case "urls":
			if r.peek() != '[' {
				urls = append(urls, r.iceText())
				continue
			}
			r.open('[')
			for first := true; r.more(first, ']'); first = false {
				urls = append(urls, r.iceText())
			}
		case "username":
			user = r.iceText()
		case "credential":
			credential = r.iceText()
		default:
			r.skip()
		}
	}
	for _, url := range urls {
		scheme, rest, _ := strings.Cut(url, ":")
		switch scheme {
		case "stun":
		case "turn", "turns":
			// The last at sign ends the password, the last colon before it begins it.
			if user == "" || credential == "" || strings.Contains(credential, ":") {
				continue
			}
			url = scheme + ":" + user + ":" + credential + "@" + rest
		default:
			continue
		}
		if rest != "" && !strings.Contains(rest, "@") && len(servers) < maxICEServers {
			servers = append(servers, url)
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
