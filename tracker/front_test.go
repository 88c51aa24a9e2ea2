package tracker

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/flate"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// certificate is that of httptest's servers.
func certificate(t *testing.T) *tls.Config {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	defer srv.Close()
	return &tls.Config{Certificates: srv.TLS.Certificates}
}

// listen serves a tracker on loopback by itself and returns its host and port.
func listen(t *testing.T, tr *Tracker, conf *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		if conf != nil {
			done <- tr.ServeTLS(ln, conf)
			return
		}
		done <- tr.Serve(ln)
	}()
	t.Cleanup(func() {
		tr.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// Whichever way a connection comes in, it is served alike.
func TestEveryWayIn(t *testing.T) {
	conf := certificate(t)
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, compression := range []Compression{CompressOff, CompressIn, CompressBoth} {
		ways := map[string]func(t *testing.T, tr *Tracker) string{
			"Serve":    func(t *testing.T, tr *Tracker) string { return "http://" + listen(t, tr, nil) },
			"ServeTLS": func(t *testing.T, tr *Tracker) string { return "https://" + listen(t, tr, conf) },
			"http.Server": func(t *testing.T, tr *Tracker) string {
				srv := httptest.NewServer(tr)
				t.Cleanup(func() { tr.Close(); srv.Close() })
				return srv.URL
			},
			"http.Server with TLS": func(t *testing.T, tr *Tracker) string {
				srv := httptest.NewTLSServer(tr)
				t.Cleanup(func() { tr.Close(); srv.Close() })
				return srv.URL
			},
		}
		for name, way := range ways {
			t.Run(name+[]string{", deflated one way", "", ", deflated"}[compression], func(t *testing.T) {
				tr, err := New(Config{Compression: compression})
				if err != nil {
					t.Fatal(err)
				}
				url := way(t, tr)
				mode := websocket.CompressionNoContextTakeover
				open := func() *client {
					ws, resp, err := websocket.Dial(t.Context(), url+"/announce", &websocket.DialOptions{
						HTTPClient: insecure, CompressionMode: mode, CompressionThreshold: 64})
					if err != nil {
						t.Fatal(err)
					}
					if got, want := resp.Header.Get("Sec-WebSocket-Extensions") != "", compression != CompressOff; got != want {
						t.Errorf("extensions %q", resp.Header.Get("Sec-WebSocket-Extensions"))
					}
					t.Cleanup(func() { ws.CloseNow() })
					return &client{t, ws}
				}
				converse(t, tr, open)
				// The same port answers HTTP, many requests on one connection.
				for i := range 3 {
					resp, err := insecure.Get(url + "/announce" + query("hash", string(rune('t'+i)), uint16(1000+i), 5, ""))
					if err != nil {
						t.Fatal(err)
					}
					b, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					if r, err := httpwire.ParseReply(b); err != nil || int(r.Incomplete) <= i || len(r.Peers) != i {
						t.Errorf("%+v, %v", r, err)
					}
				}
				if st := tr.Stats(); st.Announces[HTTP] != 3 || st.Malformed != 0 || st.Dropped != 0 {
					t.Errorf("%+v", st)
				}
			})
		}
	}
}

// converse exchanges large offers and answers between two clients.
func converse(t *testing.T, tr *Tracker, open func() *client) {
	one, two := open(), open()
	one.announce("hash", "one", msg{"left": 0}).counts(t, 1, 0)
	var ids []string
	for _, c := range "abcdefghij" {
		ids = append(ids, string(c))
	}
	list := offers(ids...)
	sdp := strings.Repeat("a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\r\n", 25)
	for _, o := range list {
		o.(msg)["offer"] = msg{"type": "offer", "sdp": sdp}
	}
	for range 3 {
		two.announce("hash", "two", msg{"offers": list}).counts(t, 1, 1)
		offer := one.recv()
		if offer["offer"].(map[string]any)["sdp"] != sdp || offer["peer_id"] != bin20("two") {
			t.Fatalf("offer: %v", offer)
		}
		one.send(msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20("one"), "to_peer_id": bin20("two"),
			"offer_id": offer["offer_id"], "answer": msg{"type": "answer", "sdp": sdp}})
		if answer := two.recv(); answer["answer"].(map[string]any)["sdp"] != sdp || answer["offer_id"] != offer["offer_id"] || answer["to_peer_id"] != nil {
			t.Fatalf("answer: %v", answer)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go two.ws.Read(ctx) // coder/websocket handles pongs only while somebody reads
	if err := two.ws.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	if err := one.ws.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Errorf("close: %v", err)
	}
	eventually(t, "the closed one has left", func() bool { st := tr.Stats(); return st.Conns == 1 && st.WebRTCPeers == 1 })
}

// rawWS is a WebSocket connection without a library.
type rawWS struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dialRaw(t *testing.T, addr, headers string) *rawWS {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(nc, "GET /announce HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+headers+"\r\n")
	w := &rawWS{t, nc, bufio.NewReader(nc)}
	resp, err := http.ReadResponse(w.r, nil)
	// The example of RFC 6455 section 1.3.
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%v, %+v", err, resp)
	}
	return w
}

func frame(first byte, payload string) []byte {
	b := []byte{first, 0x80 | byte(len(payload))}
	switch {
	case len(payload) > 65535:
		b = []byte{first, 0x80 | 127, 0, 0, 0, 0, byte(len(payload) >> 24), byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload))}
	case len(payload) > 125:
		b = []byte{first, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload))}
	}
	mask := [4]byte{7, 77, 177, 17}
	b = append(b, mask[:]...)
	p := []byte(payload)
	wsframe.Xor(p, mask)
	return append(b, p...)
}

// read returns the next frame.
func (w *rawWS) read() (wsframe.Op, string) {
	w.t.Helper()
	head, err := w.r.Peek(2)
	if err != nil {
		w.t.Fatalf("no frame: %v", err)
	}
	size := 2
	if head[1] == 126 {
		size = 4
	}
	head, err = w.r.Peek(size)
	if err != nil {
		w.t.Fatal(err)
	}
	h, n, err := wsframe.ParseHeader(head)
	if err != nil || n == 0 || h.Masked {
		w.t.Fatalf("%x: %v", head, err)
	}
	b := make([]byte, n+h.Len)
	if _, err := io.ReadFull(w.r, b); err != nil {
		w.t.Fatal(err)
	}
	return h.Op, string(b[n:])
}

const plain = `{"action":"scrape","info_hash":"hhhhhhhhhhhhhhhhhhhh"}`

func TestFramesInPieces(t *testing.T) {
	tr, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := dialRaw(t, listen(t, tr, nil), "")
	ask := func(name string, pieces ...[]byte) {
		for _, p := range pieces {
			if _, err := w.Write(p); err != nil {
				t.Fatal(name, err)
			}
		}
		if op, m := w.read(); op != wsframe.Text || !strings.HasPrefix(m, `{"action":"scrape"`) {
			t.Errorf("%s: %v %q", name, op, m)
		}
	}
	ask("whole", frame(0x81, plain))
	ask("binary", frame(0x82, plain))
	var bytewise [][]byte
	for _, c := range frame(0x81, plain) {
		bytewise = append(bytewise, []byte{c})
	}
	ask("byte by byte", bytewise...)
	ask("in three parts", frame(0x01, plain[:5]), frame(0x00, plain[5:9]), frame(0x80, plain[9:]))
	w.Write(bytes.Join([][]byte{frame(0x01, plain[:5]), frame(0x89, "still there?"), frame(0x80, plain[5:])}, nil))
	if op, m := w.read(); op != wsframe.Pong || m != "still there?" {
		t.Errorf("%v %q", op, m)
	}
	ask("with a ping between its parts")
	w.Write(bytes.Repeat(frame(0x81, plain), 20))
	for range 20 {
		ask("many at once")
	}
	big := strings.TrimSuffix(plain, "}") + `,"pad":"` + strings.Repeat("x", 60_000) + `"}`
	whole := frame(0x81, big)
	ask("60 kB in two, with the beginning of the next", whole[:30_000], append(whole[30_000:], frame(0x81, plain)[:7]...))
	ask("the rest of the next", frame(0x81, plain)[7:])
	longest := frame(0x81, strings.TrimSuffix(plain, "}")+strings.Repeat(" ", 64<<10-len(plain))+"}")
	for range 5 {
		w.Write(longest[:20])
		time.Sleep(20 * time.Millisecond) // so that the beginning is kept
		ask("the longest and another", append(longest[20:len(longest):len(longest)], longest...))
		ask("the other")
	}
	w.Write(frame(0x88, "\x03\xe8bye"))
	if op, m := w.read(); op != wsframe.Close || m[:2] != "\x03\xe8" {
		t.Errorf("%v %q", op, m)
	}
	if _, err := w.r.ReadByte(); err != io.EOF {
		t.Errorf("after the close: %v", err)
	}
	eventually(t, "no connection is left", func() bool { return tr.Stats().Conns == 0 })
	if n := tr.Stats().Buffers; n != 0 {
		t.Errorf("%d bytes of buffers are still lent", n)
	}
}

func TestBreachesOfTheProtocol(t *testing.T) {
	tr, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, tr, nil)
	var bomb bytes.Buffer
	z, _ := flate.NewWriter(&bomb, 9)
	z.Write(make([]byte, 10<<20))
	z.Flush()
	for name, c := range map[string]struct {
		b    []byte
		code string
	}{
		"not masked":              {[]byte{0x81, 1, 'x'}, "\x03\xea"},
		"reserved bit":            {frame(0xa1, "x"), "\x03\xea"},
		"reserved opcode":         {frame(0x83, "x"), "\x03\xea"},
		"continuation of nothing": {frame(0x80, "x"), "\x03\xea"},
		"text within a message":   {append(frame(0x01, "x"), frame(0x81, "x")...), "\x03\xea"},
		"ping in parts":           {frame(0x09, "x"), "\x03\xea"},
		"too large":               {frame(0x81, strings.Repeat("x", 70_000))[:20], "\x03\xf1"},
		"too large in parts":      {append(frame(0x01, strings.Repeat("x", 40_000)), frame(0x80, strings.Repeat("x", 40_000))...), "\x03\xf1"},
		"a bomb":                  {frame(0xc1, bomb.String()), "\x03\xf1"},
		"not deflate":             {frame(0xc1, "\xff\xff\xff"), "\x03\xef"},
	} {
		w := dialRaw(t, addr, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
		w.Write(c.b)
		if op, m := w.read(); op != wsframe.Close || !strings.HasPrefix(m, c.code) {
			t.Errorf("%s: %v %q", name, op, m)
		}
	}
	w := dialRaw(t, addr, "")
	w.Write(frame(0xc1, "x"))
	if op, m := w.read(); op != wsframe.Close || m[:2] != "\x03\xea" {
		t.Errorf("deflated though it was not agreed: %v %q", op, m)
	}
	eventually(t, "no connection is left", func() bool { return tr.Stats().Conns == 0 })
	if n := tr.Stats().Buffers; n != 0 {
		t.Errorf("%d bytes of buffers are still lent", n)
	}
}

func TestRequestsOnTheTrackersPort(t *testing.T) {
	tr, err := New(Config{Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		io.WriteString(w, "fallback "+r.Method+" "+r.URL.Path+" "+string(b))
	})})
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, tr, nil)
	ask := func(request string) string {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(nc, request)
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			return err.Error()
		}
		b, _ := io.ReadAll(resp.Body)
		return resp.Status + " " + string(b)
	}
	const end = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	for request, want := range map[string]string{
		"GET /" + end + "\r\n":                               "200 OK fallback GET / ",
		"GET /metrics" + end + "\r\n":                        "200 OK fallback GET /metrics ",
		"POST /x" + end + "Content-Length: 3\r\n\r\nabc":     "200 OK fallback POST /x abc",
		"POST /announce" + end + "Content-Length: 0\r\n\r\n": "405 Method Not Allowed",
		"GET /announce" + end + "\r\n":                       "200 OK d14:failure reason",
		"GET /scrape" + end + "\r\n":                         "200 OK d14:failure reason",
		"GET /announce" + end + "Upgrade: h2c\r\n\r\n":       "200 OK",
		"nonsense\r\n\r\n":                                   "400 Bad Request",
		"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 9000):  "400 Bad Request",
		"GET /announce" + end + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n": "4",
	} {
		if got := ask(request); !strings.HasPrefix(got, want) {
			t.Errorf("%.60q: %q, want %q", request, got, want)
		}
	}
}

func TestFallbackKnowsOfTLS(t *testing.T) {
	tr, err := New(Config{Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			http.Error(w, "not encrypted", http.StatusTeapot)
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer insecure.CloseIdleConnections()
	for url, want := range map[string]int{"https://" + listen(t, tr, certificate(t)): 200, "http://" + listen(t, tr, nil): http.StatusTeapot} {
		resp, err := insecure.Get(url + "/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %v", url, resp.Status)
		}
	}
}

func TestClientsAreToldToGoLittleByLittle(t *testing.T) {
	tr, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, tr, nil)
	const n = 40
	ended := make(chan time.Time, n)
	for range n {
		w := dialRaw(t, addr, "")
		w.Write(frame(0x81, plain))
		w.read()
		go func() {
			head := make([]byte, 4)
			if _, err := io.ReadFull(w.r, head); err != nil || head[0] != 0x88 || head[2] != 0x03 || head[3] != 0xe9 {
				t.Errorf("%x, %v: not 1001", head, err)
			}
			ended <- time.Now()
			w.Conn.Close()
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	done := make(chan error)
	go func() { done <- tr.Shutdown(ctx) }()
	eventually(t, "it drains", func() bool { return tr.Stats().Draining })
	eventually(t, "nothing new is taken", func() bool {
		nc, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			nc.Close()
		}
		return err != nil
	})
	var first, last time.Time
	for range n {
		at := <-ended
		if first.IsZero() {
			first = at
		}
		last = at
	}
	if spread := last.Sub(first); spread < time.Second {
		t.Errorf("all were sent away within %v", spread)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Plain HTTP where TLS is expected is told so; other noise is not answered.
func TestPlainOnTLS(t *testing.T) {
	addr := listen(t, newTracker(t, Config{}), certificate(t))
	if status, body := ask(t, addr, upgradeHead+"\r\n"); status != 400 || !strings.Contains(body, "wss://") {
		t.Errorf("%d %q", status, body)
	}
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(nc, "SSH-2.0-x\r\n")
	if b, _ := io.ReadAll(nc); bytes.Contains(b, []byte("HTTP")) {
		t.Errorf("noise is answered with %q", b)
	}
}
