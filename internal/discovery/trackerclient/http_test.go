//go:build !js

package trackerclient

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/schedule"
	"github.com/shoal-p2p/shoal/internal/reach"
)

// ask announces once to a server of the test.
func ask(t *testing.T, url string, more func(*tcpRequest)) (tcpReply, error) {
	t.Helper()
	c := New(Config{Sink: newSink(), Timeout: 5 * time.Second, UserAgent: "Shoal/test"})
	t.Cleanup(func() { c.Close() })
	r := tcpRequest{a: &Announcement{Key: [20]byte{1, '+', ' ', '%', 0xff}, PeerID: [20]byte{2}, Port: 6881}, stats: Stats{Left: -1}, event: schedule.Started}
	if more != nil {
		more(&r)
	}
	return c.tcp.announce(t.Context(), url, &r)
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

func TestHTTPRequest(t *testing.T) {
	var got httpwire.Announce
	var passkey, agent string
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ = httpwire.ParseAnnounce(r.URL.RawQuery)
		passkey, agent = r.URL.Query().Get("passkey"), r.UserAgent()
		fmt.Fprintf(w, "d8:completei3e10:incompletei4e8:intervali600e12:min intervali60e5:peers12:\x01\x02\x03\x04\x00\x05\x01\x02\x03\x04\x00\x0610:tracker id3:abc15:warning message5:w\x1b[0me")
	})
	re, err := ask(t, srv.URL+"/announce?passkey=x%26y", func(r *tcpRequest) { r.trackerID = "t&d" })
	if err != nil {
		t.Fatal(err)
	}
	if got.InfoHash != [20]byte{1, '+', ' ', '%', 0xff} || got.PeerID != [20]byte{2} || got.Port != 6881 || got.Event != "started" ||
		got.NumWant != numWant || got.NoCompact || got.TrackerID != "t&d" || len(got.Key) != 8 || passkey != "x&y" || agent != "Shoal/test" {
		t.Errorf("%+v, passkey %q, agent %q", got, passkey, agent)
	}
	if re.interval != 10*time.Minute || re.least != time.Minute || re.seeders != 3 || re.leechers != 4 || len(re.peers) != 2 ||
		re.peers[1] != netip.MustParseAddrPort("1.2.3.4:6") || re.trackerID != "abc" || re.warning != "w?[0m" {
		t.Errorf("%+v", re)
	}
	if _, err := ask(t, srv.URL+"/announce", func(r *tcpRequest) { r.event, r.a.Port = schedule.Stopped, 0 }); err != nil || got.NumWant != 0 || got.Event != "stopped" || got.Port != 1 {
		t.Errorf("stopped: %v %+v", err, got)
	}
}

func TestHTTPRepliesThatAreRefused(t *testing.T) {
	const good = "d8:intervali600e5:peers0:e"
	endless := func(w io.Writer) {
		chunk := []byte(strings.Repeat("x", 64<<10))
		for range 1600 { // 100 MB
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	for name, tc := range map[string]struct {
		h    http.HandlerFunc
		want func(error) bool
	}{
		"100 MB": {func(w http.ResponseWriter, r *http.Request) { endless(w) }, func(err error) bool { return errors.Is(err, ErrTooLarge) }},
		"100 MB announced": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000000")
			endless(w)
		}, func(err error) bool { return errors.Is(err, ErrTooLarge) }},
		"compressed bomb": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			gz := gzip.NewWriter(w)
			endless(gz)
			gz.Close()
		}, func(err error) bool { return errors.Is(err, ErrTooLarge) }},
		"no gzip at all": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, good)
		}, func(err error) bool { return errors.Is(err, gzip.ErrHeader) }},
		"redirect loop": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
		}, func(err error) bool { return errors.Is(err, reach.ErrRedirects) }},
		"redirect to a file": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		}, func(err error) bool { return errors.Is(err, reach.ErrScheme) }},
		"redirect to another service here": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/admin/delete", http.StatusFound)
		}, func(err error) bool { return errors.Is(err, reach.ErrOwn) }},
		"404": {func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, func(err error) bool { return strings.Contains(err.Error(), "404") }},
		"404 with a reason": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			w.Write(httpwire.AppendFailure(nil, "unknown torrent", -1))
		}, func(err error) bool {
			var r *Refusal
			return errors.As(err, &r) && r.Reason == "unknown torrent" && r.RetryIn < 0
		}},
		"failure reason": {func(w http.ResponseWriter, r *http.Request) {
			w.Write(httpwire.AppendFailure(nil, "go away", 7))
		}, func(err error) bool {
			var r *Refusal
			return errors.As(err, &r) && r.Reason == "go away" && r.RetryIn == 7*time.Minute
		}},
		"huge retry": {func(w http.ResponseWriter, r *http.Request) {
			w.Write(httpwire.AppendFailure(nil, "go away", 1<<62))
		}, func(err error) bool { var r *Refusal; return errors.As(err, &r) && r.RetryIn > 0 }},
		"html":                     {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }, func(err error) bool { return err != nil }},
		"interval with a fraction": {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "d8:intervali1.5ee") }, func(err error) bool { return err != nil }},
		"nothing":                  {func(w http.ResponseWriter, r *http.Request) {}, func(err error) bool { return err != nil }},
		"huge headers": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
			io.WriteString(w, good)
		}, func(err error) bool { return err != nil }},
	} {
		srv := serve(t, tc.h)
		if re, err := ask(t, srv.URL+"/announce", nil); err == nil || !tc.want(err) {
			t.Errorf("%s: %v, %+v", name, err, re)
		} else if strings.Contains(err.Error(), srv.URL) {
			t.Errorf("%s: the error shows the URL, which may hold a passkey: %v", name, err)
		}
	}
}

func TestHTTPGoodReplies(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"gzip": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Error("gzip is not asked for")
			}
			w.Header().Set("Content-Encoding", "gzip")
			gz := gzip.NewWriter(w)
			io.WriteString(gz, "d8:intervali600e5:peers0:e")
			gz.Close()
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/announce" {
				http.Redirect(w, r, "/x/announce.php?"+r.URL.RawQuery, http.StatusMovedPermanently)
				return
			}
			io.WriteString(w, "d8:intervali600e5:peers0:e")
		},
		"a newline behind it": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "d8:intervali600e5:peers6:\x01\x02\x03\x04\x00\x05e\n")
		},
		"interval 0":        func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "d8:intervali0ee") },
		"negative interval": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "d8:intervali-9ee") },
		"huge interval":     func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "d8:intervali9223372036854775807ee") },
	} {
		if re, err := ask(t, serve(t, h).URL+"/announce", nil); err != nil || re.interval < 0 {
			t.Errorf("%s: %v %+v", name, err, re)
		}
	}
}

func TestHTTPServerThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // accepts into the backlog, says nothing
	c := New(Config{Sink: newSink(), Timeout: 50 * time.Millisecond})
	defer c.Close()
	r := tcpRequest{a: &Announcement{Port: 1}}
	if _, err := c.tcp.announce(t.Context(), "http://"+l.Addr().String()+"/announce", &r); !errors.Is(err, ErrNoReply) {
		t.Errorf("%v", err)
	}
}
