package node_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/node"
)

// visit is a request as it comes over the network: from an address, to one of ours.
func visit(n *node.Node, from, to, host, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	at, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(to, "8080"))
	if err != nil {
		panic(err)
	}
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(at)))
	r.RemoteAddr, r.Host = net.JoinHostPort(from, "40000"), host
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	n.ServeHTTP(w, r)
	return w
}

// A stranger's page that points its name at this machine is answered nothing, the page,
// streams and the tracker included.
func TestNamesOnLoopback(t *testing.T) {
	r := newRig(t, http.NotFoundHandler())
	n := node.New(r.client, node.Config{Origin: "http://films.example:8080", Hosts: []string{"Proxied.Example"}, Tracker: http.NotFoundHandler()})
	n.Add(r.shared)
	for host, answered := range map[string]bool{
		"localhost:8080": true, "LocalHost": true, "localhost.": true, "films.localhost:8080": true,
		"127.0.0.1:8080": true, "127.1.2.3": true, "[::1]:8080": true, "[::1]": true, "192.0.2.7:9000": true, "": true,
		"films.example:8080": true, "proxied.example": true, "PROXIED.EXAMPLE.:443": true,
		"evil.example": false, "evil.example:8080": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false,
		"evillocalhost": false, "127.evil": false, "sub.proxied.example": false, "proxied.example.evil.example": false,
	} {
		for _, to := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1"} {
			for _, target := range []string{"/shoal/config.json", "/stream/" + r.shared.Key().String() + "/film.mp4", "/my%20films.torrent"} {
				w := visit(n, to, to, host, target)
				if (w.Code == 200) != answered || !answered && (w.Code != 403 || strings.Contains(w.Body.String(), r.shared.Key().String())) {
					t.Errorf("%q at %s: %s: %d", host, to, target, w.Code)
				}
			}
			if w := visit(n, to, to, host, "/announce"); (w.Code == 403) == answered {
				t.Errorf("%q at %s: the tracker: %d", host, to, w.Code)
			}
		}
	}
	// At an address that others reach, a node cannot know its names.
	if w := visit(n, "192.0.2.50", "192.0.2.1", "my-server.lan:8080", "/stream/"+r.shared.Key().String()+"/film.mp4"); w.Code != 200 {
		t.Errorf("another name beyond loopback: %d", w.Code)
	}
}

// The list of everything is for visitors on this machine; a link is enough for the rest.
func TestListing(t *testing.T) {
	r := newRig(t, nil)
	key := r.shared.Key().String()
	nodes := map[node.Listing]*node.Node{}
	for _, listing := range []node.Listing{"", node.ListLocal, node.ListAll, node.ListNone} {
		nodes[listing] = node.New(r.client, node.Config{Listing: listing, Hosts: []string{"proxied.example"}})
		nodes[listing].Add(r.shared)
	}
	for _, c := range []struct {
		what, from, to, host string
		header               []string
		here                 bool
	}{
		{"by loopback", "127.0.0.1", "127.0.0.1", "127.0.0.1:8080", nil, true},
		{"by name", "127.0.0.1", "127.0.0.1", "localhost:8080", nil, true},
		{"by loopback, IPv6", "::1", "::1", "[::1]:8080", nil, true},
		{"by an IPv4 address on an IPv6 socket", "::ffff:127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1:8080", nil, true},
		{"by two addresses of loopback", "127.0.0.1", "127.0.0.2", "127.0.0.2:8080", nil, true},
		{"by the link's own address", "192.0.2.1", "192.0.2.1", "192.0.2.1:8080", nil, true},
		{"by a rebound name at our own address", "192.0.2.1", "192.0.2.1", "evil.example:8080", nil, false},
		{"from the network", "192.0.2.50", "192.0.2.1", "192.0.2.1:8080", nil, false},
		{"from the network as localhost", "192.0.2.50", "192.0.2.1", "localhost:8080", nil, false},
		{"through a proxy here under its name", "127.0.0.1", "127.0.0.1", "proxied.example", nil, false},
		{"through a proxy here that says so", "127.0.0.1", "127.0.0.1", "127.0.0.1:8080", []string{"X-Forwarded-For", "198.51.100.1"}, false},
		{"through a proxy here by the standard", "127.0.0.1", "127.0.0.1", "127.0.0.1:8080", []string{"Forwarded", "for=198.51.100.1"}, false},
		{"through a port forwarded here", "127.0.0.1", "127.0.0.1", "192.0.2.7:9000", nil, false},
	} {
		for listing, n := range nodes {
			w := visit(n, c.from, c.to, c.host, "/shoal/config.json", c.header...)
			want := listing == node.ListAll || listing != node.ListNone && c.here
			if w.Code != 200 || strings.Contains(w.Body.String(), key) != want || strings.Contains(w.Body.String(), "my films") != want {
				t.Errorf("%s, listing %q: %d %s", c.what, listing, w.Code, w.Body)
			}
			if w := visit(n, c.from, c.to, c.host, "/torrents/"+key+".torrent", c.header...); w.Code != 200 {
				t.Errorf("%s, listing %q: who has the link gets %d", c.what, listing, w.Code)
			}
		}
	}
}

// The same over sockets, where the server itself says at which address it was reached.
func TestNamesOverSockets(t *testing.T) {
	r := newRig(t, nil)
	server := httptest.NewServer(r.Node)
	defer server.Close()
	ask := func(line, host string) string {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /shoal/config.json HTTP/%s\r\n%sConnection: close\r\n\r\n", line, host)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.Status + " " + string(b)
	}
	key := r.shared.Key().String()
	if got := ask("1.1", "Host: evil.example\r\n"); !strings.HasPrefix(got, "403") || strings.Contains(got, key) || !strings.Contains(got, "--allowed-host") {
		t.Errorf("a rebound name: %s", got)
	}
	if got := ask("1.1", "Host: localhost\r\n"); !strings.HasPrefix(got, "200") || !strings.Contains(got, key) {
		t.Errorf("localhost: %s", got)
	}
	if got := ask("1.0", ""); !strings.HasPrefix(got, "200") || strings.Contains(got, key) {
		t.Errorf("without a name: %s", got)
	}
}
