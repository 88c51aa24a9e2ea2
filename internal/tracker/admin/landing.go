package admin

import (
	"bytes"
	"errors"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// LandingConfig says what the public page tells. The zero value is usable.
type LandingConfig struct {
	// Tracker, when set, lets the page say how many swarms and peers there are.
	Tracker Source
	// UDPPort is where UDP clients are served. 0 means nowhere.
	UDPPort int
}

// countsFor is how long the public page repeats the same counts, so that asking for it
// costs the tracker nothing.
const countsFor = 5 * time.Second

// Landing returns the handler of "/" at a tracker's public address: a page for those who
// open it in a browser, a few lines of text for others. Anything else is not found.
func Landing(cfg LandingConfig) http.Handler {
	return &landing{cfg: cfg}
}

type landing struct {
	cfg LandingConfig

	mu            sync.Mutex
	read          time.Time
	swarms, peers int
}

var (
	landingPage = newPage("landing.html", "landing.css")
	landingHTML = template.Must(template.New("landing").Parse(landingPage.html))
)

// A landingData is what the page is filled with.
type landingData struct {
	WebSocket, HTTP, UDP string // announce URLs; UDP may be ""
	Counted              bool
	Swarms, Peers        string
}

func (l *landing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guard(w.Header())
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name, err := hostname(r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	v := l.data(name, r)
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "This is a BitTorrent and WebTorrent tracker. Give your client one of its addresses:\n")
		for _, u := range []string{v.WebSocket, v.HTTP, v.UDP} {
			if u != "" {
				io.WriteString(w, u+"\n")
			}
		}
		return
	}
	var page bytes.Buffer
	if err := landingHTML.Execute(&page, v); err != nil {
		http.Error(w, "the page cannot be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	landingPage.headers(w.Header())
	w.Write(page.Bytes())
}

// data names the addresses by which the visitor has come.
func (l *landing) data(name string, r *http.Request) landingData {
	ws, web := "ws", "http"
	// Whoever lies here only changes a page of his own: it is not cached.
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		ws, web = "wss", "https"
	}
	v := landingData{WebSocket: ws + "://" + r.Host + "/announce", HTTP: web + "://" + r.Host + "/announce"}
	if l.cfg.UDPPort > 0 {
		v.UDP = "udp://" + net.JoinHostPort(name, strconv.Itoa(l.cfg.UDPPort)) + "/announce"
	}
	if l.cfg.Tracker != nil {
		swarms, peers := l.counts()
		v.Counted, v.Swarms, v.Peers = true, grouped(swarms), grouped(peers)
	}
	return v
}

func (l *landing) counts() (swarms, peers int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.read.IsZero() || now.Sub(l.read) >= countsFor {
		s := l.cfg.Tracker.Stats()
		l.read, l.swarms, l.peers = now, s.Swarms, s.WebRTCPeers+s.TCPPeers
	}
	return l.swarms, l.peers
}

var errHost = errors.New("the Host header names no host")

// hostname returns the name or address in a Host header, without port and brackets.
func hostname(host string) (string, error) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "0"
		if n, ok := strings.CutPrefix(host, "["); ok {
			name, ok = strings.CutSuffix(n, "]")
			if !ok {
				return "", errHost
			}
		}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", errHost
	}
	if strings.HasPrefix(host, "[") {
		if ip, err := netip.ParseAddr(name); err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", errHost
		}
		return name, nil
	}
	if name == "" || len(name) > 253 {
		return "", errHost
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return "", errHost
		}
	}
	return name, nil
}

// grouped writes a number with commas between its thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
