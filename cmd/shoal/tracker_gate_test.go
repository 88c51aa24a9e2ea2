package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/internal/tracker/access"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/token"
	"github.com/shoal-p2p/shoal/tracker"
)

// A visitor is a page with a WebSocket.
type visitor struct {
	t   *testing.T
	ws  *websocket.Conn
	id  string
	got chan map[string]any // closed at the end
	end error               // why, when got is closed
}

func visit(t *testing.T, addr, query, id string) *visitor {
	t.Helper()
	ws, status, text := dialWS(t, addr, "", query)
	if ws == nil {
		t.Fatalf("%s is not let in: %d %s", id, status, text)
	}
	v := &visitor{t: t, ws: ws, id: fmt.Sprintf("%-20s", id), got: make(chan map[string]any, 100)}
	go func() {
		defer close(v.got)
		for {
			_, text, err := ws.Read(context.Background())
			var m map[string]any
			if err == nil {
				err = json.Unmarshal(text, &m)
			}
			if err != nil {
				v.end = err
				return
			}
			v.got <- m
		}
	}()
	return v
}

func latin1(b []byte) string { // as webtorrent.js writes binary in JSON
	r := make([]rune, len(b))
	for i := range b {
		r[i] = rune(b[i])
	}
	return string(r)
}

func (v *visitor) send(hash [20]byte, more map[string]any) {
	v.t.Helper()
	m := map[string]any{"action": "announce", "info_hash": latin1(hash[:]), "peer_id": v.id, "left": 1, "numwant": 0}
	for k, x := range more {
		m[k] = x
	}
	text, err := json.Marshal(m)
	if err == nil {
		err = v.ws.Write(context.Background(), websocket.MessageText, text)
	}
	if err != nil {
		v.t.Fatal(err)
	}
}

// offer announces with n offers.
func (v *visitor) offer(hash [20]byte, n int) {
	v.t.Helper()
	var offers []any
	for i := range n {
		offers = append(offers, map[string]any{"offer_id": fmt.Sprintf("%s%02d", v.id[:18], i), "offer": map[string]any{"type": "offer", "sdp": "of " + v.id}})
	}
	v.send(hash, map[string]any{"numwant": n, "offers": offers})
}

// next is the next message with a field.
func (v *visitor) next(field string) map[string]any {
	v.t.Helper()
	for wait := time.After(patience); ; {
		select {
		case m, ok := <-v.got:
			if !ok {
				v.t.Fatalf("%s waits for %s, and is sent away: %v", v.id, field, v.end)
			}
			if m[field] != nil {
				return m
			}
		case <-wait:
			v.t.Fatalf("%s gets no %s", v.id, field)
		}
	}
}

// rest is what else has come, up to the reply to an announce for another torrent.
func (v *visitor) rest() (all []map[string]any) {
	v.t.Helper()
	mark := [20]byte{99}
	v.send(mark, nil)
	for m := range v.got {
		if m["info_hash"] == latin1(mark[:]) {
			return all
		}
		all = append(all, m)
	}
	v.t.Fatalf("%s is sent away: %v", v.id, v.end)
	return nil
}

func TestADeniedTorrentIsLeftAtOnce(t *testing.T) {
	for _, flag := range []string{"--hash-allow", "--hash-deny"} {
		t.Run(flag, func(t *testing.T) {
			// The mark of visitor.rest is served in any case.
			with, without := fmt.Sprintf("%x\n%x\n%x\n", film, other, [20]byte{99}), fmt.Sprintf("%x\n%x\n", other, [20]byte{99})
			if flag == "--hash-deny" {
				with, without = "", fmt.Sprintf("%x\n", film)
			}
			list := write(t, "hashes", with+"# none\n")
			r := startTracker(t, flag, list)
			addr := r.addr(t, "ws, http, udp")
			stats := func() tracker.Stats { return r.plan.gate.tracker.Stats() }

			a, b := visit(t, addr, "", "a"), visit(t, addr, "", "b")
			a.offer(film, 0)
			a.next("interval")
			a.offer(other, 0)
			a.next("interval")
			b.offer(film, 1)
			b.next("interval")
			given := a.next("offer")
			if reason := announceHTTP(t, addr, film, ""); reason != "" {
				t.Fatal(reason)
			}
			peersByUDP(t, addr, film, "")
			if s := stats(); s.Swarms != 2 || s.WebRTCPeers != 3 || s.TCPPeers != 2 {
				t.Fatalf("%d swarms, %d and %d peers", s.Swarms, s.WebRTCPeers, s.TCPPeers)
			}

			os.WriteFile(list, []byte(without), 0o600)
			r.plan.files.check(time.Now(), true)

			if s := stats(); s.WebRTCPeers != 1 || s.TCPPeers != 0 {
				t.Errorf("%d and %d peers are left", s.WebRTCPeers, s.TCPPeers)
			}
			_, scrape := get(t, http.DefaultClient, "http://"+addr+"/scrape?info_hash="+url.QueryEscape(string(film[:])))
			if !strings.Contains(scrape, "8:completei0e10:downloadedi0e10:incompletei0e") {
				t.Errorf("the scrape shows %q", scrape)
			}
			for _, v := range []*visitor{a, b} {
				if m := v.next("failure reason"); m["failure reason"] != access.ErrHash.Error() || m["info_hash"] != latin1(film[:]) || m["action"] != "announce" {
					t.Errorf("%s is told %v", v.id, m)
				}
			}
			// The answer that was under way goes nowhere, and nobody is introduced any more.
			a.send(film, map[string]any{"to_peer_id": given["peer_id"], "offer_id": given["offer_id"], "answer": map[string]any{"type": "answer", "sdp": "late"}})
			a.offer(film, 5)
			if m := a.next("failure reason"); m["failure reason"] != access.ErrHash.Error() {
				t.Errorf("%v", m)
			}
			if all := b.rest(); len(all) > 0 {
				t.Errorf("b gets %v", all)
			}
			// Both are still connected, for other torrents.
			a.offer(other, 0)
			a.next("interval")
			b.offer(other, 1)
			b.next("interval")
			a.next("offer")
			if log := r.log.String(); !strings.Contains(log, "swarms=1 peers=4") {
				t.Errorf("the log does not say so:\n%s", log)
			}

			os.WriteFile(list, []byte(with+"# again\n"), 0o600)
			r.plan.files.check(time.Now(), true)
			a.offer(film, 0)
			a.next("interval")
		})
	}
}

func signer(t *testing.T) (path string, keys *token.Keys) {
	t.Helper()
	path = write(t, "secrets", "the secret of this test\n")
	keys, err := token.LoadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, keys
}

// A connection ends with the token that let it in, and says so.
func TestAConnectionEndsWithItsToken(t *testing.T) {
	path, keys := signer(t)
	r := startTracker(t, "--token-secret-file", path)
	addr := r.addr(t, "ws, http, udp")
	end := time.Now().Add(3 * time.Second).Truncate(time.Second)
	short := visit(t, addr, "token="+keys.Sign(token.Claims{Expires: end}), "short")
	long := visit(t, addr, "token="+keys.Sign(token.Claims{Expires: end.Add(time.Hour)}), "long")
	for _, v := range []*visitor{short, long} {
		v.offer(film, 0)
		v.next("interval")
	}
	for wait := time.After(patience); ; {
		select {
		case _, ok := <-short.got:
			if ok {
				continue
			}
		case <-wait:
			t.Fatal("it stays")
		}
		break
	}
	if time.Now().Before(end) {
		t.Error("it ended early")
	}
	if code := websocket.CloseStatus(short.end); code != 3000 || !strings.Contains(short.end.Error(), token.ErrExpired.Error()) {
		t.Errorf("it ends with %v", short.end)
	}
	if n := r.plan.gate.tracker.Stats().Reasons[limit.TokenEnded]; n != 1 {
		t.Errorf("counted %d times", n)
	}
	if all := long.rest(); len(all) > 0 {
		t.Errorf("the other gets %v", all)
	}
	if s := r.plan.gate.tracker.Stats(); s.WebRTCPeers != 2 { // of long: film, and the mark of rest
		t.Errorf("%d peers are left", s.WebRTCPeers)
	}
}

// /ice.json holds the network of a token against who asks, behind a proxy too.
func TestNetworkOfATokenHoldsForICE(t *testing.T) {
	path, keys := signer(t)
	r := startTracker(t, "--token-secret-file", path, "--turn", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1",
		"--address-deny", write(t, "deny", "192.0.2.99\n"))
	addr := r.addr(t, "ws, http, udp")
	sign := func(net string) string {
		return keys.Sign(token.Claims{Expires: time.Now().Add(time.Hour), Net: netip.MustParsePrefix(net)})
	}
	for _, c := range []struct {
		client, net string
		want        error
	}{
		{"", "127.0.0.0/8", nil},
		{"", "192.0.2.0/24", token.ErrNet},
		{"192.0.2.5", "192.0.2.0/24", nil},
		{"192.0.2.5", "198.51.100.0/24", token.ErrNet},
		{"192.0.2.5", "127.0.0.0/8", token.ErrNet},
		{"2001:db8::7", "2001:db8::/32", nil},
		{"192.0.2.99", "192.0.2.0/24", access.ErrAddress},
	} {
		req, _ := http.NewRequest("GET", "http://"+addr+"/ice.json?token="+sign(c.net), nil)
		if c.client != "" {
			req.Header.Set("X-Forwarded-For", c.client)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		switch text := string(body); {
		case c.want == nil && (res.StatusCode != http.StatusOK || !strings.Contains(text, "credential")):
			t.Errorf("%+v: %d %s", c, res.StatusCode, text)
		case c.want != nil && (res.StatusCode != http.StatusForbidden || strings.TrimSpace(text) != c.want.Error()):
			t.Errorf("%+v: %d %s", c, res.StatusCode, text)
		}
	}
}

// Where that is asked for, viewers meet those alone whose token says that they are trusted.
func TestViewersMeetTheTrustedAlone(t *testing.T) {
	for _, byToken := range []bool{false, true} {
		t.Run(fmt.Sprintf("by token %v", byToken), func(t *testing.T) {
			path, keys := signer(t)
			args := []string{"--token-secret-file", path}
			if !byToken {
				args = append(args, "--introduce", "trusted")
			}
			r := startTracker(t, args...)
			addr := r.addr(t, "ws, http, udp")
			soon := time.Now().Add(time.Hour)
			viewer := "token=" + keys.Sign(token.Claims{Expires: soon, Limited: byToken})
			staff := "token=" + keys.Sign(token.Claims{Expires: soon, Trusted: true})

			a, b, s := visit(t, addr, viewer, "viewer a"), visit(t, addr, viewer, "viewer b"), visit(t, addr, staff, "staff")
			for range 2 {
				a.offer(film, 5)
				b.offer(film, 5)
			}
			if n := len(a.rest()) + len(b.rest()); n != 4 { // the replies
				t.Errorf("two viewers get %d messages", n)
			}
			s.offer(film, 5)
			for _, v := range []*visitor{a, b} {
				if m := v.next("offer"); m["peer_id"] != s.id {
					t.Errorf("%s gets an offer of %v", v.id, m["peer_id"])
				}
			}
			a.offer(film, 5)
			if m := s.next("offer"); m["peer_id"] != a.id {
				t.Errorf("the trusted one gets an offer of %v", m["peer_id"])
			}
			for _, m := range b.rest() {
				if m["peer_id"] == a.id {
					t.Errorf("viewer b gets %v", m)
				}
			}

			// The same by HTTP and UDP: each announces its own port, viewers first.
			ports := func(query string, port, left int) string {
				t.Helper()
				_, body := get(t, http.DefaultClient, fmt.Sprintf("http://%s/announce?info_hash=%s&peer_id=-XX0001-%012d&port=%d&left=%d&compact=0&no_peer_id=1&event=started&%s",
					addr, url.QueryEscape(string(other[:])), port, port, left, query))
				return body
			}
			ports(viewer, 1001, 1)
			ports(viewer, 1002, 0)
			if reason := announceUDP(t, addr, other, viewer); reason != "" { // port 6881
				t.Fatal(reason)
			}
			for _, left := range []int{0, 1} {
				if body := ports(viewer, 1001, left); strings.Contains(body, "4:porti") || !strings.Contains(body, "5:peers") {
					t.Errorf("a viewer with left=%d is told of %q", left, body)
				}
			}
			if body := ports(staff, 1003, 1); !strings.Contains(body, "porti1002e") || !strings.Contains(body, "porti6881e") {
				t.Errorf("the trusted one is told of %q", body)
			}
			if body := ports(viewer, 1001, 1); !strings.Contains(body, "porti1003e") || strings.Count(body, "4:porti") != 1 {
				t.Errorf("a viewer is told of %q", body)
			}
			if n := peersByUDP(t, addr, other, viewer); n != 1 {
				t.Errorf("a viewer by UDP is told of %d", n)
			}
			if n := peersByUDP(t, addr, other, staff); n < 3 {
				t.Errorf("the trusted one by UDP is told of %d", n)
			}
		})
	}
}

// peersByUDP is how many peers an announce of port 7000 is told of.
func peersByUDP(t *testing.T, addr string, hash [20]byte, query string) int {
	t.Helper()
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := askUDP(t, c, hash, 7000, query)
	return len(r.Peers) / 6
}
