package load

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// A target is a tracker.
type target struct {
	scheme string
	host   string // as in the URL
	addr   netip.AddrPort
	path   string // with the query
	tls    *tls.Config
}

const (
	dialTimeout = 20 * time.Second
	// connsPerSource is how many connections go out from one loopback address.
	connsPerSource = 2000
	wsKey          = "c2hvYWwtbG9hZC1nZW4tMQ=="
)

// wsAccept is what a tracker has to make of wsKey (RFC 6455, section 4.2.2).
var wsAccept = func() string {
	sum := sha1.Sum([]byte(wsKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

var defaultPorts = map[string]string{"ws": "80", "http": "80", "wss": "443", "https": "443"}

// parseTarget resolves the URL of a tracker. It refuses addresses beyond loopback unless
// Options allow them.
func parseTarget(ctx context.Context, text string, o Options) (*target, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	t := &target{scheme: u.Scheme, host: u.Host, path: u.RequestURI()}
	switch u.Scheme {
	case "wss", "https":
		t.tls = &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: o.TLSInsecure, DynamicRecordSizingDisabled: true}
		if o.TLSResume {
			t.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		}
	case "ws", "http", "udp":
	default:
		return nil, fmt.Errorf("%s: the scheme is none of ws, wss, http, https, udp", text)
	}
	port := u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("%s: name the port", text)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	for _, a := range addrs {
		a = a.Unmap()
		if !a.IsLoopback() && !o.BeyondLoopback {
			return nil, fmt.Errorf("%s is at %s, which is not this machine: load only trackers of your own, and say so with --beyond-loopback", text, a)
		}
		// IPv4 first: there are many loopback addresses to come from.
		if !t.addr.IsValid() || !t.addr.Addr().Is4() && a.Is4() {
			t.addr = netip.AddrPortFrom(a, uint16(n))
		}
	}
	return t, nil
}

// source returns the local address of connection n, nil for any.
func (t *target) source(n int) *net.TCPAddr {
	if !t.addr.Addr().Is4() || !t.addr.Addr().IsLoopback() {
		return nil
	}
	return &net.TCPAddr{IP: loopback(n / connsPerSource).AsSlice()}
}

// loopback returns the n-th of many addresses of this machine, from 127.1.0.1 on.
func loopback(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(1 + n/62500%250), byte(n / 250 % 250), byte(1 + n%250)})
}

// dial opens a stream as connection n.
func (t *target) dial(ctx context.Context, n int) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: -1}
	if a := t.source(n); a != nil {
		d.LocalAddr = a
	}
	nc, err := d.DialContext(ctx, "tcp", t.addr.String())
	if err != nil {
		return nil, err
	}
	// At the end no connection shall linger, so that the next run finds free ports.
	nc.(*net.TCPConn).SetLinger(0)
	if t.tls == nil {
		return nc, nil
	}
	tc := tls.Client(nc, t.tls)
	nc.SetDeadline(time.Now().Add(dialTimeout))
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	nc.SetDeadline(time.Time{})
	return tc, nil
}

// upgrade asks for a WebSocket on nc; f gets what comes behind the response.
func (t *target) upgrade(nc net.Conn, f *frames) error {
	nc.SetDeadline(time.Now().Add(dialTimeout))
	defer nc.SetDeadline(time.Time{})
	_, err := io.WriteString(nc, "GET "+t.path+" HTTP/1.1\r\nHost: "+t.host+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"User-Agent: shoal-bench\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+wsKey+"\r\n\r\n")
	if err != nil {
		return err
	}
	for {
		b := f.buf[f.start:f.end]
		if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
			f.start += i + 4
			return checkUpgrade(b[:i+4])
		}
		if len(b) > 8<<10 {
			return errors.New("upgrade: the response has no end")
		}
		if err := f.fill(nc, len(b)+512); err != nil {
			return err
		}
	}
}

func checkUpgrade(head []byte) error {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 101")) {
		return fmt.Errorf("upgrade: %s", bytes.TrimPrefix(line, []byte("HTTP/1.1 ")))
	}
	if !bytes.Contains(head, []byte(wsAccept)) {
		return errors.New("upgrade: wrong Sec-WebSocket-Accept")
	}
	return nil
}

// kindOf says what went wrong without saying to whom, so that equal errors count as one.
func kindOf(doing string, err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return doing + ": " + err.Error()
}
