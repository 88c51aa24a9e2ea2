//go:build !js

package trackerclient

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/internal/reach"
)

// Torrents and links must not make us ask services of our own machine for what they like;
// the user may name any tracker, and links of his own network go on working.
func TestWhereTrackersMayBe(t *testing.T) {
	var asked atomic.Pointer[string]
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		uri := r.RequestURI
		asked.Store(&uri)
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		if r.Header.Get("Upgrade") == "" {
			w.Write([]byte("d8:intervali600ee"))
		} else if ws, err := websocket.Accept(w, r, nil); err == nil {
			ws.CloseNow()
		}
	})
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	c := New(Config{Sink: newSink(), Timeout: 200 * time.Millisecond})
	defer c.Close()
	ask := func(url string, named bool) error {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		a := &Announcement{Port: 1}
		if named {
			a.Named = []string{url}
		}
		if strings.HasPrefix(url, "ws") {
			ws, err := dialWS(ctx, url, a.isNamed(url), "")
			if err == nil {
				ws.Close()
			}
			return err
		}
		_, err := c.tcp.announce(ctx, url, &tcpRequest{a: a})
		if strings.HasPrefix(url, "udp") && (errors.Is(err, ErrNoReply) || errors.Is(err, context.DeadlineExceeded)) {
			return nil // nobody answers there, but it was asked
		}
		return err
	}
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, tt := range []struct {
		url  string
		want error
	}{
		{"http://HOST/announce", nil},
		{"http://HOST/x/announce.php?passkey=1", nil},
		{"http://HOST", reach.ErrOwn},
		{"http://HOST/", reach.ErrOwn},
		{"http://HOST/admin?do=delete", reach.ErrOwn},
		{"http://HOST/announce/../admin", reach.ErrOwn},
		{"http://HOST/announce?to=/admin", reach.ErrOwn},
		{"ws://HOST/announce", nil},
		{"ws://HOST", nil},
		{"ws://HOST/", nil},
		{"ws://NAME/announce", nil},
		{"ws://HOST/admin", reach.ErrOwn},
		{"ws://NAME/admin", reach.ErrOwn},
		{"ws://HOST/?do=delete", reach.ErrOwn},
		{"ws://HOST/announce?to=/admin", reach.ErrOwn},
		{"udp://UDP/announce", nil},
		{"udp://UDP", nil},
		{"udp://UDP/admin", reach.ErrOwn},
	} {
		url := strings.NewReplacer("HOST", host, "NAME", strings.Replace(host, "127.0.0.1", "localhost", 1), "UDP", udp.LocalAddr().String()).Replace(tt.url)
		asked.Store(new(string))
		if err := ask(url, false); !errors.Is(err, tt.want) || strings.Contains(*asked.Load(), "/admin") && !strings.Contains(*asked.Load(), "to=") {
			t.Errorf("%s: %v, asked for %q", tt.url, err, *asked.Load())
		}
		if err := ask(url, true); err != nil && errors.Is(err, reach.ErrOwn) {
			t.Errorf("%s, named by the user: %v", tt.url, err)
		}
	}
}

// Torrents share the connection to a tracker; one that may lead anywhere, because the user
// named it for one torrent, is not that of another.
func TestAnAddressOfATorrentGainsNothingFromTheUsers(t *testing.T) {
	e := newEvilTracker(t)
	url := strings.Replace(e.url, "/announce", "/admin", 1)
	n := newNode(t, newNet(), nil)
	h := n.c.Start(Announcement{Key: swarmKey, PeerID: [20]byte{1}, Trackers: [][]string{{url}}, Named: []string{url}})
	defer h.Stop(t.Context())
	c, _ := e.accept(t)
	c.reply("")
	n.announced(t, url)
	n.c.Start(Announcement{Key: swarmKey, PeerID: [20]byte{2}, Trackers: [][]string{{url}}})
	eventually(t, "it is refused", func() bool { st, _ := n.get(url); return errors.Is(st.Err, reach.ErrOwn) })
}
