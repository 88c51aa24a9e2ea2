package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"
	"github.com/shoal-p2p/shoal/internal/tracker/token"
)

// patience bounds every wait of these tests; nothing takes so long.
const patience = 20 * time.Second

var (
	film  = [20]byte{0xf1, 1, 2, 3}
	other = [20]byte{0x07, 9, 9}
)

// A runningTracker is what `shoal tracker` runs, in this process.
type runningTracker struct {
	plan  *trackerPlan
	ready string
	log   *lockedText
	stop  func() error // as SIGTERM does; returns what run does
}

type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startTracker(t *testing.T, args ...string) *runningTracker {
	t.Helper()
	if !strings.Contains(strings.Join(args, " "), "--listen") {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	if !strings.Contains(strings.Join(args, " "), "--drain") {
		args = append(args, "--drain", "0s")
	}
	s, _, err := given{args: args}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	out, in := io.Pipe()
	r := &runningTracker{log: &lockedText{}}
	if r.plan, err = s.plan(in, r.log); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := r.plan.run(ctx)
		in.CloseWithError(fmt.Errorf("ended: %w", err))
		ended <- err
	}()
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return fmt.Errorf("it does not end")
		}
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	if r.ready, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, out)
	return r
}

// addr returns the address whose doors are named so in the ready line.
func (r *runningTracker) addr(t *testing.T, doors string) string {
	t.Helper()
	m := regexp.MustCompile(`(\S+) \(` + regexp.QuoteMeta(doors) + `\)`).FindStringSubmatch(r.ready)
	if m == nil {
		t.Fatalf("%q names no address with (%s)", r.ready, doors)
	}
	return m[1]
}

func get(t *testing.T, c *http.Client, url string) (status int, body string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// announceHTTP returns the failure reason, or "".
func announceHTTP(t *testing.T, addr string, hash [20]byte, query string) string {
	t.Helper()
	_, body := get(t, http.DefaultClient, "http://"+addr+"/announce?"+url.Values{
		"info_hash": {string(hash[:])}, "peer_id": {"-XX0001-0123456789ab"}, "port": {"6881"}, "left": {"1"},
	}.Encode()+"&"+query)
	if strings.Contains(body, "8:interval") {
		return ""
	}
	_, reason, ok := strings.Cut(body, "14:failure reason")
	if !ok {
		t.Fatalf("the reply is %q", body)
	}
	_, reason, _ = strings.Cut(reason, ":")
	return strings.TrimSuffix(reason, "e")
}

func announceUDP(t *testing.T, addr string, hash [20]byte, query string) string {
	t.Helper()
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := askUDP(t, c, hash, 6881, query)
	if r.Action == udpwire.Announce {
		return ""
	}
	return string(r.Message)
}

// askUDP returns the reply to an announce.
func askUDP(t *testing.T, c net.Conn, hash [20]byte, port uint16, query string) udpwire.Reply {
	t.Helper()
	ask := func(packet []byte) udpwire.Reply {
		t.Helper()
		buf := make([]byte, 2048)
		for range 10 {
			if _, err := c.Write(packet); err != nil {
				t.Fatal(err)
			}
			c.SetReadDeadline(time.Now().Add(2 * time.Second))
			if n, err := c.Read(buf); err == nil {
				r, err := udpwire.ParseReply(buf[:n])
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
		}
		t.Fatal("no reply by UDP")
		return udpwire.Reply{}
	}
	conn := ask(udpwire.AppendConnect(nil, 1)).ConnID
	return ask(udpwire.AppendAnnounce(nil, conn, 2, &udpwire.AnnounceRequest{
		InfoHash: hash, PeerID: [20]byte{7}, Left: 1, NumWant: -1, Port: port, URLData: []byte("/announce?" + query),
	}))
}

// dialWS returns a WebSocket to the tracker, or the status and the text that refused it.
func dialWS(t *testing.T, addr, origin, query string) (ws *websocket.Conn, status int, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	opts := &websocket.DialOptions{HTTPHeader: http.Header{}}
	if origin != "" {
		opts.HTTPHeader.Set("Origin", origin)
	}
	ws, res, err := websocket.Dial(ctx, "ws://"+addr+"/announce?"+query, opts)
	if err == nil {
		t.Cleanup(func() { ws.CloseNow() })
		return ws, 0, ""
	}
	if res == nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	return nil, res.StatusCode, strings.TrimSpace(string(body))
}

// wsPeers numbers peer ids: one belongs to one connection.
var wsPeers atomic.Int64

// announceWS returns the failure reason, or "".
func announceWS(t *testing.T, ws *websocket.Conn, hash [20]byte) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	msg, err := json.Marshal(map[string]any{
		"action": "announce", "info_hash": latin1(hash[:]), "peer_id": fmt.Sprintf("-WW0001-%012d", wsPeers.Add(1)), "numwant": 0, "left": 1, "offers": []any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := ws.Write(ctx, websocket.MessageText, msg); err != nil {
		t.Fatal(err)
	}
	var r struct {
		Failure  string `json:"failure reason"`
		Interval int    `json:"interval"`
	}
	_, reply, err := ws.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(reply, &r); err != nil {
		t.Fatal(err)
	}
	if r.Failure == "" && r.Interval == 0 {
		t.Fatalf("the reply is %s", reply)
	}
	return r.Failure
}

func TestReadyLineAndDoors(t *testing.T) {
	cert, key := selfSigned(t, "localhost")
	for _, c := range []struct{ args, want string }{
		{"--listen 127.0.0.1:0", `127\.0\.0\.1:\d+ \(ws, http, udp\)`},
		{"--listen 127.0.0.1:0 --udp off", `127\.0\.0\.1:\d+ \(ws, http\)`},
		{"--listen 127.0.0.1:0 --udp 127.0.0.1:0", `127\.0\.0\.1:\d+ \(ws, http\), 127\.0\.0\.1:\d+ \(udp\)`},
		{"--listen 127.0.0.1:0,127.0.0.1:0", `127\.0\.0\.1:\d+ \(ws, http, udp\), 127\.0\.0\.1:\d+ \(ws, http, udp\)`},
		{"--listen 127.0.0.1:0 --plain-listen 127.0.0.1:0 --tls-cert " + cert + " --tls-key " + key,
			`127\.0\.0\.1:\d+ \(wss, https, udp\), 127\.0\.0\.1:\d+ \(ws, http\)`},
	} {
		r := startTracker(t, strings.Fields(c.args)...)
		if !regexp.MustCompile(`^tracker ready on ` + c.want + `\n$`).MatchString(r.ready) {
			t.Errorf("%s prints %q", c.args, r.ready)
		}
		if strings.Contains(r.ready, "(ws, http, udp)") {
			addr := r.addr(t, "ws, http, udp")
			ws, _, _ := dialWS(t, addr, "", "")
			for door, reason := range map[string]string{
				"HTTP": announceHTTP(t, addr, film, ""), "UDP": announceUDP(t, addr, film, ""), "WebSocket": announceWS(t, ws, film),
			} {
				if reason != "" {
					t.Errorf("%s: %s announce gives %q", c.args, door, reason)
				}
			}
		}
		if err := r.stop(); err != nil {
			t.Errorf("%s ends with %v", c.args, err)
		}
	}
}

func TestTakenPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, name := range []string{"listen", "admin"} {
		g := given{args: []string{"--listen", "127.0.0.1:0"}, file: name + ": " + ln.Addr().String()}
		if name == "listen" {
			g.args = nil
		}
		p, path, err := g.plan(t)
		if err != nil {
			t.Fatal(err)
		}
		err = p.run(context.Background())
		if want := ln.Addr().String() + " is in use by another program; choose another with " + path + ":1: " + name; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestHashListsOnARunningTracker(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hashes.txt")
	set := func(hashes ...[20]byte) {
		var text strings.Builder
		for _, h := range hashes {
			fmt.Fprintf(&text, "%x\n", h)
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, flag := range []string{"--hash-allow", "--hash-deny"} {
		set(film)
		r := startTracker(t, flag, path)
		addr := r.addr(t, "ws, http, udp")
		check := func(served, refused [20]byte) {
			t.Helper()
			ws, _, _ := dialWS(t, addr, "", "")
			for door, announce := range map[string]func(h [20]byte) string{
				"HTTP":      func(h [20]byte) string { return announceHTTP(t, addr, h, "") },
				"UDP":       func(h [20]byte) string { return announceUDP(t, addr, h, "") },
				"WebSocket": func(h [20]byte) string { return announceWS(t, ws, h) },
			} {
				if reason := announce(served); reason != "" {
					t.Errorf("%s, %s: %q", flag, door, reason)
				}
				if reason := announce(refused); reason != "this tracker does not serve this torrent" {
					t.Errorf("%s, %s: %q", flag, door, reason)
				}
			}
		}
		a, b := film, other
		if flag == "--hash-deny" {
			a, b = b, a
		}
		check(a, b)

		set(other)
		r.plan.files.check(time.Now(), true) // as SIGHUP does
		check(b, a)

		os.WriteFile(path, []byte("rubbish\n"), 0o600)
		r.plan.files.check(time.Now(), true)
		check(b, a)
		if !strings.Contains(r.log.String(), "reload failed") || !strings.Contains(r.log.String(), path+":1: ") {
			t.Errorf("the log does not name the bad line:\n%s", r.log)
		}

		set(film)
		touch(t, path, time.Hour)
		r.plan.files.check(time.Now(), false) // as each minute does
		check(a, b)
		before := r.log.String()
		r.plan.files.check(time.Now(), false)
		if r.log.String() != before {
			t.Error("an unchanged file was read again")
		}
	}
}

// touch makes a file look changed, by a time that differs from all before.
func touch(t *testing.T, path string, ahead time.Duration) {
	t.Helper()
	when := time.Now().Add(ahead)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

func TestOrigins(t *testing.T) {
	r := startTracker(t, "--origin-allow", "https://example.org,*.example.org", "--origin-deny", "bad.example.org", "--origin-required")
	addr := r.addr(t, "ws, http, udp")
	for origin, want := range map[string]string{
		"https://example.org": "", "https://www.example.org": "",
		"https://bad.example.org": "this tracker does not serve your site", "https://evil.net": "this tracker does not serve your site",
		"": "this tracker serves web pages only",
	} {
		ws, status, text := dialWS(t, addr, origin, "")
		if want == "" && ws == nil {
			t.Errorf("%s gets %d %s", origin, status, text)
		}
		if want != "" && (status != http.StatusForbidden || text != want) {
			t.Errorf("%s gets %d %q", origin, status, text)
		}
	}
	if reason := announceHTTP(t, addr, film, ""); reason != "" {
		t.Errorf("BitTorrent clients have no origin, and get %q", reason)
	}
}

func TestTokens(t *testing.T) {
	path := write(t, "secrets", "the secret of this test\n")
	keys, err := token.LoadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	r := startTracker(t, "--token-secret-file", path, "--turn", "127.0.0.1:0")
	addr := r.addr(t, "ws, http, udp")
	soon := time.Now().Add(time.Hour)
	good := keys.Sign(token.Claims{Expires: soon})
	for _, c := range []struct{ what, token, connect, announce string }{
		{"a good token", good, "", ""},
		{"one for the film", keys.Sign(token.Claims{Expires: soon, InfoHash: &film}), "", ""},
		{"one for another torrent", keys.Sign(token.Claims{Expires: soon, InfoHash: &other}), "", token.ErrInfoHash.Error()},
		{"an expired one", keys.Sign(token.Claims{Expires: time.Now().Add(-time.Second)}), token.ErrExpired.Error(), token.ErrExpired.Error()},
		{"a forged one", good[:len(good)-3] + "AAA", token.ErrInvalid.Error(), token.ErrInvalid.Error()},
		{"none", "", token.ErrMissing.Error(), token.ErrMissing.Error()},
	} {
		query := "token=" + c.token
		if reason := announceHTTP(t, addr, film, query); reason != c.announce {
			t.Errorf("%s by HTTP: %q", c.what, reason)
		}
		if reason := announceUDP(t, addr, film, query); reason != c.announce {
			t.Errorf("%s by UDP: %q", c.what, reason)
		}
		ws, status, text := dialWS(t, addr, "", query)
		switch {
		case ws == nil && (text != c.connect || status != http.StatusForbidden):
			t.Errorf("%s by WebSocket: %d %s", c.what, status, text)
		case ws != nil && c.connect != "":
			t.Errorf("%s lets a WebSocket in", c.what)
		case ws != nil:
			if reason := announceWS(t, ws, film); reason != c.announce {
				t.Errorf("%s by WebSocket: %q", c.what, reason)
			}
		}
		if status, body := get(t, http.DefaultClient, "http://"+addr+"/ice.json?"+query); (status == http.StatusOK) != (c.connect == "") ||
			strings.Contains(body, "credential") != (c.connect == "") {
			t.Errorf("%s gives TURN credentials: %d %s", c.what, status, body)
		}
	}

	// A change of the secret: who is in stays, the old token brings nobody in.
	ws, _, _ := dialWS(t, addr, "", "token="+good)
	os.WriteFile(path, []byte("another secret for this test\n"), 0o600)
	r.plan.files.check(time.Now(), true)
	if reason := announceHTTP(t, addr, film, "token="+good); reason != token.ErrInvalid.Error() {
		t.Errorf("with the old secret's token: %q", reason)
	}
	if reason := announceWS(t, ws, film); reason != token.ErrInvalid.Error() {
		t.Errorf("an open WebSocket whose secret is withdrawn: %q", reason)
	}
}

// serial is the serial number of the certificate that a name gets.
func serial(t *testing.T, addr, name string) string {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestCertificates(t *testing.T) {
	certA, keyA := selfSigned(t, "a.example.org")
	certB, keyB := selfSigned(t, "b.example.org")
	r := startTracker(t, "--tls-cert", certA, "--tls-key", keyA, "--tls-cert", certB, "--tls-key", keyB)
	addr := r.addr(t, "wss, https, udp")
	a, b := serial(t, addr, "a.example.org"), serial(t, addr, "b.example.org")
	if a == b {
		t.Error("both names get one certificate")
	}
	if got := serial(t, addr, "c.example.org"); got != a {
		t.Error("another name does not get the first certificate")
	}
	old := dialTLS(t, addr, certA, "a.example.org")

	writeSelfSigned(t, certA, keyA, "a.example.org")
	touch(t, certA, time.Hour)
	r.plan.files.check(time.Now(), false)
	again := serial(t, addr, "a.example.org")
	if again == a {
		t.Error("the new certificate is not in use")
	}
	os.WriteFile(certA, []byte("rubbish"), 0o600)
	r.plan.files.check(time.Now(), true)
	if got := serial(t, addr, "a.example.org"); got != again {
		t.Error("a certificate that cannot be read has replaced a good one")
	}
	if !strings.Contains(r.log.String(), "reload failed") || !strings.Contains(r.log.String(), certA) {
		t.Errorf("the log does not tell:\n%s", r.log)
	}
	// A connection from before goes on.
	if reason := announceWS(t, old, film); reason != "" {
		t.Errorf("an old connection is told %q", reason)
	}
}

// When the certificate ends, whose handshakes fail, and whether files could be read: all is in the metrics.
func TestTheOperatorSeesTLS(t *testing.T) {
	cert, key := selfSigned(t, "a.example.org")
	r := startTracker(t, "--tls-cert", cert, "--tls-key", key, "--admin", "127.0.0.1:0")
	addr := r.addr(t, "wss, https, udp")
	wants := func(lines ...string) {
		t.Helper()
		var body string
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			_, body = get(t, http.DefaultClient, "http://"+adminAddr(t, r)+"/metrics")
			if !slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(body, "\n"+line+"\n") }) {
				return
			}
		}
		t.Errorf("not all of %q in\n%s", lines, body)
	}
	// Balancers that look whether a port is open say nothing; somebody else talks, and not TLS.
	quiet, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	quiet.Close()
	bad, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	bad.Write([]byte("\x16\x03\x01\x00\x04nono"))
	open, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "a.example.org", InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	end := open.ConnectionState().PeerCertificates[0].NotAfter.Unix()
	wants(`shoal_tracker_tls_handshake_failures_total 1`, `shoal_tracker_http_connections 1`, `shoal_tracker_last_reload_successful 1`,
		`shoal_tracker_certificate_end_timestamp_seconds{name="a.example.org"} `+strconv.FormatFloat(float64(end), 'g', -1, 64))
	open.Close()
	os.WriteFile(cert, []byte("rubbish"), 0o600)
	r.plan.files.check(time.Now(), true)
	wants(`shoal_tracker_http_connections 0`, `shoal_tracker_last_reload_successful 0`)

	// What has become a WebSocket is none of those, whichever way it came.
	writeSelfSigned(t, cert, key, "a.example.org")
	r.plan.files.check(time.Now(), true)
	ws := dialTLS(t, addr, cert, "a.example.org")
	if reason := announceWS(t, ws, film); reason != "" {
		t.Error(reason)
	}
	wants(`shoal_tracker_http_connections 0`, `shoal_tracker_connections 1`, `shoal_tracker_last_reload_successful 1`)
}

func dialTLS(t *testing.T, addr, cert, name string) *websocket.Conn {
	t.Helper()
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(cert)
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "wss://"+addr+"/", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: name}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	return ws
}

func TestOperatorsPages(t *testing.T) {
	auth := write(t, "auth", "# who may look\nme:pass:word\n")
	r := startTracker(t, "--admin", "127.0.0.1:0", "--admin-auth-file", auth, "--turn", "127.0.0.1:0")
	addr := adminAddr(t, r)
	if status, _ := get(t, http.DefaultClient, "http://"+addr+"/stats.json"); status != http.StatusUnauthorized {
		t.Errorf("without a password: %d", status)
	}
	announceHTTP(t, r.addr(t, "ws, http, udp"), film, "")
	status, body := get(t, http.DefaultClient, "http://me:pass%3Aword@"+addr+"/stats.json")
	var stats struct {
		Swarms int             `json:"swarms"`
		Relay  json.RawMessage `json:"relay"`
	}
	if err := json.Unmarshal([]byte(body), &stats); err != nil || status != http.StatusOK || stats.Swarms != 1 || stats.Relay == nil {
		t.Errorf("%d %s %v", status, body, err)
	}
	public := "http://" + r.addr(t, "ws, http, udp")
	if status, body := get(t, http.DefaultClient, public+"/health"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/health of the public port: %d %q", status, body)
	}
	if status, body := get(t, http.DefaultClient, public+"/"); status != http.StatusOK || !strings.Contains(body, "tracker") {
		t.Errorf("/ of the public port: %d %q", status, body)
	}
	if status, _ := get(t, http.DefaultClient, public+"/stats.json"); status != http.StatusNotFound {
		t.Errorf("the public port serves /stats.json: %d", status)
	}
}

func TestOpenOperatorsPagesAreWarnedOf(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1:0": false, "[::1]:0": false, ":0": true, "192.0.2.1:9090": true} {
		var log lockedText
		s, _, err := given{args: []string{"--admin", addr}}.load(t)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.plan(io.Discard, &log); err != nil {
			t.Fatal(err)
		}
		if warned := strings.Contains(log.String(), "open to everybody"); warned != want {
			t.Errorf("%s is warned of: %v", addr, warned)
		}
	}
}

// No address of a client is in the log, unless that is asked for.
func TestLogHasNoAddresses(t *testing.T) {
	secrets := write(t, "secrets", "the secret of this test\n")
	for _, c := range []struct {
		args []string
		want bool
	}{{nil, false}, {[]string{"--log-addresses"}, true}} {
		r := startTracker(t, append([]string{"--listen", "127.0.0.1:0", "--log-level", "debug", "--token-secret-file", secrets}, c.args...)...)
		addr := r.addr(t, "ws, http, udp")
		dialWS(t, addr, "https://example.org", "")
		announceHTTP(t, addr, film, "")
		announceUDP(t, addr, film, "")
		text := r.log.String()
		for _, door := range []string{"door=ws", "door=http", "door=udp"} {
			if !strings.Contains(text, door) {
				t.Errorf("%s is missing in\n%s", door, text)
			}
		}
		if has := strings.Contains(text, "127.0.0.1"); has != c.want {
			t.Errorf("%v: an address in the log is %v:\n%s", c.args, has, text)
		}
	}
}

func TestLogAsJSON(t *testing.T) {
	r := startTracker(t, "--log-format", "json")
	r.stop()
	var line struct{ Msg string }
	if err := json.Unmarshal([]byte(strings.SplitN(r.log.String(), "\n", 2)[0]), &line); err != nil || line.Msg == "" {
		t.Errorf("%v in %s", err, r.log)
	}
}

// The limit of connections fits the number of files that may be open.
func TestMaxConnsFitsOpenFiles(t *testing.T) {
	r := startTracker(t)
	if n := r.plan.conf.Limits.Conns; n < 1 || n > 1<<20 {
		t.Errorf("without a limit it is %d", n)
	}
	if strings.Contains(r.log.String(), "LimitNOFILE") {
		t.Errorf("a warning that nobody needs:\n%s", r.log)
	}
	r = startTracker(t, "--max-conns", "1000000000")
	if !strings.Contains(r.log.String(), "too few files may be open for --max-conns") {
		t.Errorf("no warning:\n%s", r.log)
	}
}

func TestNearnessByFile(t *testing.T) {
	p, _, err := given{args: []string{"--locality", "prefix"}}.plan(t)
	if err != nil {
		t.Fatal(err)
	}
	if p.conf.Locate == nil {
		t.Error("nobody tells prefixes")
	}
}

func TestTokenCommand(t *testing.T) {
	secrets := write(t, "secrets", "the secret of this test\n")
	for _, c := range []struct {
		cmd  trackerTokenCmd
		want string
	}{
		{trackerTokenCmd{SecretFile: secrets, Expires: -time.Hour}, "--expires: -1h0m0s is over already"},
		{trackerTokenCmd{SecretFile: secrets, Expires: time.Hour, InfoHash: "abc"}, `--info-hash: "abc" is not an info hash`},
		{trackerTokenCmd{SecretFile: secrets, Expires: time.Hour, InfoHash: hex.EncodeToString(film[:]) + "00"}, "is not an info hash"},
		{trackerTokenCmd{SecretFile: secrets, Expires: time.Hour, Net: "10.0.0.0"}, `--net: "10.0.0.0" is not a network`},
		{trackerTokenCmd{SecretFile: secrets + "x", Expires: time.Hour}, secrets + "x"},
	} {
		if err := c.cmd.Run(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.cmd, err)
		}
	}
}
