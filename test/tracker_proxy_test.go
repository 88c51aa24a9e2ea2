//go:build unix

package test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/test/rig"
)

// proxyFiles are what the guide's configurations name, made up for a test.
type proxyFiles struct {
	dir, cert, key, both string
	tracker, port        string // where the tracker is, and where the proxy shall be, on loopback
}

// swapped returns a configuration of the guide with other files, addresses and ports. Everything that is to
// change must be there.
func (f *proxyFiles) swapped(t *testing.T, config string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(config, pairs[i]) {
			t.Fatalf("%q is not in docs/tracker.md's\n%s", pairs[i], config)
		}
	}
	return strings.NewReplacer(pairs...).Replace(config)
}

// start runs a proxy with a configuration in f.dir.
func (f *proxyFiles) start(t *testing.T, program, config string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		// Debian has those of the system there, for root alone.
		if path, err = exec.LookPath("/usr/sbin/" + program); err != nil {
			t.Fatalf("this needs %s: run go run ./internal/dev/setup", program)
		}
	}
	if err := os.WriteFile(filepath.Join(f.dir, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := rig.Start(t, rig.Command{Path: path, Args: args, Dir: f.dir, Env: []string{"HOME=" + f.dir, "XDG_DATA_HOME=" + f.dir, "XDG_CONFIG_HOME=" + f.dir}})
	rig.Poll(t, program, 30*time.Second, func() bool {
		if !p.Running() {
			t.Fatalf("%s ended:\n%s", program, p.Transcript())
		}
		nc, err := net.Dial("tcp", "127.0.0.1:"+f.port)
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
}

// The configurations of the guide do what it says: clients of all kinds come through, encrypted, and the
// tracker and their peers see their addresses.
func TestDocumentedProxies(t *testing.T) {
	nginx := func(t *testing.T, f *proxyFiles) {
		block := f.swapped(t, fenced(t, "nginx")[0], "127.0.0.1:8000", f.tracker, "listen 443 ", "listen 127.0.0.1:"+f.port+" ", "[::]:443", "[::1]:"+f.port,
			"/etc/ssl/tracker.pem", f.cert, "/etc/ssl/tracker.key", f.key)
		var temp strings.Builder
		for _, what := range strings.Fields("client_body proxy fastcgi uwsgi scgi") {
			fmt.Fprintf(&temp, "%s_temp_path %s;\n", what, filepath.Join(f.dir, what))
		}
		f.start(t, "nginx", "daemon off; master_process off; error_log stderr; pid "+filepath.Join(f.dir, "pid")+";\nevents { worker_connections 128; }\nhttp {\n"+
			temp.String()+block+"}\n", "-p", f.dir, "-c", filepath.Join(f.dir, "config"))
	}
	for name, start := range map[string]func(*testing.T, *proxyFiles){
		"nginx":                  nginx,
		"nginx by a Unix socket": nginx,
		"haproxy": func(t *testing.T, f *proxyFiles) {
			f.start(t, "haproxy", f.swapped(t, fenced(t, "haproxy")[0], "127.0.0.1:8000", f.tracker, "bind :443", "bind 127.0.0.1:"+f.port, "/etc/haproxy/tracker.pem", f.both),
				"-db", "-f", "config")
		},
		"haproxy with the PROXY protocol": func(t *testing.T, f *proxyFiles) {
			f.start(t, "haproxy", f.swapped(t, fenced(t, "haproxy")[0], "127.0.0.1:8000", f.tracker+" send-proxy-v2", "bind :443", "bind 127.0.0.1:"+f.port, "/etc/haproxy/tracker.pem", f.both,
				"    option forwardfor\n", ""), "-db", "-f", "config")
		},
		"caddy": func(t *testing.T, f *proxyFiles) {
			block := f.swapped(t, fenced(t, "caddy")[0], "127.0.0.1:8000", f.tracker, "tracker.example.org {", "https://127.0.0.1:"+f.port+" {\n    tls "+f.cert+" "+f.key)
			f.start(t, "caddy", "{\n    admin off\n    auto_https disable_redirects\n}\n"+block, "run", "--adapter", "caddyfile", "--config", "config")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &proxyFiles{dir: t.TempDir(), port: itoa(rig.FreePort(t))}
			f.certify(t)
			// The settings of the guide, but for the address.
			settings := filepath.Join(f.dir, "tracker.yaml")
			var text string
			if strings.Contains(name, "Unix") {
				text = f.swapped(t, fencedWith(t, "yaml", "unix:"), "unix:/run/shoal/tracker.sock", "unix:"+filepath.Join(f.dir, "sock"), `":8000"`, `"off"`)
			} else {
				text = f.swapped(t, fencedWith(t, "yaml", "trusted-proxy: [127.0.0.1"), `["127.0.0.1:8000"]`, `["127.0.0.1:0"]`, `":8000"`, `"off"`)
			}
			if strings.Contains(name, "PROXY") {
				text += "proxy-protocol: true\n"
			}
			if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			p := rig.Shoal(t, "tracker", "--config", settings, "--turn", "127.0.0.1:0", "--turn-host", "turn.example.org", "--drain", "0s")
			rig.Poll(t, "the tracker", 30*time.Second, func() bool { return readyLine.MatchString(p.Stdout()) })
			f.tracker = readyLine.FindStringSubmatch(p.Stdout())[1]
			start(t, f)
			throughProxy(t, "127.0.0.1:"+f.port)
		})
	}
}

// fencedWith returns the first piece of code that has this in it.
func fencedWith(t *testing.T, language, what string) string {
	t.Helper()
	for _, block := range fenced(t, language) {
		if strings.Contains(block, what) {
			return block
		}
	}
	t.Fatalf("docs/tracker.md has no %s with %s", language, what)
	return ""
}

// certify makes the certificate of the proxy.
func (f *proxyFiles) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, blocks ...*pem.Block) string {
		var text []byte
		for _, b := range blocks {
			text = append(text, pem.EncodeToMemory(b)...)
		}
		path := filepath.Join(f.dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, secret := &pem.Block{Type: "CERTIFICATE", Bytes: der}, &pem.Block{Type: "PRIVATE KEY", Bytes: private}
	f.cert, f.key, f.both = write("cert.pem", cert), write("key.pem", secret), write("both.pem", cert, secret)
}

// clientAt makes requests from an address of loopback.
func clientAt(t *testing.T, ip string) *http.Client {
	tr := &http.Transport{
		DialContext:     (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).DialContext,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// throughProxy uses a tracker in every way, at a proxy that speaks TLS.
func throughProxy(t *testing.T, addr string) {
	t.Helper()
	get := func(ip, path string, forged ...string) string {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, "https://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range forged {
			req.Header.Set("X-Forwarded-For", value)
			req.Header.Set("X-Real-IP", value)
		}
		resp, err := clientAt(t, ip).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v, %s", path, resp.Status, err, body)
		}
		return string(body)
	}
	// HTTP announces: what peers are told of each other.
	announce := func(ip, peer, port string, forged ...string) httpwire.Reply {
		t.Helper()
		body := get(ip, "/announce?info_hash="+strings.Repeat("a", 20)+"&peer_id="+strings.Repeat(peer, 20)+"&port="+port+"&left=1&event=started&compact=1", forged...)
		r, err := httpwire.ParseReply([]byte(body))
		if err != nil {
			t.Fatalf("%v in %q", err, body)
		}
		return r
	}
	announce("127.0.0.2", "b", "6882", "6.6.6.6")
	r := announce("127.0.0.3", "c", "6883", "6.6.6.6")
	if want := netip.MustParseAddrPort("127.0.0.2:6882"); len(r.Peers) != 1 || r.Peers[0].Addr != want || r.ExternalIP != netip.MustParseAddr("127.0.0.3") {
		t.Errorf("peers are %v, want %s, and the client is said to be %s", r.Peers, want, r.ExternalIP)
	}

	// WebSocket announces: tabs that meet.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	open := func(ip string) *websocket.Conn {
		t.Helper()
		ws, _, err := websocket.Dial(ctx, "wss://"+addr+"/announce", &websocket.DialOptions{HTTPClient: clientAt(t, ip)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ws.CloseNow() })
		return ws
	}
	say := func(ws *websocket.Conn, peer, more string) {
		t.Helper()
		text := `{"action":"announce","info_hash":"` + strings.Repeat("w", 20) + `","peer_id":"` + strings.Repeat(peer, 20) + `","left":1,"numwant":1` + more + `}`
		if err := ws.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(ws *websocket.Conn, what string) {
		t.Helper()
		if _, msg, err := ws.Read(ctx); err != nil || !strings.Contains(string(msg), what) {
			t.Fatalf("%q, %v, want something with %s", msg, err, what)
		}
	}
	one, two := open("127.0.0.2"), open("127.0.0.3")
	say(one, "1", "")
	hear(one, `"interval"`)
	// Larger than what a proxy may keep of a frame.
	say(two, "2", `,"offers":[{"offer_id":"`+strings.Repeat("o", 20)+`","offer":{"type":"offer","sdp":"`+strings.Repeat("x", 12_000)+`"}}]`)
	hear(two, `"interval"`)
	hear(one, strings.Repeat("x", 12_000))

	// Pages are told addresses that they can use, and where the relay is.
	if page := get("127.0.0.2", "/"); !strings.Contains(page, "wss://"+addr+"/announce") || !strings.Contains(page, "https://"+addr+"/announce") {
		t.Errorf("the page says\n%s", page)
	}
	var ice struct {
		Servers []struct{ URLs []string } `json:"iceServers"`
	}
	if err := json.Unmarshal([]byte(get("127.0.0.2", "/ice.json")), &ice); err != nil || len(ice.Servers) != 2 || !strings.HasPrefix(ice.Servers[1].URLs[0], "turn:turn.example.org:") {
		t.Errorf("/ice.json: %v, %v", ice, err)
	}
}
