package relay

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// sessionGrace is how long after the end of its credentials an open session may be kept.
const sessionGrace = 24 * time.Hour

// Credentials returns a user name and a password that open sessions for Config.TTL: the time
// of their end in Unix seconds, a colon, some random text, a dot and which secret it is; and the
// HMAC-SHA1 of that with the secret in base64.
func (s *Server) Credentials() (username, password string) {
	var id [6]byte
	_, _ = rand.Read(id[:])
	secret := (*s.secrets.Load())[0]
	username = strconv.FormatInt(s.cfg.Now().Add(s.cfg.TTL).Unix(), 10) + ":" + hex.EncodeToString(id[:]) + secret.suffix
	return username, passwordOf(secret.key, username)
}

// A turnSecret makes credentials whose user names end in suffix. TURN asks for a password by the
// user name alone, so the name must tell which secret made it.
type turnSecret struct {
	key    []byte
	suffix string
}

// SetSecrets changes the secrets: the first makes credentials, all of them are taken; user names that
// do not tell theirs belong to the first. Any goroutine may call it, with one secret or more.
func (s *Server) SetSecrets(secrets ...[]byte) {
	list := make([]turnSecret, len(secrets))
	for i, key := range secrets {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte("which secret of several"))
		list[i] = turnSecret{key, "." + hex.EncodeToString(mac.Sum(nil)[:4])}
	}
	s.secrets.Store(&list)
}

// secretOf returns the secret that a user name belongs to.
func (s *Server) secretOf(username string) []byte {
	list := *s.secrets.Load()
	for _, secret := range list {
		if strings.HasSuffix(username, secret.suffix) {
			return secret.key
		}
	}
	return list[0].key
}

// passwordOf is the password that belongs to a user name.
func passwordOf(secret []byte, username string) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// authenticate is the turn.AuthHandler. It returns the client's address with the user, so
// that the generator, which is told only of the user, knows it too.
func (s *Server) authenticate(ra *turn.RequestAttributes) (userID string, key []byte, ok bool) {
	client, known := keyOf(ra.SrcAddr)
	end, _, _ := strings.Cut(ra.Username, ":")
	at, err := strconv.ParseInt(end, 10, 64)
	until := time.Unix(at, 0)
	if ra.Method != stun.MethodAllocate {
		until = until.Add(sessionGrace)
	}
	if !known || err != nil || ra.Realm != s.cfg.Realm || !s.cfg.Now().Before(until) {
		s.unauthorized.Add(1)
		s.tell(limit.RelayAuth, client)
		return "", nil, false
	}
	if ra.Method == stun.MethodChannelBind {
		if ses := s.session(client); ses == nil || !ses.mayBind() {
			s.denied.Add(1)
			s.tell(limit.RelayPeer, client)
			return "", nil, false
		}
	}
	return client.String() + " " + ra.Username, turn.GenerateAuthKey(ra.Username, ra.Realm, passwordOf(s.secretOf(ra.Username), ra.Username)), true
}

// An iceServer is an RTCIceServer object.
type iceServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

func (s *Server) iceServers(client netip.Addr) []iceServer {
	host := s.cfg.Host
	if host == "" {
		ip := s.public[0]
		if other := s.public[1]; other.IsValid() && (!ip.IsValid() || client.IsValid() && family(client) == 1) {
			ip = other
		}
		host = ip.String()
	}
	plain := hostPort(host, s.addr.Port())
	servers := []iceServer{{URLs: []string{"stun:" + plain}}}
	if s.cfg.STUNOnly {
		return servers
	}
	relay := iceServer{URLs: []string{"turn:" + plain + "?transport=udp", "turn:" + plain + "?transport=tcp"}}
	if s.tls.IsValid() && s.cfg.Host != "" {
		relay.URLs = append(relay.URLs, "turns:"+hostPort(host, s.tls.Port())+"?transport=tcp")
	}
	relay.Username, relay.Credential = s.Credentials()
	return append(servers, relay)
}

// ICEServers returns a JSON array of RTCIceServer objects, with credentials that are made for
// this call. client is for whom they are: without Config.Host it decides between our IPv4 and
// our IPv6 address; it may be invalid.
func (s *Server) ICEServers(client netip.Addr) []byte {
	b, _ := json.Marshal(s.iceServers(client)) // strings alone cannot fail
	return b
}

// Handler answers GET with what an RTCPeerConnection takes as its configuration:
// {"iceServers":[...],"ttl":SECONDS}. Pages of every origin may read it; wrap it to let in
// fewer.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "use GET", http.StatusMethodNotAllowed)
			return
		}
		var client netip.Addr
		if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
			client, _ = netip.ParseAddr(host)
		}
		h.Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(struct {
			ICEServers []iceServer `json:"iceServers"`
			TTL        int         `json:"ttl"`
		}{s.iceServers(client), int(s.cfg.TTL / time.Second)})
	})
}
